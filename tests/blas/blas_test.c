/* The BLAS names of libvgpu_blas: results, error reports, a child after fork, want of memory. */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../c/check.h"

typedef int32_t integer;
extern void cblas_dgemm(int layout, int trans_a, int trans_b, integer m, integer n, integer k, double alpha, const double *a,
                        integer lda, const double *b, integer ldb, double beta, double *c, integer ldc);
extern void cblas_sgemm(int layout, int trans_a, int trans_b, integer m, integer n, integer k, float alpha, const float *a,
                        integer lda, const float *b, integer ldb, float beta, float *c, integer ldc);
extern void dgemm_(const char *trans_a, const char *trans_b, const integer *m, const integer *n, const integer *k,
                   const double *alpha, const double *a, const integer *lda, const double *b, const integer *ldb,
                   const double *beta, double *c, const integer *ldc);
extern void sgemm_(const char *trans_a, const char *trans_b, const integer *m, const integer *n, const integer *k,
                   const float *alpha, const float *a, const integer *lda, const float *b, const integer *ldb, const float *beta,
                   float *c, const integer *ldc);
extern void scipy_cblas_dgemm64_(int layout, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, double alpha,
                                 const double *a, int64_t lda, const double *b, int64_t ldb, double beta, double *c,
                                 int64_t ldc);

/* ---- what was reported: the program's own reporters, as the reference BLAS lets a program bring them ---- */

static int reported;
static char reported_by[32];
static char reported_text[80];

void xerbla_(const char *routine, const int *parameter, size_t length);
void xerbla_(const char *routine, const int *parameter, size_t length) {
    reported = *parameter;
    snprintf(reported_by, sizeof reported_by, "%.*s", (int)length, routine);
}

void cblas_xerbla(int parameter, const char *routine, const char *form, ...);
void cblas_xerbla(int parameter, const char *routine, const char *form, ...) {
    va_list arguments;
    reported = parameter;
    snprintf(reported_by, sizeof reported_by, "%s", routine);
    va_start(arguments, form);
    vsnprintf(reported_text, sizeof reported_text, form, arguments);
    va_end(arguments);
}

static double a[16], b[16], c[16];

static void cblas_reports(int wanted, int layout, int trans_a, int trans_b, integer m, integer n, integer k, integer lda,
                          integer ldb, integer ldc) {
    reported = 0;
    reported_by[0] = reported_text[0] = '\0';
    c[0] = 42;
    cblas_dgemm(layout, trans_a, trans_b, m, n, k, 1.0, a, lda, b, ldb, 0.0, c, ldc);
    CHECK(reported == wanted);
    CHECK(wanted == 0 || strcmp(reported_by, "cblas_dgemm") == 0);
    CHECK(wanted == 0 || c[0] == 42);
}

static void fortran_reports(int wanted, char trans_a, char trans_b, integer m, integer n, integer k, integer lda, integer ldb,
                            integer ldc) {
    const double one = 1, zero = 0;
    reported = 0;
    reported_by[0] = '\0';
    c[0] = 42;
    dgemm_(&trans_a, &trans_b, &m, &n, &k, &one, a, &lda, b, &ldb, &zero, c, &ldc);
    CHECK(reported == wanted);
    CHECK(wanted == 0 || strcmp(reported_by, "DGEMM ") == 0);
    CHECK(wanted == 0 || c[0] == 42);
}

