/* A host allocator: every allocation goes through it, each may fail, all comes back; and what needs none at all. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

enum { MOST_BLOCKS = 100000 };

struct block {
    void *memory;
    size_t size;
    size_t align;
};

/* Keeps book of every block. `left` allocations succeed, then all fail; -1: none fails. */
struct allocator {
    pthread_mutex_t lock;
    struct block *blocks;
    size_t count;
    long calls;
    long left;
    int mistakes;
    /* Blocks asked for with a node, and those of them whose node is not one of the machine's. */
    long on_node;
    long on_strange_node;
};

static uint32_t node_numbers[64];
static size_t num_nodes;

static void *counting_allocate(void *context, size_t size, size_t align) {
    struct allocator *self = context;
    void *memory = NULL;
    pthread_mutex_lock(&self->lock);
    self->calls++;
    if (size == 0 || align == 0 || (align & (align - 1)) != 0) {
        self->mistakes++;
    } else if (self->left != 0 && self->count < MOST_BLOCKS) {
        if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size) == 0) {
            /* A fresh block is not zeroed: whoever counts on that shall see nonsense. */
            memset(memory, 0xa5, size < 65536 ? size : 65536);
            self->blocks[self->count].memory = memory;
            self->blocks[self->count].size = size;
            self->blocks[self->count].align = align;
            self->count++;
            self->left -= self->left > 0;
        }
    }
    pthread_mutex_unlock(&self->lock);
    return memory;
}

static void *counting_allocate_on_node(void *context, size_t size, size_t align, uint32_t node) {
    struct allocator *self = context;
    size_t i;
    int is_known = 0;
    for (i = 0; i < num_nodes; i++) {
        is_known |= node_numbers[i] == node;
    }
    pthread_mutex_lock(&self->lock);
    self->on_node++;
    self->on_strange_node += !is_known;
    pthread_mutex_unlock(&self->lock);
    return counting_allocate(context, size, align);
}

static void counting_free(void *context, void *memory, size_t size, size_t align) {
    struct allocator *self = context;
    size_t i;
    pthread_mutex_lock(&self->lock);
    for (i = self->count; i-- > 0;) {
        if (self->blocks[i].memory == memory) {
            break;
        }
    }
    if (i == SIZE_MAX || self->blocks[i].size != size || self->blocks[i].align != align) {
        self->mistakes++;
    } else {
        self->blocks[i] = self->blocks[--self->count];
        free(memory);
    }
    pthread_mutex_unlock(&self->lock);
}

static long calls_of(struct allocator *self) {
    long calls;
    pthread_mutex_lock(&self->lock);
    calls = self->calls;
    pthread_mutex_unlock(&self->lock);
    return calls;
}

static int32_t nothing_range(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    (void)worker;
    __atomic_add_fetch((size_t *)user_data, end - begin, __ATOMIC_SEQ_CST);
    return 0;
}

static void configure(vgpu_pool_config *config, struct allocator *allocator) {
    vgpu_pool_config_init(config);
    config->num_workers = 2;
    config->allocate = counting_allocate;
    config->free = counting_free;
    config->allocator_context = allocator;
}

/* OUT_OF_MEMORY is the only failure that a failing allocator may cause. */
static int went_well(vgpu_status status) {
    CHECK(status == VGPU_OK || status == VGPU_ERROR_OUT_OF_MEMORY);
    CHECK(status == VGPU_OK || vgpu_last_error_message()[0] != '\0');
    return status == VGPU_OK;
}

struct large {
    double part[256];
};

static int32_t add_large(vgpu_worker *worker, void *user_data, size_t begin, size_t end, void *value) {
    (void)worker;
    (void)user_data;
    ((struct large *)value)->part[255] += (double)(end - begin);
    return 0;
}

static int32_t combine_large(void *user_data, void *left, const void *right) {
    (void)user_data;
    ((struct large *)left)->part[255] += ((const struct large *)right)->part[255];
    return 0;
}

static void count_completion(void *user_data, vgpu_status status) {
    (void)status;
    add_one(user_data);
}

enum { SIDE = 150 };
static double a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE];

