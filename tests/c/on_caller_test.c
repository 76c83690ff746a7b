/* Pools on the thread that made them: a main thread's pump, its call to the event loop, and orders drawn from a seed. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <poll.h>
#include <unistd.h>

static int calls;

static void on_wake(void *user_data) {
    add_one(user_data);
}

static vgpu_pool *on_caller(void) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    vgpu_pool_config_init(&config);
    config.flags = VGPU_POOL_ON_CALLER;
    config.on_wake = on_wake;
    config.wake_user_data = &calls;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    return pool;
}

static pthread_t main_thread;
static int elsewhere;

static int32_t main_task(vgpu_worker *worker, void *user_data) {
    if (!pthread_equal(pthread_self(), main_thread) || vgpu_worker_index(worker) != 0) add_one(&elsewhere);
    add_one(user_data);
    return 0;
}

struct submitter {
    vgpu_pool *pool;
    int *ran;
    vgpu_status destroy_status, pump_status;
};

static void *submit_many(void *argument) {
    struct submitter *const submitter = argument;
    int i;
    for (i = 0; i < 500; i++) {
        if (vgpu_pool_submit(submitter->pool, main_task, submitter->ran, NULL, NULL) != VGPU_OK) add_one(&elsewhere);
    }
    submitter->pump_status = vgpu_pool_pump(submitter->pool, 0, 0, NULL);
    submitter->destroy_status = vgpu_pool_destroy(submitter->pool);
    return NULL;
}

static void pumping(void) {
    vgpu_pool *const pool = on_caller();
    int ran = 0, i;
    size_t taken = 77;
    pthread_t threads[3];
    struct submitter submitters[3];
    section("tasks of all threads run on the main thread, when it pumps");
    calls = 0;
    for (i = 0; i < 3; i++) {
        submitters[i].pool = pool;
        submitters[i].ran = &ran;
        REQUIRE(pthread_create(&threads[i], NULL, submit_many, &submitters[i]) == 0);
    }
    for (i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK(submitters[i].pump_status == VGPU_ERROR_INVALID_ARGUMENT);
        CHECK(submitters[i].destroy_status == VGPU_ERROR_INVALID_ARGUMENT);
    }
    CHECK(value_of(&calls) == 1 && value_of(&ran) == 0);
    CHECK_OK(vgpu_pool_pump(pool, 100, 0, &taken));
    CHECK(taken == 100 && value_of(&ran) == 100 && value_of(&calls) == 2);
    CHECK_OK(vgpu_pool_pump(pool, 0, 0, &taken));
    CHECK(taken == 1400 && value_of(&ran) == 1500 && elsewhere == 0);
    CHECK_OK(vgpu_pool_pump(pool, 0, 0, &taken));
    CHECK(taken == 0 && value_of(&calls) == 2);
    CHECK(vgpu_pool_num_workers(pool) == 1);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_pump(NULL, 0, 0, NULL));
    CHECK_OK(vgpu_pool_submit(pool, main_task, &ran, NULL, NULL));
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(value_of(&ran) == 1501);
}

/* An event loop that sleeps until a pipe has something to read. */
static int pipe_ends[2];

static void write_to_pipe(void *user_data) {
    const char byte = 1;
    (void)user_data;
    if (write(pipe_ends[1], &byte, 1) != 1) abort();
}

static void *submit_slowly(void *argument) {
    struct submitter *const submitter = argument;
    int i;
    for (i = 0; i < 200; i++) {
        if (vgpu_pool_submit(submitter->pool, main_task, submitter->ran, NULL, NULL) != VGPU_OK) add_one(&elsewhere);
        if (i % 16 == 0) sleep_ms(1);
    }
    return NULL;
}

static void event_loop(void) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    int ran = 0, rounds = 0, i;
    pthread_t threads[2];
    struct submitter submitter;
    section("an event loop that sleeps until it is called runs every task");
    REQUIRE(pipe(pipe_ends) == 0);
    vgpu_pool_config_init(&config);
    config.flags = VGPU_POOL_ON_CALLER;
    config.on_wake = write_to_pipe;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    submitter.pool = pool;
    submitter.ran = &ran;
    for (i = 0; i < 2; i++) REQUIRE(pthread_create(&threads[i], NULL, submit_slowly, &submitter) == 0);
    while (value_of(&ran) < 400) {
        struct pollfd wait;
        char byte;
        wait.fd = pipe_ends[0];
        wait.events = POLLIN;
        /* A call that is lost would leave the loop asleep. */
        REQUIRE(poll(&wait, 1, 20000) == 1 && read(pipe_ends[0], &byte, 1) == 1);
        CHECK_OK(vgpu_pool_pump(pool, 7, 2000000, NULL));
        rounds++;
    }
    for (i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    CHECK(rounds >= 400 / 7 && elsewhere == 0);
    CHECK_OK(vgpu_pool_destroy(pool));
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static int32_t wait_for_main(vgpu_worker *worker, void *user_data) {
    struct submitter *const submitter = user_data;
    vgpu_future *future = NULL;
    vgpu_status status = vgpu_pool_submit(submitter->pool, main_task, submitter->ran, NULL, &future);
    (void)worker;
    if (status == VGPU_OK) status = vgpu_future_get(future, NULL);
    vgpu_future_release(future);
    return status;
}

static void waits(void) {
    vgpu_pool *const pool = on_caller(), *const workers = make_pool(2);
    vgpu_future *future = NULL, *outer = NULL;
    struct submitter submitter;
    int ran = 0, i;
    section("the main thread's waits run its tasks; a worker waits for one of them");
    for (i = 0; i < 3; i++) CHECK_OK(vgpu_pool_submit(pool, main_task, &ran, NULL, NULL));
    CHECK_OK(vgpu_pool_submit(pool, main_task, &ran, NULL, &future));
    CHECK_OK(vgpu_future_get(future, NULL));
    vgpu_future_release(future);
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK(value_of(&ran) == 4);
    submitter.pool = pool;
    submitter.ran = &ran;
    CHECK_OK(vgpu_pool_submit(workers, wait_for_main, &submitter, NULL, &outer));
    while (!vgpu_future_is_ready(outer)) CHECK_OK(vgpu_pool_pump(pool, 0, 0, NULL));
    CHECK_OK(vgpu_future_get(outer, NULL));
    vgpu_future_release(outer);
    CHECK(value_of(&ran) == 5 && elsewhere == 0);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_pump(workers, 0, 0, NULL));
    CHECK_OK(vgpu_pool_destroy(workers));
    CHECK_OK(vgpu_pool_destroy(pool));
}

