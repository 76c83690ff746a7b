/* A pool of ours for the products, made through the C ABI of a library that is opened at run time. */
#define VGPU_POOL_LOADER_IMPLEMENTATION
#define VGPU_POOL_LOADER_FUNCTIONS
#include <vgpu_pool_loader.h>

#include <stdio.h>

/* NULL, and the reason in `why`, where there is no library at `path` or it makes no pool. The pool is never destroyed. */
vgpu_pool *bench_make_pool(const char *path, uint32_t workers, int pinned, char *why, size_t capacity) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    vgpu_status status;
    if (vgpu_pool_load(path, why, capacity) != 0) {
        return NULL;
    }
    vgpu_pool_config_init(&config);
    config.num_workers = workers;
    config.flags |= pinned ? 0 : VGPU_POOL_NO_PINNING;
    status = vgpu_pool_create(&config, &pool);
    if (status != VGPU_OK) {
        snprintf(why, capacity, "%s: %s", vgpu_status_name(status), vgpu_last_error_message());
        return NULL;
    }
    return pool;
}
