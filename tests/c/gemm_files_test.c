/* Products of matrices in files: what is in memory's place, and what a full disk, a short file and a listener who has had enough leave
 * behind. */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { M = 300, N = 260, K = 900 };
static float a[M * K], b[K * N], c[M * N], wanted[M * N], found[M * N];
static char folder[] = "/tmp/vgpu-files-XXXXXX";
static char path_a[64], path_b[64], path_c[64];

static void write_file(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* Whether the file of C holds these elements and nothing else, and the folder the three files and nothing else. */
static int holds(const float *elements) {
    FILE *file = fopen(path_c, "rb");
    DIR *entries = opendir(folder);
    int count = 0, good = 0;
    if (file != NULL) {
        good = fread(found, 1, sizeof found, file) == sizeof found && fgetc(file) == EOF;
        fclose(file);
    }
    REQUIRE(entries != NULL);
    while (readdir(entries) != NULL) {
        count++;
    }
    closedir(entries);
    return good && count == 5 && memcmp(found, elements, sizeof found) == 0;
}

static int calls;
static int32_t listen(void *user_data, uint64_t done, uint64_t total) {
    CHECK(user_data == (void *)&calls);
    CHECK(done <= total && total == (uint64_t)M * N * K);
    calls++;
    return 0;
}

static int32_t enough(void *user_data, uint64_t done, uint64_t total) {
    (void)user_data;
    (void)total;
    return done > 0 ? 77 : 0;
}

static vgpu_status multiply(vgpu_pool *pool, float beta, size_t memory, vgpu_progress_fn progress) {
    return vgpu_sgemm_files(pool, 101, 111, 111, M, N, K, 0.5F, path_a, 0, K, path_b, 0, N, beta, path_c, memory, progress,
                            &calls);
}

static void results(vgpu_pool *pool) {
    static double da[20], db[30], dc[24], product[24];
    size_t i;
    section("results");
    memcpy(wanted, c, sizeof c);
    REQUIRE(vgpu_sgemm(NULL, 101, 111, 111, M, N, K, 0.5F, a, K, b, N, 2, wanted, N) == VGPU_OK);
    write_file(path_c, c, sizeof c);
    calls = 0;
    CHECK_OK(multiply(pool, 2, 1 << 20, listen));
    CHECK(holds(wanted));
    CHECK(calls > 1);
    write_file(path_c, c, sizeof c);
    CHECK_OK(multiply(pool, 2, (size_t)1 << 30, NULL));
    CHECK(holds(wanted));
    for (i = 0; i < 30; i++) {
        da[i % 20] = (double)(i % 20);
        db[i] = (double)i;
    }
    write_file(path_a, da, sizeof da);
    write_file(path_b, db, sizeof db);
    REQUIRE(vgpu_dgemm(NULL, 102, 111, 112, 4, 6, 5, 1, da, 4, db, 6, 0, product, 4) == VGPU_OK);
    CHECK_OK(vgpu_dgemm_files(pool, 102, 111, 112, 4, 6, 5, 1, path_a, 0, 4, path_b, 0, 6, 0, path_c, 1 << 20, NULL, NULL));
    {
        FILE *file = fopen(path_c, "rb");
        REQUIRE(file != NULL && fread(dc, sizeof *dc, 24, file) == 24);
        fclose(file);
    }
    CHECK(memcmp(dc, product, sizeof dc) == 0);
    write_file(path_a, a, sizeof a);
    write_file(path_b, b, sizeof b);
    write_file(path_c, c, sizeof c);
}

static void refusals(vgpu_pool *pool) {
    section("what is wrong leaves C as it was");
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, multiply(pool, 2, 1000, NULL));
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, multiply(pool, 2, 1 << 20, enough));
    CHECK_STATUS(VGPU_ERROR_IO, vgpu_sgemm_files(pool, 101, 111, 111, M, N, K, 1, path_a, 1, K, path_b, 0, N, 2, path_c, 1 << 20,
                                                 NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_IO, vgpu_sgemm_files(pool, 101, 111, 111, M, N, K, 1, "/nowhere/a", 0, K, path_b, 0, N, 2, path_c,
                                                 1 << 20, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm_files(pool, 101, 111, 111, M, N, K, 1, NULL, 0, K, path_b, 0, N, 2, path_c,
                                                               1 << 20, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm_files(pool, 101, 111, 111, M, N, K, 1, path_a, 0, K, path_b, 0, N, 2, NULL,
                                                               1 << 20, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm_files(pool, 101, 111, 111, M, N, K, 1, path_a, 0, K - 1, path_b, 0, N, 2,
                                                               path_c, 1 << 20, NULL, NULL));
    CHECK(holds(c));
}

/* In a child, since the limit stays. To a program it is the same as a full disk, but for the number of the error. */
static void full_disk(void) {
    pid_t child;
    int status = -1;
    section("no room on the disk");
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const struct rlimit limit = {M * N * sizeof(float) / 2, RLIM_INFINITY};
        signal(SIGXFSZ, SIG_IGN);
        REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        CHECK_STATUS(VGPU_ERROR_IO, multiply(NULL, 2, 1 << 20, NULL));
        CHECK(holds(c));
        _exit(check_failures);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(holds(c));
}

int main(void) {
    uint32_t dice = 1, workers;
    size_t i;
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path_a, sizeof path_a, "%s/a", folder);
    snprintf(path_b, sizeof path_b, "%s/b", folder);
    snprintf(path_c, sizeof path_c, "%s/c", folder);
    for (i = 0; i < M * K + K * N; i++) {
        dice = dice * 1664525u + 1013904223u;
        *(i < M * K ? a + i : b + (i - M * K)) = (float)(dice >> 8) / 8388608.0F - 1.0F;
    }
    for (i = 0; i < M * N; i++) {
        c[i] = (float)(i % 19);
    }
    write_file(path_a, a, sizeof a);
    write_file(path_b, b, sizeof b);
    for (workers = 0; workers <= 2; workers++) {
        vgpu_pool *pool = workers == 0 ? NULL : make_pool(workers);
        results(pool);
        refusals(pool);
        CHECK_OK(vgpu_pool_destroy(pool));
    }
    full_disk();
    REQUIRE(unlink(path_a) == 0 && unlink(path_b) == 0 && unlink(path_c) == 0 && rmdir(folder) == 0);
    return check_done();
}
