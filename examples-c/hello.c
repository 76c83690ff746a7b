/* The smallest whole program: make a pool, hand it tasks, wait for them, and read what one of them says about its failure.
 *
 *     cc hello.c $(pkg-config --cflags --libs vgpu_pool) -o hello && ./hello
 */
#include <stdint.h>
#include <stdio.h>

#include <vgpu_pool.h>

struct square {
    int64_t number;
    int64_t result;
};

/* A task is a function and a pointer. It returns 0 for success. What it writes is visible to whoever waited for it. */
static int32_t compute_square(vgpu_worker *worker, void *user_data) {
    struct square *square = user_data;
    (void)worker;
    square->result = square->number * square->number;
    return 0;
}

/* Any other number is this task's own error code; the sentence travels with it to vgpu_future_get(). */
static int32_t refuse(vgpu_worker *worker, void *user_data) {
    char text[96];
    (void)user_data;
    snprintf(text, sizeof text, "worker %u found no square root of -1", (unsigned)vgpu_worker_index(worker));
    (void)!vgpu_task_set_error(text);
    return 42;
}

static int report(const char *what, vgpu_status status) {
    if (status == VGPU_OK) {
        return 0;
    }
    fprintf(stderr, "%s: %s: %s\n", what, vgpu_status_name(status), vgpu_last_error_message());
    return 1;
}

int main(void) {
    enum { COUNT = 8 };
    struct square squares[COUNT];
    vgpu_future *futures[COUNT] = {NULL};
    vgpu_future *failing = NULL;
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    vgpu_status status;
    int32_t code = 0;
    int failures = 0;
    int i;

    vgpu_pool_config_init(&config); /* everything at its default: one worker for each CPU that this process may use */
    if (report("vgpu_pool_create", vgpu_pool_create(&config, &pool)) != 0) {
        return 1;
    }
    printf("vgpu_pool %s, %u workers\n", vgpu_version_string(), (unsigned)vgpu_pool_num_workers(pool));

    for (i = 0; i < COUNT; i++) {
        squares[i].number = i + 1;
        squares[i].result = 0;
        failures += report("vgpu_pool_submit", vgpu_pool_submit(pool, compute_square, &squares[i], NULL, &futures[i]));
    }
    for (i = 0; i < COUNT; i++) {
        if (futures[i] == NULL) {
            continue;
        }
        failures += report("vgpu_future_get", vgpu_future_get(futures[i], NULL));
        printf("%d squared is %d\n", (int)squares[i].number, (int)squares[i].result);
        failures += report("vgpu_future_release", vgpu_future_release(futures[i]));
    }

    /* A failing task. The status says that it failed, `code` what it returned, the message why. */
    failures += report("vgpu_pool_submit", vgpu_pool_submit(pool, refuse, NULL, NULL, &failing));
    if (failing != NULL) {
        status = vgpu_future_get(failing, &code);
        printf("%s, code %d: %s\n", vgpu_status_name(status), (int)code, vgpu_last_error_message());
        failures += status != VGPU_ERROR_TASK_FAILED || code != 42;
        failures += report("vgpu_future_release", vgpu_future_release(failing));
    }

    failures += report("vgpu_pool_destroy", vgpu_pool_destroy(pool));
    return failures == 0 ? 0 : 1;
}
