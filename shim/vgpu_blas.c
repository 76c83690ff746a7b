/* libvgpu_blas.so: the BLAS names of the matrix product, computed by libvgpu_pool.
 *
 * A program that calls sgemm or dgemm of whatever BLAS it was linked with gets ours with LD_PRELOAD, or by linking this library
 * before its BLAS. docs/blas.md says what it exports and what it does not.
 *
 * One pool serves the process. It is made at the first call, and again in a forked child. No call fails for want of memory or
 * threads: BLAS has no way to say so, and its callers no way to hear it.
 */
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu_pool.h>

/* ---- the pool ---- */

/* Products larger than this, in multiply-adds, may be shared out; below, the library computes on the caller anyway, and a
 * program of small products alone never starts a thread. */
#define SHARED_FROM (64.0 * 64.0 * 64.0)

static pthread_once_t pool_once = PTHREAD_ONCE_INIT;
static vgpu_pool *process_pool;

/* A count in the environment, 0 for none. Of OMP_NUM_THREADS, which may be a list, the first number counts. */
static uint32_t count_from(const char *variable) {
    const char *text = getenv(variable);
    const long count = text != NULL ? strtol(text, NULL, 10) : 0;
    return count > 0 && count <= 4096 ? (uint32_t)count : 0;
}

static void make_pool(void) {
    vgpu_pool_config config;
    vgpu_pool_config_init(&config);
    config.name_prefix = "vblas-";
    config.num_workers = count_from("VGPU_BLAS_NUM_THREADS");
    if (config.num_workers == 0) {
        config.num_workers = count_from("OMP_NUM_THREADS");
    }
    /* With one worker the caller computes, and so it does when there can be no pool: the handle is NULL then. */
    if (config.num_workers != 1 && vgpu_pool_create(&config, &process_pool) != VGPU_OK) {
        process_pool = NULL;
    }
}

/* The child has no workers. What the parent's pool occupies stays where it is, as vgpu_pool_destroy() says. */
static void forget_pool(void) {
    static const pthread_once_t fresh = PTHREAD_ONCE_INIT;
    pool_once = fresh;
    process_pool = NULL;
}

__attribute__((constructor)) static void prepare_for_fork(void) {
    (void)pthread_atfork(NULL, NULL, forget_pool);
}

/* ---- reporting ---- */

typedef void xerbla_fn(const char *routine, const int *parameter, size_t length);
typedef void cblas_xerbla_fn(int parameter, const char *routine, const char *form, ...);

/* What the process already has under this name: the program's own, or that of the BLAS behind us. Defining these names here
 * would take them away from a program's other libraries. */
static int find(const char *name, void *function, size_t size) {
    void *symbol = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &symbol, size);
    return symbol != NULL;
}

/* As the reference BLAS reports, but that its xerbla, which we only replace where there is none, ends the program. */
static void report_fortran(const char *routine, int parameter) {
    xerbla_fn *xerbla = NULL;
    if (find("xerbla_", &xerbla, sizeof xerbla)) {
        xerbla(routine, &parameter, strlen(routine));
    } else {
        fprintf(stderr, " ** On entry to %s parameter number %2d had an illegal value\n", routine, parameter);
    }
}

static void report_cblas(const char *routine, int parameter, const char *form, int value) {
    cblas_xerbla_fn *xerbla = NULL;
    if (find("cblas_xerbla", &xerbla, sizeof xerbla)) {
        xerbla(parameter, routine, form, value);
    } else {
        fprintf(stderr, "Parameter %d to routine %s was incorrect\n", parameter, routine);
        if (form[0] != '\0') {
            fprintf(stderr, form, value);
        }
    }
}

/* ---- the product ---- */

struct product {
    const char *routine;
    int is_double;
    int32_t layout, trans_a, trans_b;
    int64_t m, n, k;
    double alpha, beta; /* holds a float exactly */
    const void *a, *b;
    void *c;
    int64_t lda, ldb, ldc;
};

/* Which argument is bad, as the Fortran routine counts them, or 0. The layout and the transpositions are known to be good. */
static int bad_argument(const struct product *p) {
    const int rows = p->layout == VGPU_ROW_MAJOR;
    const int64_t line_a = rows == (p->trans_a == VGPU_NO_TRANS) ? p->k : p->m;
    const int64_t line_b = rows == (p->trans_b == VGPU_NO_TRANS) ? p->n : p->k;
    const int64_t line_c = rows ? p->n : p->m;
    if (p->m < 0) {
        return 3;
    }
    if (p->n < 0) {
        return 4;
    }
    if (p->k < 0) {
        return 5;
    }
    if (p->lda < 1 || p->lda < line_a) {
        return 8;
    }
    if (p->ldb < 1 || p->ldb < line_b) {
        return 10;
    }
    return p->ldc < 1 || p->ldc < line_c ? 13 : 0;
}

