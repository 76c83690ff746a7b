/* Priorities, places, victims and modes of the inbox through the C ABI. */
#define _GNU_SOURCE
#include "check.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <vgpu_pool.h>

#define EACH 3

static atomic_int go_on, begun, place;
static uint32_t order[4 * EACH];

static void await(atomic_int *flag) {
    const struct timespec moment = {0, 100000};
    while (!atomic_load(flag)) nanosleep(&moment, NULL);
}

static int32_t stop_here(vgpu_worker *worker, void *user_data) {
    (void)worker;
    (void)user_data;
    atomic_store(&begun, 1);
    await(&go_on);
    return 0;
}

static int32_t note_priority(vgpu_worker *worker, void *user_data) {
    (void)user_data;
    order[atomic_fetch_add(&place, 1)] = vgpu_worker_task_priority(worker);
    return 0;
}

static int32_t note_worker(vgpu_worker *worker, void *user_data) {
    *(uint32_t *)user_data = vgpu_worker_index(worker);
    CHECK(vgpu_worker_task_migrations(worker) == 0);
    return 0;
}

static vgpu_pool *pool_of(uint32_t workers) {
    vgpu_pool_config config;
    vgpu_pool *pool;
    vgpu_pool_config_init(&config);
    config.num_workers = workers;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    return pool;
}