static void reports(void) {
    section("bad arguments are reported with the numbers of the reference BLAS");
    cblas_reports(0, 101, 111, 111, 2, 3, 4, 4, 3, 3);
    cblas_reports(1, 100, 111, 111, 2, 3, 4, 4, 3, 3);
    CHECK(strcmp(reported_text, "Illegal layout setting, 100\n") == 0);
    cblas_reports(2, 101, 110, 111, 2, 3, 4, 4, 3, 3);
    CHECK(strcmp(reported_text, "Illegal TransA setting, 110\n") == 0);
    cblas_reports(3, 101, 111, 'T', 2, 3, 4, 4, 3, 3);
    cblas_reports(4, 101, 111, 111, -1, 3, 4, 4, 3, 3);
    cblas_reports(5, 101, 111, 111, 2, -1, 4, 4, 3, 3);
    cblas_reports(6, 101, 111, 111, 2, 3, -1, 4, 3, 3);
    cblas_reports(9, 101, 111, 111, 2, 3, 4, 3, 3, 3);
    cblas_reports(11, 101, 111, 111, 2, 3, 4, 4, 2, 3);
    cblas_reports(14, 101, 111, 111, 2, 3, 4, 4, 3, 2);
    cblas_reports(9, 101, 112, 111, 2, 3, 4, 1, 3, 3);
    cblas_reports(9, 102, 111, 111, 2, 3, 4, 1, 4, 2);
    cblas_reports(11, 102, 111, 112, 2, 3, 4, 2, 2, 2);
    cblas_reports(14, 102, 111, 111, 2, 3, 4, 2, 4, 1);
    cblas_reports(9, 102, 111, 111, 0, 0, 0, 0, 1, 1);
    fortran_reports(0, 'N', 'n', 2, 3, 4, 2, 4, 2);
    fortran_reports(0, 'c', 'T', 2, 3, 4, 4, 3, 2);
    fortran_reports(1, 'X', 'N', 2, 3, 4, 2, 4, 2);
    fortran_reports(2, 'N', '1', 2, 3, 4, 2, 4, 2);
    fortran_reports(3, 'N', 'N', -2, 3, 4, 2, 4, 2);
    fortran_reports(4, 'N', 'N', 2, -3, 4, 2, 4, 2);
    fortran_reports(5, 'N', 'N', 2, 3, -4, 2, 4, 2);
    fortran_reports(8, 'N', 'N', 2, 3, 4, 1, 4, 2);
    fortran_reports(8, 'T', 'N', 2, 3, 4, 3, 4, 2);
    fortran_reports(10, 'N', 'N', 2, 3, 4, 2, 3, 2);
    fortran_reports(13, 'N', 'N', 2, 3, 4, 2, 4, 1);
}

/* ---- results: small whole numbers, exact in any order ---- */

static int64_t digit(int64_t i, int64_t j) {
    return (i * 7 + j * 5 + i * j) % 9 - 4;
}

enum { M = 150, N = 130, K = 170 };
static double da[M * K], db[K * N], dc[M * N];
static float fa[M * K], fb[K * N], fc[M * N];

/* The element of the product of an m x k and a k x n matrix of digits, with alpha 2 and beta 3 over a C of ones. */
static double wanted(int64_t i, int64_t j) {
    int64_t sum = 0, q;
    for (q = 0; q < K; q++) {
        sum += digit(i, q) * digit(q + 3, j);
    }
    return (double)(2 * sum + 3);
}

static int all_right(int layout) {
    int64_t i, j;
    for (i = 0; i < M; i++) {
        for (j = 0; j < N; j++) {
            const int64_t at = layout == 101 ? i * N + j : j * M + i;
            if (dc[at] != wanted(i, j) || (double)fc[at] != wanted(i, j)) {
                fprintf(stderr, "element %ld, %ld is %g and %g, not %g\n", (long)i, (long)j, dc[at], (double)fc[at], wanted(i, j));
                return 0;
            }
        }
    }
    return 1;
}

static void fill(int layout, int trans_a, int trans_b) {
    int64_t i, j;
    for (i = 0; i < M; i++) {
        for (j = 0; j < K; j++) {
            const int64_t at = (layout == 101) == (trans_a == 111) ? i * K + j : j * M + i;
            da[at] = (double)digit(i, j);
            fa[at] = (float)digit(i, j);
        }
    }
    for (i = 0; i < K; i++) {
        for (j = 0; j < N; j++) {
            const int64_t at = (layout == 101) == (trans_b == 111) ? i * N + j : j * K + i;
            db[at] = (double)digit(i + 3, j);
            fb[at] = (float)digit(i + 3, j);
        }
    }
    for (i = 0; i < M * N; i++) {
        dc[i] = 1;
        fc[i] = 1;
    }
}

