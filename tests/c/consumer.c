/* A stranger's program: what scripts/install_test.sh builds against an installed copy. */
#include <stdint.h>
#include <stdio.h>

#include <vgpu_pool.h>

static int32_t add(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    int64_t *numbers = user_data;
    size_t i;
    (void)worker;
    for (i = begin; i < end; i++) {
        numbers[i] += 1;
    }
    return 0;
}

int main(void) {
    static int64_t numbers[1000];
    const double a[4] = {1.0, 2.0, 3.0, 4.0};
    double c[4] = {0.0, 0.0, 0.0, 0.0};
    vgpu_pool *pool = NULL;
    int64_t sum = 0;
    int i;
    vgpu_status status = vgpu_pool_create(NULL, &pool);
    if (status == VGPU_OK) {
        status = vgpu_parallel_for(pool, 1000, 0, add, numbers);
    }
    if (status == VGPU_OK) {
        status = vgpu_dgemm(pool, VGPU_ROW_MAJOR, VGPU_NO_TRANS, VGPU_NO_TRANS, 2, 2, 2, 1.0, a, 2, a, 2, 0.0, c, 2);
    }
    if (status != VGPU_OK) {
        fprintf(stderr, "%s: %s\n", vgpu_status_name(status), vgpu_last_error_message());
        return 1;
    }
    for (i = 0; i < 1000; i++) {
        sum += numbers[i];
    }
    if (vgpu_pool_destroy(pool) != VGPU_OK || sum != 1000 || c[0] < 7.0 || c[0] > 7.0 || c[3] < 22.0 || c[3] > 22.0) {
        fprintf(stderr, "wrong result\n");
        return 1;
    }
    return 0;
}
