/* A full inbox: an error, a wait, or a run on the caller, as chosen when the pool was made. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

enum { CAPACITY = 4, WORKERS = 2 };

static vgpu_pool *make_small(uint32_t mode) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    vgpu_pool_config_init(&config);
    config.num_workers = WORKERS;
    config.inbox_capacity = CAPACITY;
    config.inbox_full = mode;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    return pool;
}

static void occupy(vgpu_pool *pool, struct gate *gate) {
    int i;
    for (i = 0; i < WORKERS; i++) {
        REQUIRE(vgpu_pool_submit(pool, gate_task, gate, NULL, NULL) == VGPU_OK);
        gate_await(gate, i + 1);
    }
}

static void error_mode(void) {
    struct gate gate = GATE_SHUT;
    vgpu_pool *pool = make_small(VGPU_INBOX_FULL_ERROR);
    vgpu_status status = VGPU_OK;
    vgpu_future *future = NULL;
    int ran = 0;
    int destroyed = 0;
    int accepted = 0;
    int i;
    section("error: QUEUE_FULL, and what was accepted still runs");
    occupy(pool, &gate);
    for (i = 0; i < 1000 && status == VGPU_OK; i++) {
        status = vgpu_pool_submit(pool, count_task, &ran, NULL, NULL);
        accepted += status == VGPU_OK;
    }
    CHECK_STATUS(VGPU_ERROR_QUEUE_FULL, status);
    CHECK(accepted >= CAPACITY && accepted <= CAPACITY * WORKERS * 2);
    /* On failure the caller keeps what it passed. */
    CHECK_STATUS(VGPU_ERROR_QUEUE_FULL, vgpu_pool_submit(pool, count_task, &destroyed, count_destroy, &future));
    CHECK(future == NULL && value_of(&destroyed) == 0);
    gate_open(&gate);
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK(value_of(&ran) == accepted && value_of(&destroyed) == 0);
    CHECK_OK(vgpu_pool_submit(pool, count_task, &ran, NULL, NULL)); /* room again */
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(value_of(&ran) == accepted + 1);
}

struct producer {
    vgpu_pool *pool;
    int *ran;
    int submitted;
    int count;
};

static void *produce(void *user_data) {
    struct producer *producer = user_data;
    int i;
    for (i = 0; i < producer->count; i++) {
        CHECK_OK(vgpu_pool_submit(producer->pool, count_task, producer->ran, NULL, NULL));
        add_one(&producer->submitted);
    }
    return NULL;
}

static void block_mode(void) {
    struct gate gate = GATE_SHUT;
    struct producer producer = {NULL, NULL, 0, 1000};
    pthread_t thread;
    int ran = 0;
    int outstanding;
    section("block: the submitter waits for room, or makes some by running what is queued");
    producer.pool = make_small(VGPU_INBOX_FULL_BLOCK);
    producer.ran = &ran;
    occupy(producer.pool, &gate);
    REQUIRE(pthread_create(&thread, NULL, produce, &producer) == 0);
    sleep_ms(100);
    /* Whichever it does, there is never more in the inbox than fits. */
    outstanding = value_of(&producer.submitted) - value_of(&ran);
    CHECK(outstanding <= CAPACITY * WORKERS * 2);
    gate_open(&gate);
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK_OK(vgpu_pool_wait_all(producer.pool));
    CHECK(value_of(&ran) == 1000);
    CHECK_OK(vgpu_pool_destroy(producer.pool));
}

/* From inside, with every worker busy submitting, blocking outright would be for ever: a worker must help. */
struct flood {
    vgpu_pool *pool;
    int *ran;
    int failures;
};

static int32_t flood_task(vgpu_worker *worker, void *user_data) {
    struct flood *flood = user_data;
    int i;
    (void)worker;
    for (i = 0; i < 500; i++) {
        if (vgpu_pool_submit(flood->pool, count_task, flood->ran, NULL, NULL) != VGPU_OK) {
            add_one(&flood->failures);
        }
    }
    return 0;
}

static void flood_from_inside(uint32_t mode) {
    struct flood flood = {NULL, NULL, 0};
    int ran = 0;
    int i;
    section(mode == VGPU_INBOX_FULL_BLOCK ? "block: every worker submits more than fits" : "run: every worker submits more than fits");
    flood.pool = make_small(mode);
    flood.ran = &ran;
    for (i = 0; i < WORKERS; i++) {
        REQUIRE(vgpu_pool_submit(flood.pool, flood_task, &flood, NULL, NULL) == VGPU_OK);
    }
    CHECK_OK(vgpu_pool_wait_all(flood.pool));
    CHECK(value_of(&ran) == 500 * WORKERS && flood.failures == 0);
    CHECK_OK(vgpu_pool_destroy(flood.pool));
}

struct who {
    pthread_t submitter;
    int on_submitter;
    int total;
};

static int32_t note_thread(vgpu_worker *worker, void *user_data) {
    struct who *who = user_data;
    (void)worker;
    add_one(&who->total);
    if (pthread_equal(pthread_self(), who->submitter)) {
        add_one(&who->on_submitter);
    }
    return 0;
}

static int32_t fail_task(vgpu_worker *worker, void *user_data) {
    (void)worker;
    (void)user_data;
    CHECK_OK(vgpu_task_set_error("failed wherever it ran"));
    return 3;
}

static void run_mode(void) {
    struct gate gate = GATE_SHUT;
    struct who who;
    vgpu_pool *pool = make_small(VGPU_INBOX_FULL_RUN);
    vgpu_future *future = NULL;
    int32_t code = 0;
    int i;
    section("run: the submitter runs what does not fit");
    who.submitter = pthread_self();
    who.on_submitter = 0;
    who.total = 0;
    occupy(pool, &gate);
    for (i = 0; i < 100; i++) {
        CHECK_OK(vgpu_pool_submit(pool, note_thread, &who, NULL, NULL));
    }
    CHECK(value_of(&who.on_submitter) >= 100 - CAPACITY * WORKERS * 2);
    CHECK(value_of(&who.on_submitter) == value_of(&who.total));
    /* A failure on the caller comes out at get like any other. */
    REQUIRE(vgpu_pool_submit(pool, fail_task, NULL, NULL, &future) == VGPU_OK);
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_future_get(future, &code));
    CHECK(code == 3 && strstr(vgpu_last_error_message(), "wherever") != NULL);
    CHECK_OK(vgpu_future_release(future));
    gate_open(&gate);
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(value_of(&who.total) == 100);
}

int main(void) {
    error_mode();
    block_mode();
    flood_from_inside(VGPU_INBOX_FULL_BLOCK);
    flood_from_inside(VGPU_INBOX_FULL_RUN);
    run_mode();
    return check_done();
}
