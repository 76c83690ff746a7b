/* Reductions, scans, sorting and n-ary forks: what the serial loop gives, to the last bit, on every pool. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

enum { MOST = 50000 };
static double numbers[MOST];
static double scanned[MOST];
static int touched[MOST];

static void fill(void) {
    size_t i;
    for (i = 0; i < MOST; i++) {
        numbers[i] = 1.0 / ((double)i + 0.1) - 0.01 * (double)(i % 13);
    }
}

/* ---- sums of doubles; user_data: the numbers ---- */

static int32_t add_numbers(vgpu_worker *worker, void *user_data, size_t begin, size_t end, void *value) {
    const double *from = user_data;
    double *sum = value;
    (void)worker;
    CHECK(begin < end && end <= MOST);
    CHECK((uintptr_t)value % 64 == 0);
    for (; begin < end; begin++) {
        *sum += from[begin];
    }
    return 0;
}

static int32_t add(void *user_data, void *left, const void *right) {
    (void)user_data;
    *(double *)left += *(const double *)right;
    return 0;
}

static int32_t running_sum(vgpu_worker *worker, void *user_data, size_t begin, size_t end, void *value) {
    double *sum = value;
    (void)worker;
    (void)user_data;
    for (; begin < end; begin++) {
        *sum += numbers[begin];
        scanned[begin] = *sum;
        add_one(&touched[begin]);
    }
    return 0;
}

static const size_t sizes[] = {0, 1, 2, 3, 100, 1025, MOST};
static const size_t grains[] = {0, 1, 3, 1000, SIZE_MAX};
enum { SIZES = sizeof sizes / sizeof sizes[0], GRAINS = sizeof grains / sizeof grains[0] };

static int near_enough(double a, double b) {
    const double difference = a > b ? a - b : b - a;
    return difference < 1e-6;
}

static void sums(vgpu_pool *pool) {
    size_t s, g, i;
    section("reduce and scan: the bits of a NULL pool, for all sizes and grains");
    for (s = 0; s < SIZES; s++) {
        for (g = 0; g < GRAINS; g++) {
            const size_t n = sizes[s];
            const double zero = 0;
            double alone = -1, together = -1, expected = 0;
            int wrong = 0;
            for (i = 0; i < n; i++) {
                expected += numbers[i];
            }
            CHECK_OK(vgpu_parallel_reduce(NULL, n, grains[g], sizeof(double), &zero, add_numbers, add, numbers, &alone));
            CHECK_OK(vgpu_parallel_reduce(pool, n, grains[g], sizeof(double), &zero, add_numbers, add, numbers, &together));
            CHECK(memcmp(&alone, &together, sizeof alone) == 0);
            CHECK(near_enough(alone, expected));

            memset(touched, 0, sizeof touched);
            CHECK_OK(vgpu_parallel_scan(pool, n, grains[g], sizeof(double), &zero, add_numbers, add, running_sum, numbers));
            expected = 0;
            for (i = 0; i < n; i++) {
                expected += numbers[i];
                wrong += touched[i] != 1 || !near_enough(scanned[i], expected);
            }
            CHECK(wrong == 0);
            if (n > 0) {
                alone = scanned[n - 1];
                CHECK_OK(vgpu_parallel_scan(NULL, n, grains[g], sizeof(double), &zero, add_numbers, add, running_sum, numbers));
                CHECK(memcmp(&alone, &scanned[n - 1], sizeof alone) == 0);
            }
        }
    }
}

/* ---- values too large to lie on a stack: how often each byte occurs ---- */

struct histogram {
    size_t count[256];
    size_t first, last; /* the range counted; 0, 0 for none */
};

static int32_t count_bytes(vgpu_worker *worker, void *user_data, size_t begin, size_t end, void *value) {
    struct histogram *histogram = value;
    (void)worker;
    (void)user_data;
    histogram->first = begin;
    histogram->last = end;
    for (; begin < end; begin++) {
        histogram->count[begin * 7 % 256]++;
    }
    return 0;
}

