/* Threads of the program that lend themselves to a pool. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static int starts, stops;

static void on_start(void *user_data, uint32_t worker_index) {
    (void)user_data;
    if (worker_index >= 1) add_one(&starts);
}

static void on_stop(void *user_data, uint32_t worker_index) {
    (void)user_data;
    if (worker_index >= 1) add_one(&stops);
}

static vgpu_pool *pool_with_seats(uint32_t seats) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    vgpu_pool_config_init(&config);
    config.num_workers = 1;
    config.host_seats = seats;
    config.flags = VGPU_POOL_NO_PINNING;
    config.on_worker_start = on_start;
    config.on_worker_stop = on_stop;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    return pool;
}

struct lender {
    vgpu_lease *lease;
    uint64_t timeout_ns;
    vgpu_status status;
    int cancel_state;
};

static void *lend(void *argument) {
    struct lender *const lender = argument;
    lender->status = vgpu_lease_run(lender->lease, lender->timeout_ns);
    REQUIRE(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &lender->cancel_state) == 0);
    return NULL;
}

static void await_value(const int *counter, int value) {
    const double begin = seconds_now();
    while (value_of(counter) < value && seconds_now() - begin < 60) sleep_ms(1);
    CHECK(value_of(counter) >= value);
}

static void leases(void) {
    vgpu_pool *const pool = pool_with_seats(2);
    struct lender lenders[2];
    pthread_t threads[2];
    struct gate gate = GATE_SHUT;
    vgpu_lease *lease = NULL;
    int i;
    section("two lent threads work beside the pool's own, until their lease ends");
    CHECK(vgpu_pool_num_workers(pool) == 3);
    CHECK_OK(vgpu_lease_create(pool, &lease));
    for (i = 0; i < 2; i++) {
        lenders[i].lease = lease;
        lenders[i].timeout_ns = UINT64_MAX;
        REQUIRE(pthread_create(&threads[i], NULL, lend, &lenders[i]) == 0);
    }
    /* Three tasks at a time, each on another thread. */
    for (i = 0; i < 3; i++) CHECK_OK(vgpu_pool_submit(pool, gate_task, &gate, NULL, NULL));
    gate_await(&gate, 3);
    CHECK(value_of(&starts) == 2 && value_of(&stops) == 0);
    CHECK_STATUS(VGPU_ERROR_ALREADY_STARTED, vgpu_lease_run(lease, UINT64_MAX));
    CHECK_OK(vgpu_lease_end(lease));
    gate_open(&gate);
    for (i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        CHECK(lenders[i].status == VGPU_OK && lenders[i].cancel_state == PTHREAD_CANCEL_ENABLE);
    }
    CHECK(value_of(&stops) == 2);
    CHECK_OK(vgpu_lease_end(lease));
    CHECK_OK(vgpu_lease_run(lease, UINT64_MAX));
    vgpu_lease_destroy(lease);
    vgpu_lease_destroy(NULL);
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void times(void) {
    vgpu_pool *const pool = pool_with_seats(1);
    vgpu_lease *lease = NULL, *none = NULL;
    vgpu_pool *const plain = make_pool(1);
    double begin;
    section("a time is kept; what cannot be is refused");
    CHECK_OK(vgpu_lease_create(pool, &lease));
    begin = seconds_now();
    CHECK_STATUS(VGPU_ERROR_TIMED_OUT, vgpu_lease_run(lease, 30000000));
    CHECK(seconds_now() - begin >= 0.029);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_lease_create(NULL, &none));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_lease_create(pool, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_lease_run(NULL, 0));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_lease_end(NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_lease_create(plain, &none));
    CHECK(none == NULL);
    vgpu_lease_destroy(lease);
    CHECK_OK(vgpu_pool_destroy(plain));
    CHECK_OK(vgpu_pool_destroy(pool));
}

/* A lent thread is in the pool, or on its way, or has not yet set out, when the pool is destroyed; its lease goes after the pool. */
static void end_of_pool(int they_are_there) {
    int round;
    section(they_are_there ? "a pool that is destroyed gives lent threads back"
                           : "threads that come while the pool is destroyed, or after, are refused");
    for (round = 0; round < 200; round++) {
        vgpu_pool *const pool = pool_with_seats(2);
        struct lender lenders[2];
        pthread_t threads[2];
        int ran = 0, i;
        const int before = value_of(&starts);
        for (i = 0; i < 2; i++) {
            lenders[i].lease = NULL;
            lenders[i].timeout_ns = UINT64_MAX;
            CHECK_OK(vgpu_lease_create(pool, &lenders[i].lease));
            REQUIRE(pthread_create(&threads[i], NULL, lend, &lenders[i]) == 0);
        }
        for (i = 0; i < 10; i++) CHECK_OK(vgpu_pool_submit(pool, count_task, &ran, NULL, NULL));
        if (they_are_there) await_value(&starts, before + 2);
        /* Another thread's lease may be ended meanwhile. */
        if (round % 3 == 2) CHECK_OK(vgpu_lease_end(lenders[1].lease));
        CHECK_OK(vgpu_pool_destroy(pool));
        CHECK(ran == 10);
        CHECK_OK(vgpu_lease_end(lenders[1].lease));
        for (i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
            CHECK(lenders[i].status == VGPU_ERROR_CLOSED || (i == 1 && lenders[i].status == VGPU_OK));
            CHECK_STATUS(VGPU_ERROR_CLOSED, vgpu_lease_run(lenders[i].lease, 0));
            vgpu_lease_destroy(lenders[i].lease);
        }
    }
}

int main(void) {
    leases();
    times();
    end_of_pool(1);
    end_of_pool(0);
    return check_done();
}
