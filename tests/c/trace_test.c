/* Traces through the C ABI, and the hooks of a profiler. */
#define _GNU_SOURCE
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vgpu_pool.h>

static int32_t named(vgpu_worker *worker, void *user_data) {
    vgpu_worker_set_label(worker, "a task of C");
    vgpu_worker_set_label(worker, NULL);
    vgpu_worker_set_label(worker, "\xff is no UTF-8");
    vgpu_worker_set_label(NULL, "nobody");
    (void)user_data;
    return 0;
}

static void count(void *user_data, uint32_t worker) {
    CHECK(worker < 2);
    __atomic_fetch_add((int *)user_data, 1, __ATOMIC_RELAXED);
}

int main(void) {
    vgpu_pool_config config;
    vgpu_pool *pool;
    char path[] = "/tmp/vgpu-trace-XXXXXX";
    int begun = 0, i, descriptor;

    vgpu_pool_config_init(&config);
    config.num_workers = 2;
    config.worker_user_data = &begun;
    config.on_work_begin = count;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    REQUIRE((descriptor = mkstemp(path)) >= 0);

    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_trace_stop(pool));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_trace_write(pool, path));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_trace_start(NULL, 0));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_trace_start(pool, SIZE_MAX));
    CHECK_OK(vgpu_pool_trace_start(pool, 1000));
    CHECK_STATUS(VGPU_ERROR_ALREADY_STARTED, vgpu_pool_trace_start(pool, 0));
    CHECK_STATUS(VGPU_ERROR_ALREADY_STARTED, vgpu_pool_trace_write(pool, path));
    for (i = 0; i < 10; i++) {
        vgpu_future *future;
        CHECK_OK(vgpu_pool_submit(pool, named, NULL, NULL, &future));
        CHECK_OK(vgpu_future_wait(future));
        vgpu_future_release(future);
    }
    CHECK_OK(vgpu_pool_trace_stop(pool));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_trace_write(pool, NULL));
    CHECK_STATUS(VGPU_ERROR_IO, vgpu_pool_trace_write(pool, "/nowhere/at/all"));
    CHECK_OK(vgpu_pool_trace_write(pool, path));
    CHECK(__atomic_load_n(&begun, __ATOMIC_RELAXED) == 10);

    {
        static char text[1 << 20];
        FILE *file = fdopen(descriptor, "r");
        size_t length;
        int tasks = 0;
        const char *at = text;
        REQUIRE(file != NULL);
        length = fread(text, 1, sizeof text - 1, file);
        text[length] = 0;
        CHECK(strncmp(text, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", 39) == 0);
        while ((at = strstr(at, "\"name\":\"a task of C\"")) != NULL) {
            tasks++;
            at++;
        }
        CHECK(tasks == 10);
        fclose(file);
    }
    remove(path);
    CHECK_OK(vgpu_pool_destroy(pool));
    return 0;
}