static int32_t merge(void *user_data, void *left, const void *right) {
    struct histogram *into = left;
    const struct histogram *from = right;
    int i;
    (void)user_data;
    CHECK(into->last == from->first || into->last == 0); /* neighbours, the left one left */
    into->last = from->last;
    for (i = 0; i < 256; i++) {
        into->count[i] += from->count[i];
    }
    return 0;
}

static int32_t check_before(vgpu_worker *worker, void *user_data, size_t begin, size_t end, void *value) {
    const struct histogram *before = value;
    size_t total = 0;
    int i;
    (void)worker;
    for (i = 0; i < 256; i++) {
        total += before->count[i];
    }
    CHECK(total == begin && before->last == begin);
    for (; begin < end; begin++) {
        add_one((int *)user_data);
    }
    return 0;
}

static void large_values(vgpu_pool *pool) {
    static const struct histogram none;
    struct histogram result;
    int written = 0;
    int i;
    section("values of two kilobytes");
    memset(&result, 0xff, sizeof result);
    CHECK_OK(vgpu_parallel_reduce(pool, 256 * 100, 37, sizeof result, &none, count_bytes, merge, NULL, &result));
    CHECK(result.first == 0 && result.last == 256 * 100);
    for (i = 0; i < 256; i++) {
        CHECK(result.count[i] == 100);
    }
    CHECK_OK(vgpu_parallel_scan(pool, 5000, 0, sizeof none, &none, count_bytes, merge, check_before, &written));
    CHECK(written == 5000);
}

/* ---- failures ---- */

struct failing {
    int where; /* 0: the first pass, 1: combine, 2: the second pass */
};

static int32_t fail_if(const struct failing *failing, int here) {
    if (failing->where != here) {
        return 0;
    }
    CHECK_OK(vgpu_task_set_error("cannot be summed"));
    return 17;
}

static int32_t failing_map(vgpu_worker *worker, void *user_data, size_t begin, size_t end, void *value) {
    (void)worker;
    (void)value;
    return begin <= 300 && 300 < end ? fail_if(user_data, 0) : 0;
}

static int32_t failing_combine(void *user_data, void *left, const void *right) {
    (void)left;
    (void)right;
    return fail_if(user_data, 1);
}

static int32_t failing_write(vgpu_worker *worker, void *user_data, size_t begin, size_t end, void *value) {
    (void)worker;
    (void)value;
    return begin <= 300 && 300 < end ? fail_if(user_data, 2) : 0;
}

static void failures(vgpu_pool *pool) {
    struct failing failing;
    const int64_t zero = 0;
    int64_t result = 5;
    section("a failure of each function comes out with its text, and no result is written");
    for (failing.where = 0; failing.where < 3; failing.where++) {
        if (failing.where < 2) {
            CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_parallel_reduce(pool, 1000, 3, sizeof zero, &zero, failing_map,
                                                                      failing_combine, &failing, &result));
            CHECK(strstr(vgpu_last_error_message(), "summed") != NULL && result == 5);
        }
        CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_parallel_scan(pool, 1000, 3, sizeof zero, &zero, failing_map,
                                                                failing_combine, failing_write, &failing));
        CHECK(strstr(vgpu_last_error_message(), "summed") != NULL);
    }
    CHECK_OK(vgpu_parallel_scan(pool, 1000, 3, sizeof zero, &zero, failing_map, failing_combine, failing_write, &failing));
}

/* ---- sorting ---- */

/* What is sorted, so that compare can tell whether it was given elements of it. */
struct array {
    unsigned char *first;
    size_t n, size;
};

static int32_t compare_elements(void *user_data, const void *a, const void *b) {
    const struct array *array = user_data;
    const size_t bytes = array->n * array->size;
    const size_t x = (size_t)((const unsigned char *)a - array->first), y = (size_t)((const unsigned char *)b - array->first);
    CHECK(x < bytes && x % array->size == 0 && y < bytes && y % array->size == 0);
    return memcmp(a, b, array->size);
}

static int by_key(const void *a, const void *b) {
    return memcmp(a, b, 4);
}