/* The product by its definition. It needs nothing but its operands: for when there is no memory to pack them. */
#define BY_DEFINITION(name, real)                                                                                          \
    static void name(const struct product *p) {                                                                            \
        const int rows = p->layout == VGPU_ROW_MAJOR;                                                                      \
        const int a_rows = rows == (p->trans_a == VGPU_NO_TRANS), b_rows = rows == (p->trans_b == VGPU_NO_TRANS);          \
        const real *a = p->a, *b = p->b;                                                                                   \
        real *c = p->c;                                                                                                    \
        const real alpha = (real)p->alpha, beta = (real)p->beta;                                                           \
        int64_t i, j, q;                                                                                                   \
        for (i = 0; i < p->m; i++) {                                                                                       \
            for (j = 0; j < p->n; j++) {                                                                                   \
                real *to = c + (rows ? i * p->ldc + j : i + j * p->ldc);                                                   \
                real sum = 0;                                                                                              \
                for (q = 0; q < p->k && alpha != 0; q++) {                                                                 \
                    sum += a[a_rows ? i * p->lda + q : i + q * p->lda] * b[b_rows ? q * p->ldb + j : q + j * p->ldb];      \
                }                                                                                                          \
                sum = alpha != 0 ? alpha * sum : 0;                                                                        \
                *to = beta != 0 ? sum + beta * *to : sum;                                                                  \
            }                                                                                                              \
        }                                                                                                                  \
    }
BY_DEFINITION(single_by_definition, float)
BY_DEFINITION(double_by_definition, double)

static vgpu_status multiply_on(vgpu_pool *pool, const struct product *p) {
    return p->is_double ? vgpu_dgemm(pool, p->layout, p->trans_a, p->trans_b, p->m, p->n, p->k, p->alpha, p->a, p->lda, p->b,
                                     p->ldb, p->beta, p->c, p->ldc)
                        : vgpu_sgemm(pool, p->layout, p->trans_a, p->trans_b, p->m, p->n, p->k, (float)p->alpha, p->a, p->lda,
                                     p->b, p->ldb, (float)p->beta, p->c, p->ldc);
}

/* A product whose arguments have been checked. */
static void multiply(const struct product *p) {
    vgpu_pool *pool = NULL;
    vgpu_status status;
    if ((double)p->m * (double)p->n * (double)p->k > SHARED_FROM) {
        (void)pthread_once(&pool_once, make_pool);
        pool = process_pool;
    }
    status = multiply_on(pool, p);
    if (status != VGPU_OK && pool != NULL) {
        status = multiply_on(NULL, p);
    }
    if (status == VGPU_ERROR_OUT_OF_MEMORY) {
        (p->is_double ? double_by_definition : single_by_definition)(p);
    } else if (status != VGPU_OK) {
        /* Only what no BLAS checks is left: a matrix that is NULL, or larger than memory. */
        fprintf(stderr, "%s: %s\n", p->routine, vgpu_last_error_message());
    }
}

static int known_transpose(int32_t trans) {
    return trans == VGPU_NO_TRANS || trans == VGPU_TRANS || trans == VGPU_CONJ_TRANS;
}

static void cblas_product(const struct product *p) {
    int bad;
    if (p->layout != VGPU_ROW_MAJOR && p->layout != VGPU_COL_MAJOR) {
        report_cblas(p->routine, 1, "Illegal layout setting, %d\n", p->layout);
    } else if (!known_transpose(p->trans_a)) {
        report_cblas(p->routine, 2, "Illegal TransA setting, %d\n", p->trans_a);
    } else if (!known_transpose(p->trans_b)) {
        report_cblas(p->routine, 3, "Illegal TransB setting, %d\n", p->trans_b);
    } else if ((bad = bad_argument(p)) != 0) {
        report_cblas(p->routine, bad + 1, "", 0);
    } else {
        multiply(p);
    }
}

static int32_t transpose_of(char letter) {
    switch (letter) {
    case 'N':
    case 'n':
        return VGPU_NO_TRANS;
    case 'T':
    case 't':
        return VGPU_TRANS;
    case 'C':
    case 'c':
        return VGPU_CONJ_TRANS;
    default:
        return 0;
    }
}

