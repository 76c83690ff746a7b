/* Several threads of the program on one pool at the same time, and the last error of each thread its own. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

enum { THREADS = 4, ROUNDS = 2000 };

struct shared {
    vgpu_pool *pool;
    int ran;
    int cancelled;
    int refused;
    size_t covered;
};

static int32_t cover(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    (void)worker;
    __atomic_add_fetch((size_t *)user_data, end - begin, __ATOMIC_SEQ_CST);
    return 0;
}

static int32_t count_run(vgpu_worker *worker, void *user_data) {
    (void)worker;
    add_one(&((struct shared *)user_data)->ran);
    return 0;
}

/* Submitting, waiting, cancelling, looping and waiting for all, in turn. */
static void *hammer(void *user_data) {
    struct shared *shared = user_data;
    int i;
    for (i = 0; i < ROUNDS; i++) {
        vgpu_future *future = NULL;
        CHECK_OK(vgpu_pool_submit(shared->pool, count_run, shared, NULL, i % 4 == 0 ? NULL : &future));
        switch (i % 4) {
        case 1:
            CHECK_OK(vgpu_future_get(future, NULL));
            break;
        case 2:
            if (vgpu_future_cancel(future) == VGPU_OK) {
                add_one(&shared->cancelled);
            }
            break;
        default:
            break;
        }
        CHECK_OK(vgpu_future_release(future));
        if (i % 50 == 0) {
            CHECK_OK(vgpu_parallel_for(shared->pool, 1000, 10, cover, &shared->covered));
        }
        if (i % 500 == 0) {
            CHECK_OK(vgpu_pool_wait_all(shared->pool));
        }
    }
    return NULL;
}

static void many_submitters(uint32_t workers) {
    pthread_t threads[THREADS];
    struct shared shared = {NULL, 0, 0, 0, 0};
    int i;
    printf("   %d threads submit to %u workers\n", THREADS, (unsigned)workers);
    shared.pool = make_pool(workers);
    for (i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, hammer, &shared) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        REQUIRE(pthread_join(threads[i], NULL) == 0);
    }
    CHECK_OK(vgpu_pool_wait_all(shared.pool));
    CHECK(value_of(&shared.ran) + value_of(&shared.cancelled) == THREADS * ROUNDS);
    CHECK(shared.covered == (size_t)THREADS * (ROUNDS / 50) * 1000);
    CHECK_OK(vgpu_pool_destroy(shared.pool));
}

static void *look_at_own_error(void *user_data) {
    struct gate *gate = user_data;
    CHECK(vgpu_last_error_message()[0] == '\0'); /* this thread has not failed yet */
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_for(NULL, 1, 1, NULL, NULL));
    CHECK(vgpu_last_error_message()[0] != '\0');
    gate_pass(gate);
    return NULL;
}

static void own_errors(void) {
    struct gate gate = GATE_SHUT;
    char before[600];
    pthread_t thread;
    size_t covered = 0;
    section("each thread has its own last error; success leaves it alone");
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(NULL, NULL));
    snprintf(before, sizeof before, "%s", vgpu_last_error_message());
    CHECK(before[0] != '\0');
    REQUIRE(pthread_create(&thread, NULL, look_at_own_error, &gate) == 0);
    gate_await(&gate, 1);
    CHECK(strcmp(before, vgpu_last_error_message()) == 0);
    gate_open(&gate);
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK_OK(vgpu_parallel_for(NULL, 10, 1, cover, &covered));
    CHECK(strcmp(before, vgpu_last_error_message()) == 0);
}

/* Two pools whose tasks wait for each other's. */
struct across {
    vgpu_pool *other;
    int *counter;
};

static int32_t wait_across(vgpu_worker *worker, void *user_data) {
    struct across *across = user_data;
    vgpu_future *future = NULL;
    vgpu_status status;
    (void)worker;
    status = vgpu_pool_submit(across->other, count_task, across->counter, NULL, &future);
    status = status == VGPU_OK ? vgpu_future_get(future, NULL) : status;
    CHECK_OK(vgpu_future_release(future));
    return status == VGPU_OK ? 0 : 1;
}