static uint64_t random_number(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void sort_bytes_of(vgpu_pool *pool, size_t n, size_t size, unsigned distinct) {
    struct array array;
    unsigned char *copy = malloc(n * size + 1);
    uint64_t state = 88172645463325252U;
    uint64_t sum = 0;
    size_t i;
    int wrong = 0;
    array.first = malloc(n * size + 1);
    array.n = n;
    array.size = size;
    REQUIRE(array.first != NULL && copy != NULL);
    for (i = 0; i < n * size; i++) {
        array.first[i] = (unsigned char)(random_number(&state) % distinct);
        sum += array.first[i];
    }
    CHECK_OK(vgpu_parallel_sort(pool, array.first, n, size, compare_elements, &array));
    for (i = 0; i < n * size; i++) {
        sum -= array.first[i];
    }
    for (i = 1; i < n; i++) {
        wrong += memcmp(array.first + (i - 1) * size, array.first + i * size, size) > 0;
    }
    CHECK(wrong == 0 && sum == 0);
    if (pool != NULL) {
        /* Sorting what is sorted changes nothing, and neither does it need the pool. */
        memcpy(copy, array.first, n * size);
        CHECK_OK(vgpu_parallel_sort(NULL, array.first, n, size, compare_elements, &array));
        CHECK(memcmp(copy, array.first, n * size) == 0);
    }
    free(array.first);
    free(copy);
}

static int32_t compare_doubles(void *user_data, const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    (void)user_data;
    return (x > y) - (x < y);
}

static int32_t compare_first_four(void *user_data, const void *a, const void *b) {
    (void)user_data;
    return by_key(a, b);
}

static int32_t compare_nonsense(void *user_data, const void *a, const void *b) {
    (void)a;
    (void)b;
    return add_one(user_data) % 3 - 1;
}

static int32_t compare_nothing(void *user_data, const void *a, const void *b) {
    (void)user_data;
    (void)a;
    (void)b;
    return 0;
}

static void sorts(vgpu_pool *pool) {
    const size_t lengths[] = {0, 1, 2, 15, 16, 17, 100, 5000};
    const size_t element_sizes[] = {1, 2, 3, 4, 7, 8, 12, 16, 24, 40, 100};
    size_t l, s, i;
    int calls = 0;
    double *doubles = malloc(MOST * sizeof *doubles);
    double *again = malloc(MOST * sizeof *again);
    unsigned char(*pairs)[8] = malloc(MOST * sizeof *pairs);
    unsigned char(*same)[8] = malloc(MOST * sizeof *same);
    section("sort: elements of all sizes, many of them equal; an order that is none");
    REQUIRE(doubles != NULL && again != NULL && pairs != NULL && same != NULL);
    for (l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
        for (s = 0; s < sizeof element_sizes / sizeof element_sizes[0]; s++) {
            sort_bytes_of(pool, lengths[l], element_sizes[s], 256);
            sort_bytes_of(pool, lengths[l], element_sizes[s], 2);
        }
    }

    memcpy(doubles, numbers, MOST * sizeof *doubles);
    CHECK_OK(vgpu_parallel_sort(pool, doubles, MOST, sizeof *doubles, compare_doubles, NULL));
    for (i = 1; i < MOST; i++) {
        REQUIRE(doubles[i - 1] <= doubles[i]);
    }
    memcpy(again, doubles, MOST * sizeof *doubles);
    CHECK_OK(vgpu_parallel_sort(pool, doubles, MOST, sizeof *doubles, compare_doubles, NULL));
    CHECK(memcmp(again, doubles, MOST * sizeof *doubles) == 0);

    /* Four bytes of key, few of them different, and four that tell who is who: the order of equals is that of a NULL pool. */
    for (i = 0; i < MOST; i++) {
        const uint32_t key = (uint32_t)(i * 7919 % 100), name = (uint32_t)i;
        memcpy(pairs[i], &key, 4);
        memcpy(pairs[i] + 4, &name, 4);
    }
    memcpy(same, pairs, MOST * sizeof *pairs);
    CHECK_OK(vgpu_parallel_sort(pool, pairs, MOST, sizeof *pairs, compare_first_four, NULL));
    CHECK_OK(vgpu_parallel_sort(NULL, same, MOST, sizeof *same, compare_first_four, NULL));
    CHECK(memcmp(pairs, same, MOST * sizeof *pairs) == 0);
    for (i = 1; i < MOST; i++) {
        REQUIRE(by_key(pairs[i - 1], pairs[i]) <= 0);
    }

    CHECK_OK(vgpu_parallel_sort(pool, pairs, MOST, sizeof *pairs, compare_nonsense, &calls));
    memset(touched, 0, sizeof touched);
    for (i = 0; i < MOST; i++) {
        uint32_t name;
        memcpy(&name, pairs[i] + 4, 4);
        REQUIRE(name < MOST && touched[name]++ == 0);
    }
    CHECK_OK(vgpu_parallel_sort(pool, same, MOST, sizeof *same, compare_nothing, NULL));
    free(doubles);
    free(again);
    free(pairs);
    free(same);
}

/* M. D. McIlroy, A killer adversary for quicksort (1999): answers so that every pivot is as bad as can be. */
struct adversary {
    int *values; /* of each number; -1 while it is not decided */
    int decided, candidate;
    size_t comparisons;
};

static int32_t compare_adversely(void *user_data, const void *a, const void *b) {
    struct adversary *self = user_data;
    const int x = *(const int *)a, y = *(const int *)b;
    self->comparisons++;
    if (self->values[x] < 0 && self->values[y] < 0) {
        self->values[x == self->candidate ? x : y] = self->decided++;
    }
    if (self->values[x] < 0) {
        self->candidate = x;
        return 1;
    }
    if (self->values[y] < 0) {
        self->candidate = y;
        return -1;
    }
    return self->values[x] - self->values[y];
}

static void adverse_sort(void) {
    enum { NUMBERS = 20000 };
    struct adversary adversary;
    int *numbers_of = malloc(NUMBERS * sizeof *numbers_of);
    int i;
    section("sort: an adversary cannot make it quadratic");
    memset(&adversary, 0, sizeof adversary);
    adversary.values = malloc(NUMBERS * sizeof *adversary.values);
    REQUIRE(numbers_of != NULL && adversary.values != NULL);
    for (i = 0; i < NUMBERS; i++) {
        numbers_of[i] = i;
        adversary.values[i] = -1;
    }
    CHECK_OK(vgpu_parallel_sort(NULL, numbers_of, NUMBERS, sizeof *numbers_of, compare_adversely, &adversary));
    CHECK(adversary.comparisons < (size_t)NUMBERS * 100);
    for (i = 1; i < NUMBERS; i++) {
        const int left = adversary.values[numbers_of[i - 1]], right = adversary.values[numbers_of[i]];
        REQUIRE(right < 0 || (left >= 0 && left < right));
    }
    free(numbers_of);
    free(adversary.values);
}

/* ---- n-ary forks, nested ---- */

struct tree {
    vgpu_pool *pool;
    int depth;
    int *leaves;
};

static int32_t children(vgpu_worker *worker, void *user_data, size_t index) {
    const struct tree *self = user_data;
    struct tree below = *self;
    (void)worker;
    CHECK(index < 5);
    if (self->depth == 0) {
        add_one(self->leaves);
        return 0;
    }
    below.depth--;
    return vgpu_fork_all(self->pool, 5, children, &below) == VGPU_OK ? 0 : 1;
}

static int32_t fail_some(vgpu_worker *worker, void *user_data, size_t index) {
    char text[20];
    (void)worker;
    add_one(user_data);
    if (index % 100 != 42) {
        return 0;
    }
    snprintf(text, sizeof text, "call %d", (int)index);
    CHECK_OK(vgpu_task_set_error(text));
    return 1;
}

static void forks(vgpu_pool *pool) {
    struct tree root;
    int leaves = 0;
    int calls = 0;
    section("fork_all: a tree of forks; all calls are made, and the lowest failure comes out");
    root.pool = pool;
    root.depth = 4;
    root.leaves = &leaves;
    CHECK_OK(vgpu_fork_all(pool, 5, children, &root));
    CHECK(value_of(&leaves) == 5 * 5 * 5 * 5 * 5);
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_fork_all(pool, 1000, fail_some, &calls));
    CHECK(strcmp(vgpu_last_error_message(), "call 42") == 0);
    CHECK(value_of(&calls) == 1000);
}

