/* Many tasks handed in by one call. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

enum { TASKS = 1000 };

static int32_t nothing(vgpu_worker *worker, void *data) {
    (void)worker;
    return data == NULL ? 0 : 1;
}

static int32_t fail(vgpu_worker *worker, void *code) {
    (void)worker;
    return *(int *)code;
}

static void runs_each_once(vgpu_pool *pool) {
    static int ran[TASKS];
    static int destroyed;
    void *data[TASKS];
    vgpu_group *group = NULL;
    size_t submitted = 7;
    int32_t code = 7;
    int bad[3] = {0, 5, 0};
    int i;
    section("each task runs once, with its own pointer");
    REQUIRE(vgpu_group_create(pool, &group) == VGPU_OK);
    for (i = 0; i < TASKS; i++) {
        data[i] = &ran[i];
    }
    CHECK_OK(vgpu_group_submit_batch(group, count_task, data, TASKS, NULL, &submitted));
    CHECK(submitted == TASKS);
    memset(data, 0xff, sizeof data);
    CHECK_OK(vgpu_group_wait(group, NULL));
    for (i = 0; i < TASKS; i++) {
        REQUIRE(value_of(&ran[i]) == 1);
    }
    CHECK_OK(vgpu_group_submit_batch(group, nothing, NULL, 10, NULL, NULL));
    CHECK_OK(vgpu_group_submit_batch(group, nothing, NULL, 0, NULL, &submitted));
    CHECK(submitted == 0);
    for (i = 0; i < TASKS; i++) {
        data[i] = &destroyed;
    }
    CHECK_OK(vgpu_group_submit_batch(group, count_task, data, TASKS, count_destroy, NULL));
    CHECK_OK(vgpu_group_wait(group, NULL));
    CHECK(value_of(&destroyed) == 2 * TASKS);

    section("the first failure comes out where the group is waited for");
    for (i = 0; i < 3; i++) {
        data[i] = &bad[i];
    }
    CHECK_OK(vgpu_group_submit_batch(group, fail, data, 3, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_group_wait(group, &code));
    CHECK(code == 5);

    section("arguments");
    submitted = 7;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_group_submit_batch(NULL, nothing, NULL, 1, NULL, &submitted));
    CHECK(submitted == 0);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_group_submit_batch(group, NULL, NULL, 1, NULL, NULL));
    CHECK_OK(vgpu_group_destroy(group));
}

static void stops_when_full(void) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    vgpu_group *group = NULL;
    struct gate gate = GATE_SHUT;
    void *data[100];
    static int destroyed;
    size_t submitted = 0;
    int i;
    section("a full inbox: says how many came in, and the others are the caller's");
    vgpu_pool_config_init(&config);
    config.num_workers = 1;
    config.inbox_capacity = 8;
    config.inbox_full = VGPU_INBOX_FULL_ERROR;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    REQUIRE(vgpu_group_create(pool, &group) == VGPU_OK);
    REQUIRE(vgpu_pool_submit(pool, gate_task, &gate, NULL, NULL) == VGPU_OK);
    gate_await(&gate, 1);
    for (i = 0; i < 100; i++) {
        data[i] = &destroyed;
    }
    CHECK_STATUS(VGPU_ERROR_QUEUE_FULL, vgpu_group_submit_batch(group, count_task, data, 100, count_destroy, &submitted));
    CHECK(submitted == 8);
    CHECK(value_of(&destroyed) == 0);
    gate_open(&gate);
    CHECK_OK(vgpu_group_wait(group, NULL));
    /* Once by the task and once by its end. */
    CHECK(value_of(&destroyed) == 16);
    CHECK_OK(vgpu_group_destroy(group));
    CHECK_OK(vgpu_pool_destroy(pool));
}

int main(void) {
    vgpu_pool *pool = NULL;
    REQUIRE(vgpu_pool_create(NULL, &pool) == VGPU_OK);
    runs_each_once(pool);
    CHECK_OK(vgpu_pool_destroy(pool));
    stops_when_full();
    return check_done();
}
