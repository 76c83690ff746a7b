/* Batches of products, a packed B, and operands of bf16: each bit for bit what vgpu_sgemm and vgpu_dgemm give, and every bad
 * argument refused before C is touched. By way of bf16: the same where the CPU has no AMX, and near enough where it has. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

enum { M = 37, N = 61, K = 150, COUNT = 9 };
static float fa[COUNT][M * K], fb[COUNT][K * N], fc[COUNT][M * N], fwanted[COUNT][M * N];
static double da[COUNT][M * K], db[COUNT][K * N], dc[COUNT][M * N], dwanted[COUNT][M * N];
static uint16_t ha[M * K], hb[K * N];

static uint32_t dice = 1;
static float fraction(void) {
    dice = dice * 1664525u + 1013904223u;
    return (float)(dice >> 8) / 8388608.0F - 1.0F;
}

static void refill(void) {
    size_t i, j;
    for (i = 0; i < COUNT; i++) {
        for (j = 0; j < M * N; j++) {
            fc[i][j] = (float)(j % 13);
            dc[i][j] = (double)(j % 13);
        }
    }
}

static void fill(void) {
    size_t i, j;
    for (i = 0; i < COUNT; i++) {
        for (j = 0; j < M * K; j++) {
            fa[i][j] = fraction();
            da[i][j] = (double)fraction();
        }
        for (j = 0; j < K * N; j++) {
            fb[i][j] = fraction();
            db[i][j] = (double)fraction();
        }
    }
    refill();
    for (i = 0; i < COUNT; i++) {
        memcpy(fwanted[i], fc[i], sizeof fc[i]);
        memcpy(dwanted[i], dc[i], sizeof dc[i]);
        REQUIRE(vgpu_sgemm(NULL, 101, 111, 112, M, N, K, 0.5F, fa[i], K, fb[i], K, 2, fwanted[i], N) == VGPU_OK);
        REQUIRE(vgpu_dgemm(NULL, 101, 111, 112, M, N, K, 0.5, da[i], K, db[i], K, 2, dwanted[i], N) == VGPU_OK);
    }
}

static vgpu_status singles(vgpu_pool *pool, int64_t lda, int64_t stride_a, int64_t stride_c, int64_t count) {
    return vgpu_sgemm_batch_strided(pool, 101, 111, 112, M, N, K, 0.5F, fa[0], lda, stride_a, fb[0], K, K * N, 2, fc[0], N,
                                    stride_c, count);
}

static void strided(vgpu_pool *pool) {
    section("a strided batch");
    refill();
    CHECK_OK(singles(pool, K, M * K, M * N, COUNT));
    CHECK_OK(vgpu_dgemm_batch_strided(pool, 101, 111, 112, M, N, K, 0.5, da[0], K, M * K, db[0], K, K * N, 2, dc[0], N, M * N,
                                      COUNT));
    CHECK(memcmp(fc, fwanted, sizeof fc) == 0);
    CHECK(memcmp(dc, dwanted, sizeof dc) == 0);
    CHECK_OK(singles(pool, K, M * K, M * N, 0));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, singles(pool, K - 1, M * K, M * N, COUNT));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, singles(pool, K, -1, M * N, COUNT));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, singles(pool, K, M * K, M * N - 1, COUNT));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, singles(pool, K, M * K, M * N, -1));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, singles(pool, K, INT64_MAX, M * N, COUNT));
    CHECK(memcmp(fc, fwanted, sizeof fc) == 0);
}

static void grouped(vgpu_pool *pool) {
    /* The second group is the same matrices, column-major in thought: the transposes in the other order. */
    const int32_t no_trans[] = {111, 111}, trans[] = {112, 112}, wrong[] = {112, 0};
    const int64_t m[] = {M, M}, n[] = {N, N}, k[] = {K, K}, lda[] = {K, K}, ldb[] = {K, K}, ldc[] = {N, N};
    const int64_t sizes[] = {4, COUNT - 4}, negative[] = {4, -1}, short_ld[] = {K, K - 1};
    const float alpha[] = {0.5F, 0.5F}, beta[] = {2, 2};
    const double dalpha[] = {0.5, 0.5}, dbeta[] = {2, 2};
    const float *a[COUNT], *b[COUNT];
    const double *wide_a[COUNT], *wide_b[COUNT];
    float *c[COUNT];
    double *wide_c[COUNT];
    size_t i;
    section("groups of products");
    for (i = 0; i < COUNT; i++) {
        a[i] = fa[i];
        b[i] = fb[i];
        c[i] = fc[i];
        wide_a[i] = da[i];
        wide_b[i] = db[i];
        wide_c[i] = dc[i];
    }
    refill();
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_sgemm_batch(pool, 101, no_trans, wrong, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, 2, sizes));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_sgemm_batch(pool, 101, no_trans, trans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, 2, negative));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_sgemm_batch(pool, 101, no_trans, trans, m, n, k, alpha, a, short_ld, b, ldb, beta, c, ldc, 2, sizes));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_sgemm_batch(pool, 101, no_trans, trans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, -1, sizes));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_sgemm_batch(pool, 101, no_trans, trans, m, n, k, alpha, NULL, lda, b, ldb, beta, c, ldc, 2, sizes));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_sgemm_batch(pool, 101, no_trans, trans, m, NULL, k, alpha, a, lda, b, ldb, beta, c, ldc, 2, sizes));
    CHECK(fc[0][1] == 1 && fc[0][2] == 2);
    CHECK_OK(vgpu_sgemm_batch(pool, 101, no_trans, trans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, 2, sizes));
    CHECK_OK(vgpu_dgemm_batch(pool, 101, no_trans, trans, m, n, k, dalpha, wide_a, lda, wide_b, ldb, dbeta, wide_c, ldc, 2,
                              sizes));
    CHECK(memcmp(fc, fwanted, sizeof fc) == 0);
    CHECK(memcmp(dc, dwanted, sizeof dc) == 0);
    CHECK_OK(vgpu_sgemm_batch(pool, 101, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL));
}