/* Forks within forks without an end, until there is no stack. user_data: the pool, and what the innermost fork came to. */
struct descent {
    vgpu_pool *pool;
    vgpu_status innermost;
};

static int32_t descend(vgpu_worker *worker, void *user_data, size_t index) {
    struct descent *self = user_data;
    vgpu_status status;
    (void)worker;
    if (index != 0 || self->innermost != VGPU_OK) {
        return 0;
    }
    status = vgpu_fork_all(self->pool, 2, descend, self);
    if (self->innermost == VGPU_OK) {
        self->innermost = status;
    }
    return 1;
}

static void too_deep(void) {
    struct descent descent;
    vgpu_pool_config config;
    section("fork_all: a recursion without an end ends where the stack does, in an error");
    vgpu_pool_config_init(&config);
    config.num_workers = 1;
    config.stack_size = 1 << 20;
    descent.pool = NULL;
    descent.innermost = VGPU_OK;
    REQUIRE(vgpu_pool_create(&config, &descent.pool) == VGPU_OK);
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_fork_all(descent.pool, 2, descend, &descent));
    CHECK(descent.innermost == VGPU_ERROR_STACK_LIMIT);
    CHECK_OK(vgpu_pool_destroy(descent.pool));
}

/* ---- memory ---- */

static int allocations_left;

