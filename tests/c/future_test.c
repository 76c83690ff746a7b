/* Futures: results, failures with their text, waits with a limit, cancelling, completion and destroy callbacks, caller storage. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static int32_t fail_with_text(vgpu_worker *worker, void *user_data) {
    (void)worker;
    CHECK_OK(vgpu_task_set_error(user_data));
    return 77;
}

static int32_t fail_silently(vgpu_worker *worker, void *user_data) {
    (void)worker;
    (void)user_data;
    return -1234567;
}

static int32_t set_error_and_succeed(vgpu_worker *worker, void *user_data) {
    (void)worker;
    (void)user_data;
    CHECK_OK(vgpu_task_set_error("never to be seen"));
    return 0;
}

static void results_and_failures(vgpu_pool *pool) {
    vgpu_future *future = NULL;
    char long_text[5000];
    char text[] = "the disk is \xc3\xbc" "berf\xc3\xbc" "llt"; /* UTF-8 */
    char broken[] = "not \xff UTF-8";
    int32_t code = 5;
    int counter = 0;
    section("get: success, a code, a text");
    REQUIRE(vgpu_pool_submit(pool, count_task, &counter, NULL, &future) == VGPU_OK);
    CHECK_OK(vgpu_future_get(future, &code));
    CHECK(code == 0 && value_of(&counter) == 1);
    CHECK_OK(vgpu_future_get(future, NULL)); /* a result may be asked for again */
    CHECK(vgpu_future_is_ready(future) == 1);
    CHECK_OK(vgpu_future_release(future));

    REQUIRE(vgpu_pool_submit(pool, fail_with_text, text, NULL, &future) == VGPU_OK);
    CHECK_OK(vgpu_future_wait(future)); /* the wait went well, the task did not */
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_future_get(future, &code));
    CHECK(code == 77 && strstr(vgpu_last_error_message(), text) != NULL);
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_future_get(future, NULL));
    CHECK(strstr(vgpu_last_error_message(), text) != NULL);
    CHECK_OK(vgpu_future_release(future));

    REQUIRE(vgpu_pool_submit(pool, fail_silently, NULL, NULL, &future) == VGPU_OK);
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_future_get(future, &code));
    CHECK(code == -1234567 && strstr(vgpu_last_error_message(), text) == NULL); /* the last task's text is not this one's */
    CHECK_OK(vgpu_future_release(future));

    REQUIRE(vgpu_pool_submit(pool, set_error_and_succeed, NULL, NULL, &future) == VGPU_OK);
    CHECK_OK(vgpu_future_get(future, &code));
    CHECK(code == 0);
    CHECK_OK(vgpu_future_release(future));

    section("a text too long, and one that is no text");
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    REQUIRE(vgpu_pool_submit(pool, fail_with_text, long_text, NULL, &future) == VGPU_OK);
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_future_get(future, &code));
    CHECK(strstr(vgpu_last_error_message(), "xxxxxxxxxxxxxxxx") != NULL);
    CHECK_OK(vgpu_future_release(future));
    REQUIRE(vgpu_pool_submit(pool, fail_with_text, broken, NULL, &future) == VGPU_OK);
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_future_get(future, &code));
    CHECK_OK(vgpu_future_release(future));
}

static void timed_waits(vgpu_pool *pool, uint32_t workers) {
    struct gate gate = GATE_SHUT;
    vgpu_future *future = NULL;
    double begin;
    (void)workers;
    section("a wait with a limit");
    REQUIRE(vgpu_pool_submit(pool, gate_task, &gate, NULL, &future) == VGPU_OK);
    gate_await(&gate, 1);
    CHECK(vgpu_future_is_ready(future) == 0);
    CHECK_STATUS(VGPU_ERROR_TIMED_OUT, vgpu_future_wait_for(future, 0));
    begin = seconds_now();
    CHECK_STATUS(VGPU_ERROR_TIMED_OUT, vgpu_future_wait_for(future, 50000000));
    CHECK(seconds_now() - begin >= 0.049 && seconds_now() - begin < 10.0);
    gate_open(&gate);
    CHECK_OK(vgpu_future_wait_for(future, UINT64_MAX)); /* for ever, without overflow */
    CHECK_OK(vgpu_future_wait_for(future, 0));
    CHECK_OK(vgpu_future_get(future, NULL));
    CHECK_OK(vgpu_future_release(future));
}