static void two_pools(void) {
    vgpu_pool *left = make_pool(1);
    vgpu_pool *right = make_pool(1);
    int counter = 0;
    int i;
    section("tasks of one pool wait for another pool's tasks");
    for (i = 0; i < 200; i++) {
        struct across across;
        vgpu_future *future = NULL;
        across.other = right;
        across.counter = &counter;
        REQUIRE(vgpu_pool_submit(left, wait_across, &across, NULL, &future) == VGPU_OK);
        CHECK_OK(vgpu_future_get(future, NULL));
        CHECK_OK(vgpu_future_release(future));
    }
    CHECK(value_of(&counter) == 200);
    CHECK_OK(vgpu_pool_destroy(left));
    CHECK_OK(vgpu_pool_destroy(right));
}

/* The thread that asks computes too, and waits for no worker that is in the middle of something else. */
static void product_while_all_are_busy(void) {
    enum { WORKERS = 2, SIDE = 200 };
    static float a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE];
    vgpu_pool *pool = make_pool(WORKERS);
    vgpu_future *futures[WORKERS];
    struct gate gate = GATE_SHUT;
    int i;
    section("a product while all workers are busy");
    for (i = 0; i < SIDE * SIDE; i++) {
        a[i] = 1.0F;
        b[i] = 2.0F;
    }
    for (i = 0; i < WORKERS; i++) {
        REQUIRE(vgpu_pool_submit(pool, gate_task, &gate, NULL, &futures[i]) == VGPU_OK);
    }
    gate_await(&gate, WORKERS);
    for (i = 0; i < 50; i++) {
        c[0] = c[SIDE * SIDE - 1] = -1.0F;
        CHECK_OK(vgpu_sgemm(pool, VGPU_ROW_MAJOR, VGPU_NO_TRANS, VGPU_NO_TRANS, SIDE, SIDE, SIDE, 1.0F, a, SIDE, b, SIDE, 0.0F, c,
                            SIDE));
        CHECK(c[0] == 2.0F * SIDE && c[SIDE * SIDE - 1] == 2.0F * SIDE);
    }
    gate_open(&gate);
    for (i = 0; i < WORKERS; i++) {
        CHECK_OK(vgpu_future_get(futures[i], NULL));
        CHECK_OK(vgpu_future_release(futures[i]));
    }
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void *products_of_all_kinds(void *user_data) {
    static const int64_t shapes[][3] = {{200, 200, 200}, {8, 500, 300}, {1, 900, 700}, {900, 1, 700}, {700, 3, 500}, {30, 30, 30}};
    static double a[900 * 700], b[900 * 700], c[900 * 700];
    vgpu_pool *pool = user_data;
    size_t i;
    for (i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const int64_t m = shapes[i][0], n = shapes[i][1], k = shapes[i][2];
        CHECK_OK(vgpu_dgemm(pool, VGPU_ROW_MAJOR, VGPU_NO_TRANS, VGPU_NO_TRANS, m, n, k, 1.0, a, k, b, n, 0.0, c, n));
        CHECK_OK(vgpu_dgemm(pool, VGPU_ROW_MAJOR, VGPU_TRANS, VGPU_TRANS, m, n, k, 1.0, a, m, b, k, 0.0, c, n));
        CHECK_OK(vgpu_sgemm(pool, VGPU_ROW_MAJOR, VGPU_TRANS, VGPU_NO_TRANS, m, n, k, 1.0F, (float *)a, m, (float *)b, n, 0.0F,
                            (float *)c, n));
    }
    return NULL;
}

/* What a product takes of its caller's stack is what the header says; the rest of these 80 KiB is the thread's own. */
static void products_on_a_small_stack(void) {
    vgpu_pool *pool = make_pool(2);
    pthread_attr_t attributes;
    pthread_t thread;
    section("products on a small stack");
    REQUIRE(pthread_attr_init(&attributes) == 0);
    REQUIRE(pthread_attr_setstacksize(&attributes, (UNDER_ASAN ? 1024 : 80) * 1024) == 0);
    REQUIRE(pthread_create(&thread, &attributes, products_of_all_kinds, pool) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    REQUIRE(pthread_attr_destroy(&attributes) == 0);
    CHECK_OK(vgpu_pool_destroy(pool));
}

int main(void) {
    own_errors(); /* first: it looks at threads that have not failed */
    many_submitters(1);
    many_submitters(2);
    many_submitters(8);
    two_pools();
    product_while_all_are_busy();
    products_on_a_small_stack();
    return check_done();
}
