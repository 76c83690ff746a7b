/* The tests' few tools: checks which say what they found, and a gate that holds tasks back until it is opened. */
#ifndef CHECK_H
#define CHECK_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vgpu_pool.h>

/* Not every test uses every tool. */
#define MAYBE_UNUSED __attribute__((unused))

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif

static int check_failures;
static int check_count;

static MAYBE_UNUSED void check_that(int holds, const char *text, const char *file, int line) {
    check_count++;
    if (!holds) {
        check_failures++;
        fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
    }
}

static MAYBE_UNUSED void check_status(vgpu_status found, vgpu_status wanted, const char *text, const char *file, int line) {
    check_count++;
    if (found != wanted) {
        check_failures++;
        fprintf(stderr, "%s:%d: %s gave %s (%s), not %s\n", file, line, text, vgpu_status_name(found), vgpu_last_error_message(),
                vgpu_status_name(wanted));
    } else if (found != VGPU_OK && vgpu_last_error_message()[0] == '\0') {
        check_failures++;
        fprintf(stderr, "%s:%d: %s gave %s without a sentence\n", file, line, text, vgpu_status_name(found));
    }
}

/* The thing must hold. The program goes on, and fails in the end. */
#define CHECK(condition) check_that((condition) != 0, #condition, __FILE__, __LINE__)

/* The call must give this status; a failure must come with a sentence. */
#define CHECK_STATUS(wanted, call) check_status((call), (wanted), #call, __FILE__, __LINE__)

#define CHECK_OK(call) CHECK_STATUS(VGPU_OK, call)

/* Without this the rest of the program makes no sense. */
#define REQUIRE(condition)                                                                                                 \
    do {                                                                                                                   \
        if (!(condition)) {                                                                                                \
            fprintf(stderr, "%s:%d: needed: %s (%s)\n", __FILE__, __LINE__, #condition, vgpu_last_error_message());         \
            exit(1);                                                                                                       \
        }                                                                                                                  \
    } while (0)

/* What is being tested, printed as a line of the program's report. */
static MAYBE_UNUSED void section(const char *text) {
    printf("   %s\n", text);
    fflush(stdout);
}

static MAYBE_UNUSED int check_done(void) {
    if (check_failures != 0) {
        fprintf(stderr, "%d of %d checks failed\n", check_failures, check_count);
        return 1;
    }
    printf("   %d checks passed\n", check_count);
    return 0;
}

/* A pool with this many workers and everything else as the caller's config says (NULL: the defaults). */
static MAYBE_UNUSED vgpu_pool *make_pool(uint32_t workers) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    vgpu_pool_config_init(&config);
    config.num_workers = workers;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    return pool;
}

static MAYBE_UNUSED void sleep_ms(long milliseconds) {
    struct timespec time;
    time.tv_sec = milliseconds / 1000;
    time.tv_nsec = milliseconds % 1000 * 1000000;
    nanosleep(&time, NULL);
}

static MAYBE_UNUSED double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- a gate: tasks wait at it, the test sees how many do, and opens it ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int waiting;
    int open;
};

#define GATE_SHUT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0}

static MAYBE_UNUSED void gate_pass(struct gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->waiting++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    gate->waiting--;
    pthread_mutex_unlock(&gate->lock);
}

static MAYBE_UNUSED void gate_open(struct gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->open = 1;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static MAYBE_UNUSED void gate_await(struct gate *gate, int waiting) {
    pthread_mutex_lock(&gate->lock);
    while (gate->waiting < waiting) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}

/* A task that stands at the gate. user_data: the gate. */
static MAYBE_UNUSED int32_t gate_task(vgpu_worker *worker, void *user_data) {
    (void)worker;
    gate_pass(user_data);
    return 0;
}

/* ---- counting across threads ---- */

static MAYBE_UNUSED int add_one(int *counter) {
    return __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static MAYBE_UNUSED int value_of(const int *counter) {
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

/* A task that adds one to an int. */
static MAYBE_UNUSED int32_t count_task(vgpu_worker *worker, void *user_data) {
    (void)worker;
    add_one(user_data);
    return 0;
}

static MAYBE_UNUSED void count_destroy(void *user_data) {
    add_one(user_data);
}

#endif