/* Occupies every worker until the gate opens. */
static void occupy(vgpu_pool *pool, struct gate *gate) {
    const int workers = (int)vgpu_pool_num_workers(pool);
    int i;
    for (i = 0; i < workers; i++) {
        REQUIRE(vgpu_pool_submit(pool, gate_task, gate, NULL, NULL) == VGPU_OK);
        gate_await(gate, i + 1);
    }
}

static void cancelling(vgpu_pool *pool) {
    struct gate gate = GATE_SHUT;
    vgpu_future *waiting = NULL;
    vgpu_future *done = NULL;
    int32_t code = 9;
    int runs = 0;
    int destroyed = 0;
    section("cancel before the start, and after it");
    occupy(pool, &gate);
    REQUIRE(vgpu_pool_submit(pool, count_task, &runs, NULL, &waiting) == VGPU_OK);
    CHECK_OK(vgpu_future_cancel(waiting));
    CHECK_STATUS(VGPU_ERROR_CANCELLED, vgpu_future_get(waiting, &code));
    CHECK(vgpu_future_is_ready(waiting) == 1);
    CHECK_OK(vgpu_future_release(waiting));
    REQUIRE(vgpu_pool_submit(pool, gate_task, &gate, NULL, &done) == VGPU_OK);
    REQUIRE(vgpu_pool_submit(pool, count_task, &destroyed, count_destroy, &waiting) == VGPU_OK);
    CHECK_OK(vgpu_future_cancel(waiting));
    CHECK_OK(vgpu_future_release(waiting));
    gate_open(&gate);
    CHECK_OK(vgpu_future_get(done, NULL));
    CHECK_STATUS(VGPU_ERROR_ALREADY_STARTED, vgpu_future_cancel(done)); /* it has run: too late */
    CHECK_OK(vgpu_future_get(done, NULL));                              /* and it is still a success */
    CHECK_OK(vgpu_future_release(done));
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK(value_of(&runs) == 0);
    CHECK(value_of(&destroyed) == 1); /* not run, but destroyed, once */
}

/* A running task cannot be cancelled. */
static void cancel_running(vgpu_pool *pool) {
    struct gate gate = GATE_SHUT;
    vgpu_future *future = NULL;
    REQUIRE(vgpu_pool_submit(pool, gate_task, &gate, NULL, &future) == VGPU_OK);
    gate_await(&gate, 1);
    CHECK_STATUS(VGPU_ERROR_ALREADY_STARTED, vgpu_future_cancel(future));
    gate_open(&gate);
    CHECK_OK(vgpu_future_get(future, NULL));
    CHECK_OK(vgpu_future_release(future));
}

struct completion {
    int calls;
    vgpu_status status;
};

static void completed(void *user_data, vgpu_status status) {
    struct completion *completion = user_data;
    completion->status = status;
    add_one(&completion->calls);
}

static void await_calls(struct completion *completion) {
    int i;
    for (i = 0; i < 5000 && value_of(&completion->calls) == 0; i++) {
        sleep_ms(1);
    }
    sleep_ms(5); /* long enough for a wrong second call */
    CHECK(value_of(&completion->calls) == 1);
}

static void completion_callbacks(vgpu_pool *pool) {
    struct gate gate = GATE_SHUT;
    struct completion early = {0, 1};
    struct completion late = {0, 1};
    struct completion failed = {0, 1};
    struct completion cancelled = {0, 1};
    vgpu_future *future = NULL;
    section("completion callbacks: before, after, on failure, on cancel; each once");
    REQUIRE(vgpu_pool_submit(pool, gate_task, &gate, NULL, &future) == VGPU_OK);
    gate_await(&gate, 1);
    CHECK_OK(vgpu_future_on_complete(future, completed, &early));
    CHECK(value_of(&early.calls) == 0);
    gate_open(&gate);
    CHECK_OK(vgpu_future_wait(future));
    await_calls(&early);
    CHECK(early.status == VGPU_OK);
    CHECK_OK(vgpu_future_release(future));

    REQUIRE(vgpu_pool_submit(pool, fail_silently, NULL, NULL, &future) == VGPU_OK);
    CHECK_OK(vgpu_future_wait(future));
    CHECK_OK(vgpu_future_on_complete(future, completed, &late)); /* already complete: called at once */
    await_calls(&late);
    CHECK(late.status == VGPU_ERROR_TASK_FAILED);
    CHECK_OK(vgpu_future_release(future));

    gate.open = 0;
    occupy(pool, &gate);
    REQUIRE(vgpu_pool_submit(pool, fail_silently, NULL, NULL, &future) == VGPU_OK);
    CHECK_OK(vgpu_future_on_complete(future, completed, &failed));
    CHECK_OK(vgpu_future_release(future)); /* nobody holds the future, the callback is owed all the same */
    REQUIRE(vgpu_pool_submit(pool, fail_silently, NULL, NULL, &future) == VGPU_OK);
    CHECK_OK(vgpu_future_on_complete(future, completed, &cancelled));
    CHECK_OK(vgpu_future_cancel(future));
    CHECK_OK(vgpu_future_release(future));
    gate_open(&gate);
    await_calls(&failed);
    CHECK(failed.status == VGPU_ERROR_TASK_FAILED);
    await_calls(&cancelled);
    CHECK(cancelled.status == VGPU_ERROR_CANCELLED);
    CHECK_OK(vgpu_pool_wait_all(pool));
}