/* One of everything. Returns whether all of it went well. */
static int use_everything(vgpu_pool *pool) {
    vgpu_future *future = NULL;
    vgpu_group *group = NULL;
    size_t covered = 0;
    struct large zero, sum;
    void *pointers[20];
    size_t submitted = 0;
    int ran = 0;
    int accepted = 0;
    int completed = 0;
    int callbacks = 0;
    int well = 1;
    int i;
    memset(&zero, 0, sizeof zero);
    for (i = 0; i < 20; i++) {
        future = NULL;
        if (went_well(vgpu_pool_submit(pool, count_task, &ran, count_destroy, &future))) {
            accepted++;
            if (went_well(vgpu_future_on_complete(future, count_completion, &completed))) {
                callbacks++;
            } else {
                well = 0;
            }
            CHECK_OK(vgpu_future_get(future, NULL));
            CHECK_OK(vgpu_future_release(future));
        } else {
            CHECK(future == NULL);
            well = 0;
        }
    }
    if (went_well(vgpu_group_create(pool, &group))) {
        for (i = 0; i < 20; i++) {
            if (went_well(vgpu_group_submit(group, count_task, &ran, count_destroy))) {
                accepted++;
            } else {
                well = 0;
            }
        }
        for (i = 0; i < 20; i++) {
            pointers[i] = &ran;
        }
        if (!went_well(vgpu_group_submit_batch(group, count_task, pointers, 20, count_destroy, &submitted))) {
            well = 0;
        }
        accepted += (int)submitted;
        CHECK_OK(vgpu_group_wait(group, NULL));
        CHECK_OK(vgpu_group_destroy(group));
    } else {
        well = 0;
    }
    CHECK(value_of(&ran) == 2 * accepted); /* accepted: ran and destroyed, refused: neither */
    if (went_well(vgpu_parallel_for(pool, 1000, 10, nothing_range, &covered))) {
        CHECK(covered == 1000);
    } else {
        well = 0;
    }
    if (went_well(vgpu_parallel_reduce(pool, 1000, 10, sizeof zero, &zero, add_large, combine_large, NULL, &sum))) {
        CHECK(sum.part[255] > 999.5 && sum.part[255] < 1000.5);
    } else {
        well = 0;
    }
    if (!went_well(vgpu_parallel_scan(pool, 1000, 10, sizeof zero, &zero, add_large, combine_large, add_large, NULL))) {
        well = 0;
    }
    c[0] = -1.0;
    if (went_well(vgpu_dgemm(pool, 101, 111, 111, SIDE, SIDE, SIDE, 1.0, a, SIDE, b, SIDE, 0.0, c, SIDE))) {
        CHECK(c[0] > SIDE - 0.5 && c[0] < SIDE + 0.5 && c[SIDE * SIDE - 1] > SIDE - 0.5);
    } else {
        well = 0;
    }
    /* Those callbacks that were accepted were called, the last of them perhaps a moment after its task was waited for. */
    while (value_of(&completed) < callbacks) {
        sleep_ms(1);
    }
    CHECK(value_of(&completed) == callbacks);
    return well;
}

static void every_failure(struct allocator *allocator, vgpu_allocate_on_node_fn on_node) {
    long allowed;
    int well = 0;
    section("the allocator fails after 0, 1, 2 ... allocations");
    for (allowed = 0; allowed < 20000 && !well; allowed++) {
        vgpu_pool_config config;
        vgpu_pool *pool = NULL;
        configure(&config, allocator);
        config.allocate_on_node = on_node;
        allocator->left = allowed;
        allocator->calls = 0;
        if (went_well(vgpu_pool_create(&config, &pool))) {
            well = use_everything(pool);
            CHECK_OK(vgpu_pool_destroy(pool));
        } else {
            CHECK(pool == NULL);
        }
        if (allocator->count != 0 || allocator->mistakes != 0) {
            fprintf(stderr, "after %ld allocations: %zu blocks kept, %d mistakes\n", allowed, allocator->count,
                    allocator->mistakes);
        }
        CHECK(allocator->count == 0);
        CHECK(allocator->mistakes == 0);
        if (check_failures > 20) {
            return;
        }
    }
    CHECK(well);
    printf("   all went well from %ld allocations on\n", allowed - 1);
}

static int32_t submit_ten(vgpu_worker *worker, void *user_data) {
    vgpu_group *const group = user_data;
    static int ran;
    int i;
    (void)worker;
    for (i = 0; i < 10; i++) {
        CHECK_OK(vgpu_group_submit(group, count_task, &ran, NULL));
    }
    return 0;
}