static void results(void) {
    int layout, trans_a, trans_b;
    section("every layout and transposition, by both calling sequences");
    for (layout = 101; layout <= 102; layout++) {
        for (trans_a = 111; trans_a <= 113; trans_a++) {
            for (trans_b = 111; trans_b <= 113; trans_b++) {
                const int a_rows = (layout == 101) == (trans_a == 111), b_rows = (layout == 101) == (trans_b == 111);
                const integer lda = a_rows ? K : M, ldb = b_rows ? N : K, ldc = layout == 101 ? N : M;
                fill(layout, trans_a, trans_b);
                cblas_dgemm(layout, trans_a, trans_b, M, N, K, 2, da, lda, db, ldb, 3, dc, ldc);
                cblas_sgemm(layout, trans_a, trans_b, M, N, K, 2, fa, lda, fb, ldb, 3, fc, ldc);
                CHECK(all_right(layout));
                if (layout == 102) {
                    const char *letters = "NTC";
                    const integer m = M, n = N, k = K;
                    const double two = 2, three = 3;
                    const float two_f = 2, three_f = 3;
                    fill(layout, trans_a, trans_b);
                    dgemm_(letters + trans_a - 111, letters + trans_b - 111, &m, &n, &k, &two, da, &lda, db, &ldb, &three, dc,
                           &ldc);
                    sgemm_(letters + trans_a - 111, letters + trans_b - 111, &m, &n, &k, &two_f, fa, &lda, fb, &ldb, &three_f,
                           fc, &ldc);
                    CHECK(all_right(layout));
                }
            }
        }
    }
    section("64-bit integers");
    fill(101, 111, 111);
    cblas_sgemm(101, 111, 111, M, N, K, 2, fa, K, fb, N, 3, fc, N);
    scipy_cblas_dgemm64_(101, 111, 111, M, N, K, 2, da, K, db, N, 3, dc, N);
    CHECK(all_right(101));
}

static int multiply_once(void) {
    fill(101, 111, 111);
    cblas_sgemm(101, 111, 111, M, N, K, 2, fa, K, fb, N, 3, fc, N);
    cblas_dgemm(101, 111, 111, M, N, K, 2, da, K, db, N, 3, dc, N);
    return all_right(101);
}

static void *multiply_often(void *result) {
    static const double x[] = {1, 2, 3, 4}, y[] = {5, 6, 7, 8};
    int i;
    *(int *)result = 1;
    for (i = 0; i < 1000; i++) {
        double z[4];
        cblas_dgemm(101, 111, 111, 2, 2, 2, 1, x, 2, y, 2, 0, z, 2);
        if (z[0] != 19 || z[1] != 22 || z[2] != 43 || z[3] != 50) {
            *(int *)result = 0;
        }
    }
    return NULL;
}

/* How many threads the process has. */
static int threads_here(void) {
    char line[128];
    int threads = -1;
    FILE *file = fopen("/proc/self/status", "r");
    REQUIRE(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Threads: %d", &threads) == 1) {
            break;
        }
    }
    fclose(file);
    return threads;
}

/* As many workers as the environment says, besides the caller; of one the caller does the work. */
static int threads_expected(void) {
    const int workers = atoi(getenv("VGPU_BLAS_NUM_THREADS"));
    return workers == 1 ? 1 : workers + 1;
}

static void child_after_fork(void) {
    pid_t child;
    int status = -1;
    section("a forked child has a pool of its own, and so has its child");
    CHECK(multiply_once());
    CHECK(threads_here() == threads_expected());
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        int good = multiply_once() && threads_here() == threads_expected(), inner = -1;
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            _exit(multiply_once() && threads_here() == threads_expected() ? 0 : 1);
        }
        good = good && grandchild > 0 && waitpid(grandchild, &inner, 0) == grandchild && inner == 0;
        _exit(good ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(multiply_once());
}

static void many_threads(void) {
    pthread_t threads[4];
    int good[4], i;
    section("many threads at once");
    for (i = 0; i < 4; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, multiply_often, &good[i]) == 0);
    }
    CHECK(multiply_once());
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK(good[i]);
    }
}

/* In a child, since the limit cannot be told from a leak afterwards. Without memory for packing the product is still right. */
static void without_memory(void) {
    pid_t child;
    int status = -1;
    section("without memory and threads");
    if (UNDER_ASAN) {
        return;
    }
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const struct rlimit nothing = {1, 1};
        void *block;
        size_t size;
        /* What the allocator still has in hand goes first. */
        setrlimit(RLIMIT_AS, &nothing);
        for (size = 1 << 20; size >= 64; size /= 2) {
            do {
                block = malloc(size);
            } while (block != NULL);
        }
        _exit(multiply_once() ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(void) {
    setenv("VGPU_BLAS_NUM_THREADS", "3", 0);
    reports();
    results();
    child_after_fork();
    many_threads();
    without_memory();
    return check_done();
}