static void destroy_callbacks(vgpu_pool *pool) {
    enum { COUNT = 500 };
    int destroyed[COUNT] = {0};
    vgpu_future *future = NULL;
    int counter = 0;
    int i;
    section("destroy callbacks: once after success, failure, release before the run; never after a failed submit");
    for (i = 0; i < COUNT; i++) {
        const vgpu_task_fn function = i % 2 != 0 ? fail_silently : set_error_and_succeed;
        REQUIRE(vgpu_pool_submit(pool, function, &destroyed[i], count_destroy, i % 3 != 0 ? &future : NULL) == VGPU_OK);
        if (i % 3 != 0) {
            if (i % 3 == 1) {
                CHECK_OK(vgpu_future_wait(future));
            }
            CHECK_OK(vgpu_future_release(future));
        }
    }
    CHECK_OK(vgpu_pool_wait_all(pool));
    for (i = 0; i < COUNT; i++) {
        /* wait_all waits for tasks, and the callback belongs to its task. */
        CHECK(value_of(&destroyed[i]) == 1);
    }
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_submit(pool, NULL, &counter, count_destroy, NULL));
    CHECK(value_of(&counter) == 0);
}

static void caller_storage(vgpu_pool *pool) {
    static vgpu_task_storage storage[16];
    vgpu_future *futures[16];
    char text[] = "stored";
    int counter = 0;
    int destroyed = 0;
    int32_t code = 0;
    int round;
    int i;
    section("caller-provided storage, used again and again");
    for (round = 0; round < 200; round++) {
        for (i = 0; i < 16; i++) {
            REQUIRE(vgpu_pool_submit_in(pool, &storage[i], count_task, &counter, NULL, &futures[i]) == VGPU_OK);
        }
        for (i = 0; i < 16; i++) {
            if (i % 2 != 0) {
                CHECK_OK(vgpu_future_get(futures[i], NULL));
            }
            CHECK_OK(vgpu_future_release(futures[i])); /* waits where it must: afterwards the storage is ours */
            memset(&storage[i], 0xee, sizeof storage[i]);
        }
    }
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK(value_of(&counter) == 200 * 16);
    REQUIRE(vgpu_pool_submit_in(pool, &storage[0], fail_with_text, text, NULL, &futures[0]) == VGPU_OK);
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_future_get(futures[0], &code));
    CHECK(code == 77 && strstr(vgpu_last_error_message(), "stored") != NULL);
    CHECK_OK(vgpu_future_release(futures[0]));
    REQUIRE(vgpu_pool_submit_in(pool, &storage[0], count_task, &destroyed, count_destroy, &futures[0]) == VGPU_OK);
    CHECK_OK(vgpu_future_release(futures[0]));
    CHECK(value_of(&destroyed) == 2);
}

int main(void) {
    const uint32_t sizes[] = {1, 3};
    int i;
    for (i = 0; i < 2; i++) {
        vgpu_pool *pool = make_pool(sizes[i]);
        printf("   -- %u workers\n", (unsigned)sizes[i]);
        results_and_failures(pool);
        timed_waits(pool, sizes[i]);
        cancelling(pool);
        cancel_running(pool);
        completion_callbacks(pool);
        destroy_callbacks(pool);
        caller_storage(pool);
        CHECK_OK(vgpu_pool_destroy(pool));
    }
    return check_done();
}
