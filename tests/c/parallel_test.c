/* Loops, tiles, joins, groups and waits inside tasks: every piece once, failures travel, one worker is enough. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

enum { MOST = 100003 };
static int touched[MOST];

static int32_t touch(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    const size_t *limit = user_data;
    size_t i;
    (void)worker;
    CHECK(begin < end && end <= *limit);
    for (i = begin; i < end; i++) {
        add_one(&touched[i]);
    }
    return 0;
}

static void each_once(vgpu_pool *pool) {
    const size_t sizes[] = {1, 2, 3, 7, 64, 1000, MOST};
    const size_t grains[] = {0, 1, 3, 64, 1000, 1000000};
    size_t s, g, i;
    section("parallel_for: every index once, for all sizes and grains");
    for (s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (g = 0; g < sizeof grains / sizeof grains[0]; g++) {
            size_t n = sizes[s];
            int wrong = 0;
            memset(touched, 0, sizeof touched);
            CHECK_OK(vgpu_parallel_for(pool, n, grains[g], touch, &n));
            CHECK_OK(vgpu_parallel_for_static(pool, n, grains[g], touch, &n));
            for (i = 0; i < MOST; i++) {
                wrong += touched[i] != (i < n ? 2 : 0);
            }
            CHECK(wrong == 0);
        }
    }
}

static int32_t fail_in_the_middle(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    (void)worker;
    (void)user_data;
    if (begin <= 500 && 500 < end) {
        CHECK_OK(vgpu_task_set_error("index 500 is cursed"));
        return 13;
    }
    return 0;
}

static void loop_failure(vgpu_pool *pool) {
    int32_t code = 0;
    size_t n = 100;
    (void)code;
    section("parallel_for: a failing chunk comes out, with its text; the next loop is clean");
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_parallel_for_static(pool, 1000, 1, fail_in_the_middle, NULL));
    CHECK(strstr(vgpu_last_error_message(), "index 500 is cursed") != NULL);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_parallel_for_static(pool, 1000, 1, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_parallel_for(pool, 1000, 1, fail_in_the_middle, NULL));
    CHECK(strstr(vgpu_last_error_message(), "cursed") != NULL);
    CHECK_OK(vgpu_parallel_for(pool, 500, 1, fail_in_the_middle, NULL));
    memset(touched, 0, sizeof touched);
    CHECK_OK(vgpu_parallel_for(pool, n, 1, touch, &n));
}

struct field {
    size_t rows, cols, tile_rows, tile_cols;
};

static int32_t touch_tile(vgpu_worker *worker, void *user_data, size_t row_begin, size_t row_end, size_t col_begin,
                          size_t col_end) {
    const struct field *field = user_data;
    size_t row, col;
    (void)worker;
    CHECK(row_begin < row_end && row_end <= field->rows && col_begin < col_end && col_end <= field->cols);
    CHECK(row_end - row_begin <= field->tile_rows && col_end - col_begin <= field->tile_cols);
    for (row = row_begin; row < row_end; row++) {
        for (col = col_begin; col < col_end; col++) {
            add_one(&touched[row * field->cols + col]);
        }
    }
    return row_begin == 7 && col_begin == 0 && field->rows == 77 ? 1 : 0;
}

static void tiles(vgpu_pool *pool) {
    const struct field fields[] = {{1, 1, 1, 1},    {10, 10, 3, 4},   {100, 37, 16, 16}, {1, 999, 1, 10},
                                   {999, 1, 10, 1}, {20, 20, 99, 99}, {50, 50, 1, 1},    {300, 300, 7, 300}};
    struct field failing = {77, 10, 7, 10};
    size_t f, i;
    section("tiles: every element once; a failing tile comes out");
    for (f = 0; f < sizeof fields / sizeof fields[0]; f++) {
        struct field field = fields[f];
        int wrong = 0;
        memset(touched, 0, sizeof touched);
        CHECK_OK(vgpu_parallel_for_tiles(pool, field.rows, field.cols, field.tile_rows, field.tile_cols, touch_tile, &field));
        for (i = 0; i < MOST; i++) {
            wrong += touched[i] != (i < field.rows * field.cols);
        }
        CHECK(wrong == 0);
    }
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED,
                 vgpu_parallel_for_tiles(pool, failing.rows, failing.cols, failing.tile_rows, failing.tile_cols, touch_tile, &failing));
}

struct fibonacci {
    vgpu_pool *pool;
    int n;
    int value;
};

/* Joins all the way down: waits nested deeper than there are workers. */
static int32_t fibonacci(vgpu_worker *worker, void *user_data) {
    struct fibonacci *self = user_data;
    struct fibonacci left;
    struct fibonacci right;
    (void)worker;
    if (self->n < 2) {
        self->value = self->n;
        return 0;
    }
    left.pool = right.pool = self->pool;
    left.n = self->n - 1;
    right.n = self->n - 2;
    if (vgpu_join(self->pool, fibonacci, &left, fibonacci, &right) != VGPU_OK) {
        return 1;
    }
    self->value = left.value + right.value;
    return 0;
}

static int32_t fail_task(vgpu_worker *worker, void *user_data) {
    (void)worker;
    CHECK_OK(vgpu_task_set_error(user_data));
    return 5;
}