static void *scarce_allocate(void *context, size_t size, size_t align) {
    void *memory = NULL;
    (void)context;
    if (__atomic_fetch_sub(&allocations_left, 1, __ATOMIC_SEQ_CST) <= 0) {
        return NULL;
    }
    return posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size) == 0 ? memory : NULL;
}

static void scarce_free(void *context, void *memory, size_t size, size_t align) {
    (void)context;
    (void)size;
    (void)align;
    free(memory);
}

static void out_of_memory(void) {
    static const struct histogram none;
    const double zero = 0;
    struct histogram result;
    double sum = 0;
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    int written = 0;
    int left;
    section("large values without memory: an error, and the pool goes on; small values and sorting need none");
    vgpu_pool_config_init(&config);
    config.num_workers = 2;
    config.allocate = scarce_allocate;
    config.free = scarce_free;
    allocations_left = 1000000;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    for (left = 0; left < 20; left += 10) {
        allocations_left = left;
        CHECK_STATUS(VGPU_ERROR_OUT_OF_MEMORY,
                     vgpu_parallel_reduce(pool, 1000, 1, sizeof result, &none, count_bytes, merge, NULL, &result));
        allocations_left = left;
        CHECK_STATUS(VGPU_ERROR_OUT_OF_MEMORY,
                     vgpu_parallel_scan(pool, 1000, 1, sizeof none, &none, count_bytes, merge, check_before, &written));
    }
    allocations_left = 0;
    CHECK_OK(vgpu_parallel_reduce(pool, MOST, 0, sizeof zero, &zero, add_numbers, add, numbers, &sum));
    memcpy(scanned, numbers, sizeof scanned);
    CHECK_OK(vgpu_parallel_sort(pool, scanned, MOST, sizeof(double), compare_doubles, NULL));
    CHECK(written == 0);
    allocations_left = 1000000;
    CHECK_OK(vgpu_parallel_scan(pool, 1000, 1, sizeof none, &none, count_bytes, merge, check_before, &written));
    CHECK(written == 1000);
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void everything(vgpu_pool *pool) {
    sums(pool);
    large_values(pool);
    failures(pool);
    sorts(pool);
    forks(pool);
}

int main(void) {
    const uint32_t workers[] = {1, 2, 5};
    int i;
    fill();
    for (i = 0; i < 3; i++) {
        vgpu_pool *pool = make_pool(workers[i]);
        printf("   -- %u workers\n", (unsigned)workers[i]);
        everything(pool);
        CHECK_OK(vgpu_pool_destroy(pool));
    }
    printf("   -- without a pool\n");
    everything(NULL);
    adverse_sort();
    too_deep();
    out_of_memory();
    return check_done();
}
