/* vgpu_sgemm and vgpu_dgemm: every bad argument, the quick returns, and what may and may not be touched. */
#define _POSIX_C_SOURCE 200809L
#include <float.h>
#include <math.h>

#include "check.h"

static vgpu_pool *pool;
static float af[64], bf[64], cf[64];
static double ad[64], bd[64], cd[64];

/* Both functions with the same arguments must answer alike. */
static vgpu_status both(int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, int64_t lda,
                        int64_t ldb, int64_t ldc) {
    const vgpu_status single =
        vgpu_sgemm(pool, layout, trans_a, trans_b, m, n, k, 1.0F, af, lda, bf, ldb, 1.0F, cf, ldc);
    const vgpu_status twice = vgpu_dgemm(pool, layout, trans_a, trans_b, m, n, k, 1.0, ad, lda, bd, ldb, 1.0, cd, ldc);
    CHECK(single == twice);
    return twice;
}

static void bad_choices(void) {
    const int32_t bad[] = {0, 1, -1, 100, 103, 110, 114, INT32_MAX, INT32_MIN, 'N', 'T'};
    size_t i;
    section("unknown layouts and transposes");
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(bad[i], 111, 111, 2, 2, 2, 2, 2, 2));
        CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, bad[i], 111, 2, 2, 2, 2, 2, 2));
        CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 111, bad[i], 2, 2, 2, 2, 2, 2));
    }
    CHECK_OK(both(VGPU_COL_MAJOR, VGPU_CONJ_TRANS, VGPU_TRANS, 2, 2, 2, 2, 2, 2));
}

static void bad_sizes(void) {
    section("negative sizes");
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 111, 111, -1, 2, 2, 2, 2, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 111, 111, 2, -1, 2, 2, 2, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 111, 111, 2, 2, -1, 2, 2, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 111, 111, INT64_MIN, INT64_MIN, INT64_MIN, 2, 2, 2));

    section("leading dimensions too small");
    /* Row-major m=2 n=3 k=4: A is 2 x 4, B is 4 x 3, C is 2 x 3. */
    CHECK_OK(both(101, 111, 111, 2, 3, 4, 4, 3, 3));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 111, 111, 2, 3, 4, 3, 3, 3));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 111, 111, 2, 3, 4, 4, 2, 3));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 111, 111, 2, 3, 4, 4, 3, 2));
    /* Transposed, A is stored 4 x 2 and B 3 x 4. */
    CHECK_OK(both(101, 112, 112, 2, 3, 4, 2, 4, 3));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 112, 112, 2, 3, 4, 1, 4, 3));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 112, 112, 2, 3, 4, 2, 3, 3));
    /* Column-major the leading dimension counts rows. */
    CHECK_OK(both(102, 111, 111, 2, 3, 4, 2, 4, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(102, 111, 111, 2, 3, 4, 1, 4, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(102, 111, 111, 2, 3, 4, 2, 3, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(102, 111, 111, 2, 3, 4, 2, 4, 1));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 111, 111, 0, 0, 0, 0, 0, 0));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 111, 111, 2, 2, 2, -2, 2, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, both(101, 111, 111, 2, 2, 2, 2, INT64_MIN, 2));
}

static void overflows(void) {
    const int64_t big = (int64_t)1 << 40;
    const int64_t huge = INT64_MAX;
    section("sizes whose products do not fit");
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, both(101, 111, 111, big, big, big, big, big, big));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, both(101, 111, 111, huge, huge, huge, huge, huge, huge));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, both(101, 111, 111, 2, 2, 2, huge, 2, 2));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, both(101, 111, 111, 2, 2, 2, 2, huge, 2));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, both(101, 111, 111, 2, 2, 2, 2, 2, huge));
    CHECK_STATUS(VGPU_ERROR_OVERFLOW, both(102, 112, 112, big, big, big, big, big, big));
}