static void joins(vgpu_pool *pool) {
    struct fibonacci root;
    char text[] = "half of it failed";
    int counter = 0;
    section("join: recursion, failure of either side");
    root.pool = pool;
    root.n = 16;
    root.value = 0;
    CHECK(fibonacci(NULL, &root) == 0);
    CHECK(root.value == 987);
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_join(pool, fail_task, text, count_task, &counter));
    CHECK(strstr(vgpu_last_error_message(), text) != NULL);
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_join(pool, count_task, &counter, fail_task, text));
    CHECK(strstr(vgpu_last_error_message(), text) != NULL);
    CHECK(value_of(&counter) >= 1); /* at least where the failing side was the second */
}

static void groups(vgpu_pool *pool) {
    vgpu_group *group = NULL;
    char text[] = "one of many failed";
    int32_t code = 0;
    int counter = 0;
    int destroyed = 0;
    int round;
    int i;
    section("groups: wait for all, the failure comes out, used again");
    REQUIRE(vgpu_group_create(pool, &group) == VGPU_OK);
    CHECK_OK(vgpu_group_wait(group, &code)); /* nothing in it */
    for (round = 1; round <= 3; round++) {
        for (i = 0; i < 100; i++) {
            REQUIRE(vgpu_group_submit(group, count_task, &counter, NULL) == VGPU_OK);
        }
        CHECK_OK(vgpu_group_wait(group, &code));
        CHECK(code == 0 && value_of(&counter) == 100 * round);
    }
    for (i = 0; i < 50; i++) {
        REQUIRE(vgpu_group_submit(group, i == 20 ? fail_task : count_task, i == 20 ? (void *)text : (void *)&counter, NULL) ==
                VGPU_OK);
    }
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_group_wait(group, &code));
    CHECK(code == 5 && strstr(vgpu_last_error_message(), text) != NULL);
    CHECK(value_of(&counter) == 349); /* the others ran */
    REQUIRE(vgpu_group_submit(group, count_task, &destroyed, count_destroy) == VGPU_OK);
    CHECK_OK(vgpu_group_destroy(group)); /* waits for what is still in it */
    CHECK(value_of(&destroyed) == 2);
}

/* A task which submits another and waits for it, five deep. With one worker this hangs unless waiting helps. */
struct nest {
    vgpu_pool *pool;
    int depth;
    int how; /* 0: get, 1: wait_for, 2: a group, 3: a loop */
    int *counter;
};

static int32_t nested(vgpu_worker *worker, void *user_data);

static int32_t nested_range(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    int32_t result = 0;
    for (; begin < end; begin++) {
        result |= nested(worker, user_data);
    }
    return result;
}

static int32_t nested(vgpu_worker *worker, void *user_data) {
    const struct nest *self = user_data;
    struct nest inner = *self;
    vgpu_future *future = NULL;
    vgpu_group *group = NULL;
    vgpu_status status;
    (void)worker;
    add_one(self->counter);
    if (self->depth == 0) {
        return 0;
    }
    inner.depth--;
    switch (self->how) {
    case 0:
        status = vgpu_pool_submit(self->pool, nested, &inner, NULL, &future);
        status = status == VGPU_OK ? vgpu_future_get(future, NULL) : status;
        break;
    case 1:
        status = vgpu_pool_submit(self->pool, nested, &inner, NULL, &future);
        status = status == VGPU_OK ? vgpu_future_wait_for(future, 20000000000U) : status;
        break;
    case 2:
        status = vgpu_group_create(self->pool, &group);
        status = status == VGPU_OK ? vgpu_group_submit(group, nested, &inner, NULL) : status;
        status = status == VGPU_OK ? vgpu_group_wait(group, NULL) : status;
        break;
    default:
        status = vgpu_parallel_for(self->pool, 2, 1, nested_range, &inner);
        break;
    }
    CHECK_OK(vgpu_future_release(future));
    CHECK_OK(vgpu_group_destroy(group));
    return status == VGPU_OK ? 0 : 1;
}

static void waits_inside(vgpu_pool *pool) {
    const int wanted[] = {6, 6, 6, 63};
    int how;
    section("waits inside tasks help instead of blocking");
    for (how = 0; how < 4; how++) {
        int counter = 0;
        struct nest nest;
        vgpu_future *future = NULL;
        nest.pool = pool;
        nest.depth = 5;
        nest.how = how;
        nest.counter = &counter;
        REQUIRE(vgpu_pool_submit(pool, nested, &nest, NULL, &future) == VGPU_OK);
        CHECK_OK(vgpu_future_get(future, NULL));
        CHECK_OK(vgpu_future_release(future));
        CHECK(value_of(&counter) == wanted[how]);
    }
}

static int32_t serial_order(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    size_t *next = user_data;
    CHECK(worker == NULL && begin == *next);
    *next = end;
    return 0;
}

static void serial(void) {
    size_t next = 0;
    section("without a pool: on the caller, in order");
    CHECK_OK(vgpu_parallel_for(NULL, 1000, 10, serial_order, &next));
    CHECK(next == 1000);
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_parallel_for(NULL, 1000, 1, fail_in_the_middle, NULL));
    CHECK(strstr(vgpu_last_error_message(), "cursed") != NULL);
    each_once(NULL);
    tiles(NULL);
    joins(NULL);
}

int main(void) {
    const uint32_t sizes[] = {1, 2, 5};
    int i;
    for (i = 0; i < 3; i++) {
        vgpu_pool *pool = make_pool(sizes[i]);
        printf("   -- %u workers\n", (unsigned)sizes[i]);
        each_once(pool);
        loop_failure(pool);
        tiles(pool);
        joins(pool);
        groups(pool);
        waits_inside(pool);
        CHECK_OK(vgpu_pool_destroy(pool));
    }
    serial();
    return check_done();
}