/* What belongs to a worker is asked for with its node, and nothing else is. */
static void memory_of_workers(struct allocator *allocator) {
    enum { WORKERS = 3 };
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    vgpu_group *group = NULL;
    long made;
    section("memory on the nodes of the workers");
    configure(&config, allocator);
    config.num_workers = WORKERS;
    allocator->left = -1;
    allocator->on_node = 0;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    CHECK(allocator->on_node == 0);
    CHECK_OK(vgpu_pool_destroy(pool));
    config.allocate_on_node = counting_allocate_on_node;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    made = allocator->on_node;
    printf("   %ld of %zu blocks are on nodes\n", made, allocator->count);
    /* The deques at least. */
    CHECK(made >= 3 * WORKERS && made % WORKERS == 0 && made < (long)allocator->count);
    CHECK(use_everything(pool));
    /* The tasks that a worker makes: the first of their kind need memory. */
    REQUIRE(vgpu_group_create(pool, &group) == VGPU_OK);
    CHECK_OK(vgpu_group_submit(group, submit_ten, group, NULL));
    CHECK_OK(vgpu_group_wait(group, NULL));
    CHECK_OK(vgpu_group_destroy(group));
    CHECK(allocator->on_node > made);
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(allocator->on_strange_node == 0 && allocator->count == 0 && allocator->mistakes == 0);
    /* Where the threads may run anywhere on several nodes, nobody knows. */
    config.flags |= VGPU_POOL_NO_PINNING;
    allocator->on_node = 0;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    CHECK(num_nodes == 1 ? allocator->on_node == made : allocator->on_node == 0);
    CHECK_OK(vgpu_pool_destroy(pool));
    config.allocate = NULL;
    config.free = NULL;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_pool_create(&config, &pool));
    CHECK(allocator->count == 0 && allocator->mistakes == 0);
}

static void recovery(struct allocator *allocator) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    section("memory runs out and comes back while a pool is alive");
    configure(&config, allocator);
    allocator->left = -1;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    CHECK(use_everything(pool));
    pthread_mutex_lock(&allocator->lock);
    allocator->left = 0;
    pthread_mutex_unlock(&allocator->lock);
    (void)use_everything(pool);
    pthread_mutex_lock(&allocator->lock);
    allocator->left = -1;
    pthread_mutex_unlock(&allocator->lock);
    CHECK(use_everything(pool));
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(allocator->count == 0 && allocator->mistakes == 0);
}

static void storage_needs_no_memory(struct allocator *allocator) {
    static vgpu_task_storage storage[8];
    vgpu_future *futures[8];
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    int counter = 0;
    int round;
    int i;
    long before;
    section("caller-provided storage: not one allocation");
    configure(&config, allocator);
    allocator->left = -1;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    before = calls_of(allocator);
    for (round = 0; round < 500; round++) {
        for (i = 0; i < 8; i++) {
            REQUIRE(vgpu_pool_submit_in(pool, &storage[i], count_task, &counter, NULL, &futures[i]) == VGPU_OK);
        }
        for (i = 0; i < 8; i++) {
            CHECK_OK(vgpu_future_get(futures[i], NULL));
            CHECK_OK(vgpu_future_release(futures[i]));
        }
    }
    CHECK(calls_of(allocator) == before);
    CHECK(value_of(&counter) == 500 * 8);
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(allocator->count == 0 && allocator->mistakes == 0);
}

int main(void) {
    static struct allocator allocator = {PTHREAD_MUTEX_INITIALIZER, NULL, 0, 0, -1, 0, 0, 0};
    int i;
    allocator.blocks = calloc(MOST_BLOCKS, sizeof *allocator.blocks);
    REQUIRE(allocator.blocks != NULL);
    for (i = 0; i < SIDE * SIDE; i++) {
        a[i] = 1.0;
        b[i] = 1.0;
    }
    REQUIRE(vgpu_node_numbers(node_numbers, 64, &num_nodes) == VGPU_OK && num_nodes <= 64);
    every_failure(&allocator, NULL);
    every_failure(&allocator, counting_allocate_on_node);
    memory_of_workers(&allocator);
    recovery(&allocator);
    storage_needs_no_memory(&allocator);
    free(allocator.blocks);
    return check_done();
}