static void packed(vgpu_pool *pool) {
    vgpu_packed_b *single = NULL, *twice = NULL;
    size_t i;
    section("a packed B");
    REQUIRE(vgpu_sgemm_pack_b(pool, 101, 112, N, K, fb[0], K, &single) == VGPU_OK);
    REQUIRE(vgpu_dgemm_pack_b(pool, 101, 112, N, K, db[0], K, &twice) == VGPU_OK);
    for (i = 0; i < 3; i++) {
        refill();
        CHECK_OK(vgpu_sgemm_packed(pool, 111, M, 0.5F, fa[0], K, single, 2, fc[0], N));
        CHECK_OK(vgpu_dgemm_packed(i == 0 ? NULL : pool, 111, M, 0.5, da[0], K, twice, 2, dc[0], N));
        CHECK(memcmp(fc[0], fwanted[0], sizeof fc[0]) == 0);
        CHECK(memcmp(dc[0], dwanted[0], sizeof dc[0]) == 0);
    }
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm_packed(pool, 111, M, 0.5F, fa[0], K, twice, 2, fc[0], N));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_dgemm_packed(pool, 111, M, 0.5, da[0], K, single, 2, dc[0], N));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm_packed(pool, 111, M, 0.5F, fa[0], K, NULL, 2, fc[0], N));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm_packed(pool, 0, M, 0.5F, fa[0], K, single, 2, fc[0], N));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm_packed(pool, 111, M, 0.5F, fa[0], K - 1, single, 2, fc[0], N));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm_packed(pool, 111, M, 0.5F, fa[0], K, single, 2, fc[0], N - 1));
    CHECK(memcmp(fc[0], fwanted[0], sizeof fc[0]) == 0);
    vgpu_packed_b_destroy(single);
    vgpu_packed_b_destroy(twice);
    vgpu_packed_b_destroy(NULL);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm_pack_b(pool, 101, 112, N, K, fb[0], K - 1, &single));
    CHECK(single == NULL);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm_pack_b(pool, 101, 112, N, K, NULL, K, &single));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm_pack_b(pool, 101, 112, N, K, fb[0], K, NULL));
}