static void fortran_product(const struct product *p) {
    const int bad = !known_transpose(p->trans_a) ? 1 : !known_transpose(p->trans_b) ? 2 : bad_argument(p);
    if (bad != 0) {
        report_fortran(p->routine, bad);
    } else {
        multiply(p);
    }
}

/* ---- the names ---- */

#define EXPORT __attribute__((visibility("default")))

/* The two calling sequences, for one type of element, one width of integers, and the names under which they go. */
#define CBLAS_GEMM(symbol, name, is_double, real, integer)                                                                 \
    EXPORT void symbol(int layout, int trans_a, int trans_b, integer m, integer n, integer k, real alpha, const real *a,   \
                       integer lda, const real *b, integer ldb, real beta, real *c, integer ldc);                          \
    void symbol(int layout, int trans_a, int trans_b, integer m, integer n, integer k, real alpha, const real *a,          \
                integer lda, const real *b, integer ldb, real beta, real *c, integer ldc) {                                \
        const struct product p = {name, is_double, layout, trans_a, trans_b, m, n, k, (double)alpha, (double)beta,         \
                                  a,    b,         c,      lda,     ldb,     ldc};                                         \
        cblas_product(&p);                                                                                                 \
    }
#define FORTRAN_GEMM(symbol, name, is_double, real, integer)                                                               \
    EXPORT void symbol(const char *trans_a, const char *trans_b, const integer *m, const integer *n, const integer *k,     \
                       const real *alpha, const real *a, const integer *lda, const real *b, const integer *ldb,            \
                       const real *beta, real *c, const integer *ldc);                                                     \
    void symbol(const char *trans_a, const char *trans_b, const integer *m, const integer *n, const integer *k,            \
                const real *alpha, const real *a, const integer *lda, const real *b, const integer *ldb, const real *beta, \
                real *c, const integer *ldc) {                                                                             \
        const struct product p = {name, is_double, VGPU_COL_MAJOR, transpose_of(*trans_a), transpose_of(*trans_b),         \
                                  *m,   *n,        *k,             (double)*alpha,         (double)*beta,                  \
                                  a,    b,         c,              *lda,                   *ldb,                           \
                                  *ldc};                                                                                   \
        fortran_product(&p);                                                                                               \
    }

/* 32-bit integers: the standard names, and those of the OpenBLAS in SciPy's wheels. */
CBLAS_GEMM(cblas_sgemm, "cblas_sgemm", 0, float, int32_t)
CBLAS_GEMM(cblas_dgemm, "cblas_dgemm", 1, double, int32_t)
CBLAS_GEMM(scipy_cblas_sgemm, "cblas_sgemm", 0, float, int32_t)
CBLAS_GEMM(scipy_cblas_dgemm, "cblas_dgemm", 1, double, int32_t)
FORTRAN_GEMM(sgemm_, "SGEMM ", 0, float, int32_t)
FORTRAN_GEMM(dgemm_, "DGEMM ", 1, double, int32_t)
FORTRAN_GEMM(scipy_sgemm_, "SGEMM ", 0, float, int32_t)
FORTRAN_GEMM(scipy_dgemm_, "DGEMM ", 1, double, int32_t)

/* 64-bit integers: the names of the reference BLAS, of OpenBLAS, and of the OpenBLAS in NumPy's wheels. */
CBLAS_GEMM(cblas_sgemm_64, "cblas_sgemm", 0, float, int64_t)
CBLAS_GEMM(cblas_dgemm_64, "cblas_dgemm", 1, double, int64_t)
CBLAS_GEMM(cblas_sgemm64_, "cblas_sgemm", 0, float, int64_t)
CBLAS_GEMM(cblas_dgemm64_, "cblas_dgemm", 1, double, int64_t)
CBLAS_GEMM(scipy_cblas_sgemm64_, "cblas_sgemm", 0, float, int64_t)
CBLAS_GEMM(scipy_cblas_dgemm64_, "cblas_dgemm", 1, double, int64_t)
FORTRAN_GEMM(sgemm_64_, "SGEMM ", 0, float, int64_t)
FORTRAN_GEMM(dgemm_64_, "DGEMM ", 1, double, int64_t)
FORTRAN_GEMM(scipy_sgemm_64_, "SGEMM ", 0, float, int64_t)
FORTRAN_GEMM(scipy_dgemm_64_, "DGEMM ", 1, double, int64_t)
