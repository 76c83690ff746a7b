/* Places that come and go, through the C ABI. */
#define _GNU_SOURCE
#include "check.h"

#include <vgpu_pool.h>

static int waiting, released;

/* Ends when another task has run. */
static int32_t block(vgpu_worker *worker, void *user_data) {
    (void)user_data;
    vgpu_blocking_begin(worker);
    __atomic_store_n(&waiting, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&released, __ATOMIC_ACQUIRE)) {
        struct timespec nap = {0, 100000};
        nanosleep(&nap, NULL);
    }
    vgpu_blocking_end(worker);
    return 0;
}

static int32_t release(vgpu_worker *worker, void *user_data) {
    (void)worker;
    (void)user_data;
    __atomic_store_n(&released, 1, __ATOMIC_RELEASE);
    return 0;
}

int main(void) {
    vgpu_pool_config config;
    vgpu_pool *pool;
    vgpu_future *first, *second;

    vgpu_pool_config_init(&config);
    config.num_workers = 1;
    config.spare_workers = 1;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK(vgpu_pool_num_workers(pool) == 2 && vgpu_pool_active_workers(pool) == 1);
    CHECK_OK(vgpu_pool_submit(pool, block, NULL, NULL, &first));
    while (!__atomic_load_n(&waiting, __ATOMIC_ACQUIRE)) {
    }
    CHECK(vgpu_pool_active_workers(pool) == 2);
    CHECK_OK(vgpu_pool_submit(pool, release, NULL, NULL, &second));
    CHECK_OK(vgpu_future_wait(first));
    CHECK_OK(vgpu_future_wait(second));
    vgpu_future_release(first);
    vgpu_future_release(second);
    CHECK(vgpu_pool_active_workers(pool) == 1);
    CHECK_OK(vgpu_pool_limit_workers(pool, 1));
    CHECK_OK(vgpu_pool_limit_workers(pool, 0));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_limit_workers(NULL, 1));
    CHECK(vgpu_pool_active_workers(NULL) == 0);
    vgpu_blocking_begin(NULL);
    vgpu_blocking_end(NULL);
    CHECK_OK(vgpu_pool_destroy(pool));

    config.min_workers = 2;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(&config, &pool));
    return 0;
}