static void refused(vgpu_pool *pool, const vgpu_task_options *options, const char *says) {
    vgpu_future *future;
    CHECK(vgpu_pool_submit_with(pool, options, note_priority, NULL, NULL, &future) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(future == NULL);
    CHECK(strstr(vgpu_last_error_message(), says) != NULL);
}

static void priorities(void) {
    static const uint32_t falling[4] = {VGPU_PRIORITY_MAX, VGPU_PRIORITY_HIGH, VGPU_PRIORITY_NORMAL, VGPU_PRIORITY_LOW};
    vgpu_pool *pool = pool_of(1);
    vgpu_group *group;
    vgpu_future *raised;
    vgpu_task_options options;
    int i, misplaced = 0;
    section("the most urgent first");
    CHECK_OK(vgpu_group_create(pool, &group));
    CHECK_OK(vgpu_pool_submit(pool, stop_here, NULL, NULL, NULL));
    await(&begun);
    vgpu_task_options_init(&options);
    CHECK(options.struct_size == sizeof options && options.priority == VGPU_PRIORITY_NORMAL && options.binding == VGPU_BIND_NONE);
    for (i = 0; i < 4 * EACH - 1; i++) {
        options.priority = falling[3 - i % 4];
        CHECK_OK(vgpu_group_submit_with(group, &options, note_priority, NULL, NULL));
    }
    /* The last one is submitted as the least urgent, and raised. */
    options.priority = VGPU_PRIORITY_LOW;
    CHECK_OK(vgpu_pool_submit_with(pool, &options, note_priority, NULL, NULL, &raised));
    CHECK_OK(vgpu_future_raise_priority(raised, VGPU_PRIORITY_MAX));
    CHECK(vgpu_future_raise_priority(raised, 4) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(vgpu_future_raise_priority(NULL, 0) == VGPU_ERROR_INVALID_ARGUMENT);
    atomic_store(&go_on, 1);
    CHECK_OK(vgpu_group_wait(group, NULL));
    CHECK_OK(vgpu_future_get(raised, NULL));
    vgpu_future_release(raised);
    CHECK_OK(vgpu_group_destroy(group));
    /* A fair turn may put one of them out of its place, which moves those after it by one. */
    for (i = 0; i < 4 * EACH; i++) misplaced += order[i] != falling[i / EACH];
    CHECK(atomic_load(&place) == 4 * EACH);
    CHECK(misplaced <= 5);
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void places(void) {
    vgpu_pool *pool = pool_of(3);
    vgpu_task_options options;
    uint64_t no_cpus[1] = {0};
    uint32_t at = 77, i;
    section("places");
    vgpu_task_options_init(&options);
    options.binding = VGPU_BIND_WORKER;
    for (i = 0; i < 30; i++) {
        vgpu_future *future;
        options.place = i % 3;
        CHECK_OK(vgpu_pool_submit_with(pool, &options, note_worker, &at, NULL, &future));
        CHECK_OK(vgpu_future_get(future, NULL));
        vgpu_future_release(future);
        CHECK(at == i % 3);
    }
    options.place = 3;
    refused(pool, &options, "worker 3");
    options.binding = VGPU_BIND_NODE;
    options.place = 12345;
    refused(pool, &options, "node 12345");
    options.binding = VGPU_BIND_CPUS;
    refused(pool, &options, "cpus");
    options.cpus = no_cpus;
    options.num_cpu_words = 1;
    options.place = 0;
    refused(pool, &options, "CPUs");
    options.binding = 4;
    refused(pool, &options, "binding is 4");
    vgpu_task_options_init(&options);
    options.place = 1;
    refused(pool, &options, "place is 1");
    vgpu_task_options_init(&options);
    options.priority = 4;
    refused(pool, &options, "priority is 4");
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void settings(void) {
    vgpu_pool *pool = pool_of(2);
    vgpu_pool_config config;
    section("settings of balance");
    CHECK_OK(vgpu_pool_set_victims(pool, VGPU_VICTIMS_LOAD));
    CHECK_OK(vgpu_pool_set_inbox_mode(pool, VGPU_INBOX_SHARED));
    CHECK(vgpu_pool_set_victims(pool, 3) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(vgpu_pool_set_inbox_mode(pool, 3) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(vgpu_pool_set_victims(NULL, 0) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK_OK(vgpu_pool_destroy(pool));
    vgpu_pool_config_init(&config);
    config.flags = VGPU_POOL_NO_STEALING;
    config.num_workers = 2;
    config.inbox_mode = VGPU_INBOX_ROUND_ROBIN;
    config.steal_retries = VGPU_STEAL_NO_RETRY;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_submit(pool, stop_here, NULL, NULL, NULL));
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK_OK(vgpu_pool_destroy(pool));
    config.inbox_capacity = 2;
    config.inbox_limit = 64;
    config.inbox_growth = VGPU_GROWTH_HORIZONTAL;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK_OK(vgpu_pool_destroy(pool));
    config.inbox_growth = 2;
    CHECK(vgpu_pool_create(&config, &pool) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(vgpu_last_error_message(), "inbox_growth is 2") != NULL);
    config.inbox_growth = VGPU_GROWTH_HORIZONTAL;
    config.inbox_limit = 1024;
    CHECK(vgpu_pool_create(&config, &pool) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(vgpu_last_error_message(), "511 rings") != NULL);
    config.inbox_limit = 0;
    config.flags = 0;
    config.reserved_workers = 1;
    config.lend_after_ns = UINT64_MAX;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    atomic_store(&place, 0);
    CHECK_OK(vgpu_pool_submit(pool, note_priority, NULL, NULL, NULL));
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK_OK(vgpu_pool_destroy(pool));
    config.reserved_workers = 2;
    CHECK(vgpu_pool_create(&config, &pool) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(vgpu_last_error_message(), "kept for urgent tasks") != NULL);
    config.reserved_workers = 0;
    config.flags = VGPU_POOL_SHEDDING;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_submit(pool, stop_here, NULL, NULL, NULL));
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK_OK(vgpu_pool_destroy(pool));
    config.flags = VGPU_POOL_SHEDDING | VGPU_POOL_NO_MIGRATION;
    CHECK(vgpu_pool_create(&config, &pool) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(vgpu_last_error_message(), "shed") != NULL);
    config.flags = VGPU_POOL_NO_STEALING;
    config.inbox_mode = 3;
    CHECK(vgpu_pool_create(&config, &pool) == VGPU_ERROR_INVALID_ARGUMENT);
    config.inbox_mode = 0;
    config.victims = 3;
    CHECK(vgpu_pool_create(&config, &pool) == VGPU_ERROR_INVALID_ARGUMENT);
}

int main(void) {
    priorities();
    places();
    settings();
    return check_done();
}