static int32_t pump_inside(vgpu_worker *worker, void *user_data) {
    vgpu_pool *const pool = user_data;
    size_t taken = 0;
    (void)worker;
    CHECK_OK(vgpu_pool_pump(pool, 1, 0, &taken));
    CHECK_STATUS(VGPU_ERROR_WOULD_DEADLOCK, vgpu_pool_destroy(pool));
    return (int32_t)taken;
}

static void nested(void) {
    vgpu_pool *const pool = on_caller();
    vgpu_future *future = NULL;
    int32_t code = 0;
    int ran = 0;
    section("a pump inside a task runs others");
    CHECK_OK(vgpu_pool_submit(pool, pump_inside, pool, NULL, &future));
    CHECK_OK(vgpu_pool_submit(pool, main_task, &ran, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_future_get(future, &code));
    CHECK(code == 1 && ran == 1);
    vgpu_future_release(future);
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void settings(void) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    section("what cannot be had together is refused");
    vgpu_pool_config_init(&config);
    config.flags = VGPU_POOL_REPLAY;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(&config, &pool));
    config.flags = 0;
    config.on_wake = on_wake;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(&config, &pool));
    config.flags = VGPU_POOL_ON_CALLER;
    config.num_workers = 2;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(&config, &pool));
    config.num_workers = 1;
    config.inbox_full = VGPU_INBOX_FULL_BLOCK;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(&config, &pool));
    config.inbox_full = VGPU_INBOX_FULL_ERROR;
    config.inbox_capacity = 2;
    config.on_wake = NULL;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_submit(pool, main_task, &calls, NULL, NULL));
    CHECK_OK(vgpu_pool_submit(pool, main_task, &calls, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_QUEUE_FULL, vgpu_pool_submit(pool, main_task, &calls, NULL, NULL));
    CHECK_OK(vgpu_pool_destroy(pool));
}

/* ---- orders drawn from a seed ---- */

enum { STEPS = 128 };

struct record {
    unsigned char steps[STEPS];
    size_t length;
};

struct numbered {
    struct record *record;
    unsigned char number;
};

static void note(struct record *record, size_t number) {
    REQUIRE(record->length < STEPS);
    record->steps[record->length++] = (unsigned char)number;
}

static int32_t note_task(vgpu_worker *worker, void *user_data) {
    const struct numbered *const task = user_data;
    (void)worker;
    note(task->record, task->number);
    return 0;
}

static int32_t note_piece(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    (void)worker;
    note(user_data, 100 + begin + (end - begin) / 128);
    return 0;
}

static int32_t note_call(vgpu_worker *worker, void *user_data, size_t index) {
    (void)worker;
    note(user_data, 50 + index);
    return 0;
}

static struct record replayed(uint64_t seed) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    struct record record;
    struct numbered tasks[10];
    unsigned char i;
    memset(&record, 0, sizeof record);
    vgpu_pool_config_init(&config);
    config.flags = VGPU_POOL_ON_CALLER | VGPU_POOL_REPLAY;
    config.replay_seed = seed;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    for (i = 0; i < 10; i++) {
        tasks[i].record = &record;
        tasks[i].number = i;
        CHECK_OK(vgpu_pool_submit(pool, note_task, &tasks[i], NULL, NULL));
    }
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK_OK(vgpu_fork_all(pool, 10, note_call, &record));
    CHECK_OK(vgpu_parallel_for(pool, 40, 2, note_piece, &record));
    CHECK_OK(vgpu_pool_destroy(pool));
    return record;
}

static void replay(void) {
    struct record first = replayed(0);
    int different = 0;
    uint64_t seed;
    section("the same seed gives the same order of tasks and forks, another seed another");
    CHECK(first.length == 40);
    for (seed = 0; seed < 30; seed++) {
        const struct record a = replayed(seed), b = replayed(seed);
        CHECK(memcmp(&a, &b, sizeof a) == 0);
        different += memcmp(&a, &first, sizeof a) != 0;
    }
    CHECK(different >= 28);
}

int main(void) {
    main_thread = pthread_self();
    pumping();
    event_loop();
    waits();
    nested();
    settings();
    replay();
    return check_done();
}