static void null_buffers(void) {
    section("NULL buffers");
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm(pool, 101, 111, 111, 2, 2, 2, 1.0F, NULL, 2, bf, 2, 0.0F, cf, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm(pool, 101, 111, 111, 2, 2, 2, 1.0F, af, 2, NULL, 2, 0.0F, cf, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_sgemm(pool, 101, 111, 111, 2, 2, 2, 1.0F, af, 2, bf, 2, 0.0F, NULL, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_dgemm(pool, 101, 111, 111, 2, 2, 2, 1.0, NULL, 2, bd, 2, 0.0, cd, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_dgemm(pool, 101, 111, 111, 2, 2, 2, 1.0, ad, 2, NULL, 2, 0.0, cd, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_dgemm(pool, 101, 111, 111, 2, 2, 2, 1.0, ad, 2, bd, 2, 0.0, NULL, 2));

    section("nothing to do: no buffer is needed");
    CHECK_OK(vgpu_dgemm(pool, 101, 111, 111, 0, 2, 2, 1.0, NULL, 2, NULL, 2, 0.0, NULL, 2));
    CHECK_OK(vgpu_dgemm(pool, 101, 111, 111, 2, 0, 2, 1.0, NULL, 2, NULL, 1, 0.0, NULL, 1));
    CHECK_OK(vgpu_sgemm(pool, 101, 111, 111, 0, 0, 0, 1.0F, NULL, 1, NULL, 1, 0.0F, NULL, 1));
    cd[0] = 3.0;
    CHECK_OK(vgpu_dgemm(pool, 101, 111, 111, 1, 1, 0, 1.0, NULL, 1, NULL, 1, 2.0, cd, 1));
    CHECK(fabs(cd[0] - 6.0) < DBL_EPSILON); /* k = 0 still scales C by beta */
    CHECK_OK(vgpu_dgemm(pool, 101, 111, 111, 1, 1, 5, 0.0, NULL, 5, NULL, 1, 0.0, cd, 1));
    CHECK(fabs(cd[0]) < DBL_EPSILON); /* alpha = 0: A and B are not read */
}

/* One product of small whole numbers: exact in both types, so that results are compared for equality. */
struct shape {
    int64_t m, n, k, pad;
    int32_t layout, trans_a, trans_b;
};

static size_t at(const struct shape *s, int64_t row, int64_t col, int64_t leading, int transposed) {
    const int64_t r = transposed ? col : row;
    const int64_t c = transposed ? row : col;
    return (size_t)(s->layout == VGPU_ROW_MAJOR ? r * leading + c : c * leading + r);
}

static int64_t leading_of(const struct shape *s, int64_t rows, int64_t cols, int transposed) {
    const int64_t r = transposed ? cols : rows;
    const int64_t c = transposed ? rows : cols;
    const int64_t least = s->layout == VGPU_ROW_MAJOR ? c : r;
    return (least > 0 ? least : 1) + s->pad;
}

static int one_shape(const struct shape *s, vgpu_pool *on) {
    enum { ROOM = 160 * 160 };
    static double a[ROOM], b[ROOM], c[ROOM], expected[ROOM];
    static float a32[ROOM], b32[ROOM], c32[ROOM];
    const int ta = s->trans_a != VGPU_NO_TRANS;
    const int tb = s->trans_b != VGPU_NO_TRANS;
    const int64_t lda = leading_of(s, s->m, s->k, ta);
    const int64_t ldb = leading_of(s, s->k, s->n, tb);
    const int64_t ldc = leading_of(s, s->m, s->n, 0);
    int64_t i, j, p;
    int at_index;
    for (at_index = 0; at_index < ROOM; at_index++) {
        a[at_index] = (double)((at_index * 7 + 3) % 11 - 5);
        b[at_index] = (double)((at_index * 5 + 1) % 13 - 6);
        c[at_index] = (double)(at_index % 9 - 4);
        a32[at_index] = (float)a[at_index];
        b32[at_index] = (float)b[at_index];
        c32[at_index] = (float)c[at_index];
        expected[at_index] = c[at_index]; /* the padding must keep this */
    }
    for (i = 0; i < s->m; i++) {
        for (j = 0; j < s->n; j++) {
            double sum = 0.0;
            for (p = 0; p < s->k; p++) {
                sum += a[at(s, i, p, lda, ta)] * b[at(s, p, j, ldb, tb)];
            }
            expected[at(s, i, j, ldc, 0)] = 2.0 * sum - 3.0 * expected[at(s, i, j, ldc, 0)];
        }
    }
    if (vgpu_dgemm(on, s->layout, s->trans_a, s->trans_b, s->m, s->n, s->k, 2.0, a, lda, b, ldb, -3.0, c, ldc) != VGPU_OK ||
        vgpu_sgemm(on, s->layout, s->trans_a, s->trans_b, s->m, s->n, s->k, 2.0F, a32, lda, b32, ldb, -3.0F, c32, ldc) !=
            VGPU_OK) {
        return 0;
    }
    for (at_index = 0; at_index < ROOM; at_index++) {
        if (fabs(c[at_index] - expected[at_index]) > 0.0 || fabs((double)c32[at_index] - expected[at_index]) > 0.0) {
            fprintf(stderr, "layout %d trans %d %d, %d x %d x %d: element %d is %g and %g, not %g\n", (int)s->layout,
                    (int)s->trans_a, (int)s->trans_b, (int)s->m, (int)s->n, (int)s->k, at_index, c[at_index],
                    (double)c32[at_index], expected[at_index]);
            return 0;
        }
    }
    return 1;
}

static void exact_results(void) {
    static const int64_t sizes[][3] = {{1, 1, 1}, {1, 17, 5}, {17, 1, 5}, {3, 4, 0}, {8, 48, 16}, {9, 49, 17}, {33, 31, 29},
                                       {97, 101, 103}, {128, 128, 128}};
    struct shape shape;
    size_t i;
    int32_t choice;
    section("exact products: both layouts, all transposes, padding left alone, with a pool and without");
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (choice = 0; choice < 16; choice++) {
            shape.m = sizes[i][0];
            shape.n = sizes[i][1];
            shape.k = sizes[i][2];
            shape.pad = choice & 1 ? 3 : 0;
            shape.layout = choice & 2 ? VGPU_ROW_MAJOR : VGPU_COL_MAJOR;
            shape.trans_a = choice & 4 ? VGPU_TRANS : VGPU_NO_TRANS;
            shape.trans_b = choice & 8 ? VGPU_CONJ_TRANS : VGPU_NO_TRANS;
            CHECK(one_shape(&shape, pool));
            CHECK(one_shape(&shape, NULL));
        }
    }
}

static void nan_rules(void) {
    int i;
    section("beta = 0 does not read C, alpha = 0 does not read A and B");
    for (i = 0; i < 64; i++) {
        ad[i] = bd[i] = 1.0;
        cd[i] = NAN;
    }
    CHECK_OK(vgpu_dgemm(pool, 101, 111, 111, 8, 8, 8, 1.0, ad, 8, bd, 8, 0.0, cd, 8));
    for (i = 0; i < 64; i++) {
        CHECK(fabs(cd[i] - 8.0) < DBL_EPSILON);
        ad[i] = bd[i] = NAN;
    }
    CHECK_OK(vgpu_dgemm(pool, 101, 111, 111, 8, 8, 8, 0.0, ad, 8, bd, 8, 0.5, cd, 8));
    for (i = 0; i < 64; i++) {
        CHECK(fabs(cd[i] - 4.0) < DBL_EPSILON);
    }
}

int main(void) {
    pool = make_pool(2);
    bad_choices();
    bad_sizes();
    overflows();
    null_buffers();
    exact_results();
    nan_rules();
    CHECK_OK(vgpu_pool_destroy(pool));
    return check_done();
}
