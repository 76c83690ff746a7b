/* Micropools through the C ABI: where tasks run, how they hand themselves over, and what is refused. */
#define _GNU_SOURCE
#include "check.h"

#include <stdatomic.h>

#define TASKS 500
#define HOPS 10

static atomic_int runs, destroyed, go_on;

typedef struct {
    uint32_t cheap, dear;
    int hops;
} trip;

static int32_t hop(vgpu_micropool_task *task, void *user_data) {
    trip *t = user_data;
    uint32_t here = vgpu_micropool_task_micropool(task);
    atomic_fetch_add(&runs, 1);
    if (t->hops-- == 0) return 0;
    return vgpu_micropool_task_hand_over(task, here == t->cheap ? t->dear : t->cheap, hop) == VGPU_OK ? 0 : 99;
}

static void end_trip(void *user_data) {
    atomic_fetch_add(&destroyed, 1);
    free(user_data);
}

static int32_t fail_after_all(vgpu_micropool_task *task, void *user_data) {
    (void)user_data;
    CHECK_OK(vgpu_micropool_task_hand_over(task, 1, hop));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropool_task_hand_over(task, 2, hop));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropool_task_hand_over(task, 1, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropool_task_hand_over(NULL, 1, hop));
    vgpu_task_set_error("as asked");
    return 7;
}

static void count_end(void *user_data) {
    atomic_fetch_add((atomic_int *)user_data, 1);
}

static int32_t wait_for_gate(vgpu_micropool_task *task, void *user_data) {
    const struct timespec moment = {0, 100000};
    (void)user_data;
    CHECK(vgpu_worker_index(vgpu_micropool_task_worker(task)) == 0);
    while (!atomic_load(&go_on)) nanosleep(&moment, NULL);
    return 0;
}

static int32_t from_inside(vgpu_micropool_task *task, void *user_data) {
    vgpu_micropools *set = *(vgpu_micropools **)user_data;
    (void)task;
    CHECK_STATUS(VGPU_ERROR_WOULD_DEADLOCK, vgpu_micropools_wait_all(set, NULL));
    CHECK_STATUS(VGPU_ERROR_WOULD_DEADLOCK, vgpu_micropools_destroy(set));
    return 0;
}

static vgpu_micropools *two(uint32_t places, uint32_t when_full) {
    vgpu_pool_config config;
    vgpu_micropool micropools[2];
    vgpu_micropools *set = NULL;
    int i;
    vgpu_pool_config_init(&config);
    config.inbox_full = when_full;
    for (i = 0; i < 2; i++) {
        vgpu_micropool_init(&micropools[i]);
        micropools[i].name = i == 0 ? "cheap" : "dear";
        micropools[i].num_workers = 1;
        micropools[i].num_places = places;
    }
    REQUIRE(vgpu_micropools_create(&config, micropools, 2, &set) == VGPU_OK);
    return set;
}

static void trips(void) {
    vgpu_micropools *set = two(2, VGPU_INBOX_FULL_BLOCK);
    int i;
    for (i = 0; i < TASKS; i++) {
        trip *t = malloc(sizeof *t);
        REQUIRE(t != NULL);
        CHECK_OK(vgpu_micropools_find(set, "cheap", &t->cheap));
        CHECK_OK(vgpu_micropools_find(set, "dear", &t->dear));
        t->hops = HOPS;
        CHECK_OK(vgpu_micropools_submit(set, (uint32_t)i % 2, hop, t, end_trip));
    }
    CHECK_OK(vgpu_micropools_wait_all(set, NULL));
    CHECK(atomic_load(&runs) == TASKS * (HOPS + 1));
    CHECK(atomic_load(&destroyed) == TASKS);
    CHECK_OK(vgpu_micropools_destroy(set));
}

static void failures(void) {
    vgpu_micropools *set = two(2, VGPU_INBOX_FULL_ERROR);
    atomic_int ended;
    int32_t code = 0;
    int before = atomic_load(&runs);
    atomic_init(&ended, 0);
    CHECK_OK(vgpu_micropools_submit(set, 0, fail_after_all, &ended, count_end));
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_micropools_wait_all(set, &code));
    CHECK(code == 7 && strstr(vgpu_last_error_message(), "as asked") != NULL);
    CHECK(atomic_load(&ended) == 1 && atomic_load(&runs) == before);
    CHECK_OK(vgpu_micropools_wait_all(set, &code));
    CHECK(code == 0);
    CHECK_OK(vgpu_micropools_submit(set, 1, from_inside, &set, NULL));
    CHECK_OK(vgpu_micropools_wait_all(set, NULL));
    /* Both places taken. */
    CHECK_OK(vgpu_micropools_submit(set, 0, wait_for_gate, NULL, NULL));
    CHECK_OK(vgpu_micropools_submit(set, 0, wait_for_gate, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_QUEUE_FULL, vgpu_micropools_submit(set, 0, wait_for_gate, &ended, count_end));
    CHECK(atomic_load(&ended) == 1);
    atomic_store(&go_on, 1);
    CHECK_OK(vgpu_micropools_destroy(set));
    CHECK_OK(vgpu_micropools_destroy(NULL));
}

static void arguments(void) {
    vgpu_micropools *set = two(1, VGPU_INBOX_FULL_ERROR), *none = set;
    vgpu_micropool micropools[2];
    const uint64_t no_cpus[1] = {0};
    uint32_t number = 77;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_find(set, "other", &number));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_find(set, NULL, &number));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_submit(set, 2, hop, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_submit(set, 0, NULL, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_submit(NULL, 0, hop, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_wait_all(NULL, NULL));
    CHECK(number == 77 && vgpu_micropool_task_micropool(NULL) == UINT32_MAX && vgpu_micropool_task_worker(NULL) == NULL);
    CHECK_OK(vgpu_micropools_destroy(set));
    vgpu_micropool_init(&micropools[0]);
    vgpu_micropool_init(&micropools[1]);
    CHECK(micropools[0].struct_size == sizeof micropools[0]);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_create(NULL, micropools, 2, &none));
    CHECK(none == NULL && strstr(vgpu_last_error_message(), "micropool 0") != NULL);
    micropools[0].name = micropools[1].name = "same";
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_create(NULL, micropools, 2, &none));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_create(NULL, micropools, 0, &none));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_create(NULL, NULL, 2, &none));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_create(NULL, micropools, 1, NULL));
    micropools[0].cpus = no_cpus;
    micropools[0].num_cpu_words = 1;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_micropools_create(NULL, micropools, 1, &none));
}

int main(void) {
    section("there and back");
    trips();
    section("failures, and a set that is full");
    failures();
    section("arguments");
    arguments();
    return check_done();
}