static float widened(uint16_t half) {
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void bf16(vgpu_pool *pool) {
    size_t i;
    section("operands of bf16");
    for (i = 0; i < M * K; i++) {
        uint32_t bits;
        memcpy(&bits, &fa[0][i], sizeof bits);
        ha[i] = (uint16_t)(bits >> 16);
        fa[0][i] = widened(ha[i]);
    }
    for (i = 0; i < K * N; i++) {
        uint32_t bits;
        memcpy(&bits, &fb[0][i], sizeof bits);
        hb[i] = (uint16_t)(bits >> 16);
        fb[0][i] = widened(hb[i]);
    }
    refill();
    CHECK_OK(vgpu_gemm_bf16bf16f32(pool, 101, 111, 112, M, N, K, 0.5F, ha, K, hb, K, 2, fc[0], N));
    CHECK_OK(vgpu_sgemm(pool, 101, 111, 112, M, N, K, 0.5F, fa[0], K, fb[0], K, 2, fc[1], N));
    CHECK(memcmp(fc[0], fc[1], sizeof fc[0]) == 0);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_gemm_bf16bf16f32(pool, 101, 111, 112, M, N, K, 0.5F, ha, K - 1, hb, K, 2, fc[0], N));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_gemm_bf16bf16f32(pool, 101, 111, 112, M, N, K, 0.5F, NULL, K, hb, K, 2, fc[0], N));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_gemm_bf16bf16f32(pool, 0, 111, 112, M, N, K, 0.5F, ha, K, hb, K, 2, fc[0], N));
    CHECK(memcmp(fc[0], fc[1], sizeof fc[0]) == 0);
}

static void by_way_of_bf16(vgpu_pool *pool) {
    enum { SIDE = 112 };
    static float a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE], wanted[SIDE * SIDE];
    size_t i;
    section("by way of bf16");
    for (i = 0; i < SIDE * SIDE; i++) {
        a[i] = fraction();
        b[i] = fraction();
        c[i] = wanted[i] = fraction();
    }
    CHECK_OK(vgpu_sgemm(NULL, 101, 111, 112, SIDE, SIDE, SIDE, 0.5F, a, SIDE, b, SIDE, 2, wanted, SIDE));
    CHECK_OK(vgpu_sgemm_bf16x3(pool, 101, 111, 112, SIDE, SIDE, SIDE, 0.5F, a, SIDE, b, SIDE, 2, c, SIDE));
    if (vgpu_has_bf16x3()) {
        for (i = 0; i < SIDE * SIDE; i++) {
            const float error = c[i] - wanted[i];
            CHECK(error < 1e-4F && error > -1e-4F);
        }
    } else {
        CHECK(memcmp(c, wanted, sizeof c) == 0);
    }
    memcpy(wanted, c, sizeof c);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_sgemm_bf16x3(pool, 101, 111, 112, SIDE, SIDE, SIDE, 0.5F, a, SIDE - 1, b, SIDE, 2, c, SIDE));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_sgemm_bf16x3(pool, 101, 111, 112, SIDE, SIDE, SIDE, 0.5F, a, SIDE, NULL, SIDE, 2, c, SIDE));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT,
                 vgpu_sgemm_bf16x3(pool, 101, 3, 112, SIDE, SIDE, SIDE, 0.5F, a, SIDE, b, SIDE, 2, c, SIDE));
    CHECK(memcmp(c, wanted, sizeof c) == 0);
}

int main(void) {
    uint32_t workers;
    for (workers = 0; workers <= 3; workers++) {
        vgpu_pool *pool = workers == 0 ? NULL : make_pool(workers);
        fill();
        strided(pool);
        grouped(pool);
        packed(pool);
        by_way_of_bf16(pool);
        bf16(pool);
        CHECK_OK(vgpu_pool_destroy(pool));
    }
    return check_done();
}
