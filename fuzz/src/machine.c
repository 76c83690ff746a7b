/* The C API as a state machine: each byte of the input chooses a call, the next ones its arguments, valid and not. What must
   hold is checked after each: a status that the header lists, a sentence with each failure, no handle without success, tasks that
   run and are destroyed exactly once if and only if they were accepted. Handles are used as the header allows, since nothing
   is promised otherwise. */
#define _POSIX_C_SOURCE 200809L
#include <vgpu_pool.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                                       \
    do {                                                                                                                       \
        if (!(condition)) {                                                                                                    \
            fprintf(stderr, "%s:%d: not true: %s (%s)\n", __FILE__, __LINE__, #condition, vgpu_last_error_message());           \
            abort();                                                                                                           \
        }                                                                                                                      \
    } while (0)

enum { FUTURES = 8, GROUPS = 3, GRAPHS = 2, VERTICES = 12, LENGTH = 300, STEPS = 60 };

struct machine {
    const uint8_t *bytes;
    size_t left;
    vgpu_pool *pool;
    int closing;
    /* What the pool's allocator may still give; below zero: anything. */
    long allocations;
    long outstanding;
    vgpu_future *futures[FUTURES];
    vgpu_task_storage storage[FUTURES];
    int stored[FUTURES];
    vgpu_group *groups[GROUPS];
    vgpu_graph *graphs[GRAPHS];
    vgpu_vertex vertices[GRAPHS][VERTICES];
    int numbers[GRAPHS], launched[GRAPHS];
    int visited, said;
    int accepted, ran, destroyed, completions, completed;
    /* A lease, the pool's seats for lent threads, and a thread that has lent itself, perhaps. */
    vgpu_lease *lease;
    uint32_t num_seats;
    int has_lender, lent;
    pthread_t lender;
    vgpu_micropools *micropools;
    int hops;
};

static unsigned byte(struct machine *m) {
    if (m->left == 0) return 0;
    m->left--;
    return *m->bytes++;
}

static unsigned below(struct machine *m, unsigned n) {
    return byte(m) % n;
}

static void add(int *counter) {
    __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

/* Every status is one that the header lists, and a failure has a sentence. */
static int well(vgpu_status status) {
    CHECK(status <= VGPU_OK && strcmp(vgpu_status_name(status), "VGPU_ERROR_UNKNOWN") != 0);
    CHECK(status == VGPU_OK || vgpu_last_error_message()[0] != '\0');
    CHECK(status != VGPU_ERROR_PANIC && status != VGPU_ERROR_FORKED);
    return status == VGPU_OK;
}

/* ---- callbacks ---- */

static void *allocate(void *context, size_t size, size_t align) {
    struct machine *const m = context;
    void *memory = NULL;
    if (__atomic_load_n(&m->allocations, __ATOMIC_SEQ_CST) >= 0 && __atomic_sub_fetch(&m->allocations, 1, __ATOMIC_SEQ_CST) < 0) {
        __atomic_store_n(&m->allocations, 0, __ATOMIC_SEQ_CST);
        return NULL;
    }
    CHECK(align != 0 && (align & (align - 1)) == 0);
    if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size == 0 ? 1 : size) != 0) return NULL;
    __atomic_add_fetch(&m->outstanding, (long)size, __ATOMIC_SEQ_CST);
    return memory;
}

static void *allocate_on_node(void *context, size_t size, size_t align, uint32_t node) {
    CHECK(node < 1024);
    return allocate(context, size, align);
}

static void give_back(void *context, void *memory, size_t size, size_t align) {
    struct machine *const m = context;
    (void)align;
    __atomic_sub_fetch(&m->outstanding, (long)size, __ATOMIC_SEQ_CST);
    free(memory);
}

static int32_t task(vgpu_worker *worker, void *user_data) {
    struct machine *const m = user_data;
    const int number = __atomic_add_fetch(&m->ran, 1, __ATOMIC_SEQ_CST);
    CHECK(worker != NULL);
    switch (number % 8) {
    case 1:
        CHECK(vgpu_task_set_error("one in eight") == VGPU_OK);
        return number;
    case 2:
        CHECK(vgpu_worker_set_wait_policy(worker, (uint32_t)number % 3, NULL) == VGPU_OK);
        return 0;
    case 3:
        return -1;
    default:
        return 0;
    }
}

static void destroy(void *user_data) {
    add(&((struct machine *)user_data)->destroyed);
}

/* A task of a micropool: it goes on in another now and then, which may not be there, and fails at times. */
static int32_t hop(vgpu_micropool_task *running, void *user_data) {
    struct machine *const m = user_data;
    const int number = __atomic_add_fetch(&m->hops, 1, __ATOMIC_SEQ_CST);
    CHECK(vgpu_micropool_task_worker(running) != NULL && vgpu_micropool_task_micropool(running) < 3);
    if (number % 4 != 0) well(vgpu_micropool_task_hand_over(running, (uint32_t)number % 3, number % 16 == 1 ? NULL : hop));
    return number % 8 == 5 ? number : 0;
}

/* Whether the calling thread is the one that lends itself. */
static __thread int is_lender;

static void started(void *user_data, uint32_t worker) {
    (void)worker;
    if (is_lender) add(&((struct machine *)user_data)->lent);
}

static void *lend(void *user_data) {
    struct machine *const m = user_data;
    vgpu_status status;
    is_lender = 1;
    status = vgpu_lease_run(m->lease, UINT64_MAX);
    CHECK(status == VGPU_OK || status == VGPU_ERROR_CLOSED || status == VGPU_ERROR_ALREADY_STARTED);
    add(&m->lent);
    return NULL;
}

/* A vertex: now and then it fails, or cancels its graph. */
static int32_t visit(vgpu_worker *worker, void *user_data) {
    struct machine *const m = user_data;
    const int number = __atomic_add_fetch(&m->visited, 1, __ATOMIC_SEQ_CST);
    vgpu_blocking_begin(worker);
    vgpu_worker_set_label(worker, "vertex");
    vgpu_blocking_end(worker);
    CHECK(vgpu_worker_task_priority(worker) <= VGPU_PRIORITY_MAX && vgpu_worker_task_migrations(worker) <= 1);
    return number % 16 == 0 ? number : 0;
}

/* A condition: what it chooses may not be there, and its loops come to an end. */
static int32_t choose(vgpu_worker *worker, void *user_data, uint64_t *chosen) {
    struct machine *const m = user_data;
    const int number = __atomic_add_fetch(&m->visited, 1, __ATOMIC_SEQ_CST);
    (void)worker;
    *chosen = (number & 64) != 0 ? 0 : (uint64_t)number % 4;
    return 0;
}

static void hear(void *user_data, uint32_t level, const char *sentence) {
    CHECK(level >= VGPU_LOG_ERROR && level <= VGPU_LOG_INFO && sentence[0] != '\0' && strlen(sentence) < 512);
    add(&((struct machine *)user_data)->said);
}

static void complete(void *user_data, vgpu_status status) {
    CHECK(status == VGPU_OK || status == VGPU_ERROR_TASK_FAILED || status == VGPU_ERROR_CANCELLED);
    add(&((struct machine *)user_data)->completed);
}

struct loop {
    unsigned char seen[LENGTH];
    size_t fails_at;
    vgpu_pool *pool;
};

static int32_t range(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    struct loop *const loop = user_data;
    (void)worker;
    CHECK(begin < end && end <= LENGTH);
    if (begin <= loop->fails_at && loop->fails_at < end) return 5;
    for (; begin < end; begin++) loop->seen[begin]++;
    return 0;
}

static int32_t tile(vgpu_worker *worker, void *user_data, size_t row, size_t row_end, size_t col, size_t col_end) {
    struct loop *const loop = user_data;
    size_t c;
    (void)worker;
    for (; row < row_end; row++)
        for (c = col; c < col_end; c++) __atomic_add_fetch(&loop->seen[(row * 17 + c) % LENGTH], 1, __ATOMIC_RELAXED);
    return 0;
}

static int32_t call_index(vgpu_worker *worker, void *user_data, size_t index) {
    struct loop *const loop = user_data;
    (void)worker;
    /* A loop inside a fork. */
    if (index % 16 == 0) {
        struct loop inner = {{0}, LENGTH, loop->pool};
        (void)vgpu_parallel_for(loop->pool, 50, 0, range, &inner);
    }
    loop->seen[index]++;
    return index == loop->fails_at ? 5 : 0;
}

static int32_t sum(vgpu_worker *worker, void *user_data, size_t begin, size_t end, void *value) {
    (void)worker;
    (void)user_data;
    for (; begin < end; begin++) *(uint64_t *)value += begin;
    return 0;
}

static int32_t combine(void *user_data, void *left, const void *right) {
    (void)user_data;
    *(uint64_t *)left += *(const uint64_t *)right;
    return 0;
}

static int32_t compare(void *user_data, const void *a, const void *b) {
    (void)user_data;
    return (int32_t)*(const uint8_t *)a - (int32_t)*(const uint8_t *)b;
}

/* ---- calls ---- */

static uint32_t odd_number(struct machine *m) {
    static const uint32_t numbers[] = {0, 1, 2, 3, 4, 64, 4097, 1u << 25, UINT32_MAX};
    return numbers[below(m, sizeof numbers / sizeof *numbers)];
}

/* A config of any size with any contents, as far as a program may hand it over. */
static void make_pool(struct machine *m) {
    union {
        vgpu_pool_config config;
        unsigned char bytes[sizeof(vgpu_pool_config) + 64];
    } any;
    char name[12] = "";
    vgpu_status status;
    size_t i;
    memset(&any, 0, sizeof any);
    vgpu_pool_config_init(&any.config);
    any.config.num_workers = 1 + below(m, 3);
    any.config.flags = VGPU_POOL_NO_PINNING;
    m->allocations = -1;
    switch (below(m, 11)) {
    case 10:
        any.config.host_seats = below(m, 8) == 0 ? odd_number(m) : 1 + below(m, 2);
        any.config.spare_workers = below(m, 2);
        any.config.wait_policy = below(m, 3);
        break;
    case 8:
        any.config.num_workers = 0;
        any.config.host_seats = below(m, 4) == 0;
        any.config.flags = VGPU_POOL_ON_CALLER | (byte(m) % 2 == 0 ? VGPU_POOL_REPLAY : 0);
        any.config.replay_seed = byte(m);
        any.config.on_log = hear;
        any.config.log_user_data = m;
        any.config.log_level = below(m, 5);
        break;
    case 9:
        any.config.min_workers = below(m, 4);
        any.config.spare_workers = below(m, 3);
        any.config.victims = below(m, 4);
        any.config.inbox_mode = below(m, 4);
        any.config.flags |= byte(m) % 2 == 0 ? VGPU_POOL_NO_STEALING : VGPU_POOL_NO_MIGRATION;
        any.config.steal_retries = odd_number(m);
        any.config.imbalance = odd_number(m);
        break;
    case 0:
        any.config.struct_size = byte(m);
        break;
    case 1:
        any.config.flags = byte(m);
        any.config.inbox_full = odd_number(m);
        any.config.wait_policy = odd_number(m);
        break;
    case 2: {
        const uint32_t workers = odd_number(m);
        any.config.num_workers = workers == 64 ? 3 : workers;
        any.config.inbox_capacity = odd_number(m);
        break;
    }
    case 3: {
        static const size_t stacks[] = {1, 65536, 1 << 20, (size_t)1 << 47, SIZE_MAX};
        any.config.stack_size = stacks[below(m, 5)];
        any.config.help_depth = odd_number(m);
        break;
    }
    case 4:
        for (i = 0; i < sizeof name - 1; i++) name[i] = (char)byte(m);
        any.config.name_prefix = name;
        break;
    case 5:
        any.config.struct_size = sizeof any;
        any.bytes[sizeof(vgpu_pool_config) + below(m, sizeof any - sizeof(vgpu_pool_config))] = (unsigned char)byte(m);
        break;
    case 6:
        m->allocations = (long)byte(m) * 2;
        /* fall through */
    default:
        any.config.allocate = allocate;
        any.config.free = byte(m) % 8 == 0 ? NULL : give_back;
        any.config.allocator_context = m;
        any.config.allocate_on_node = byte(m) % 2 == 0 ? NULL : allocate_on_node;
        any.config.host_seats = byte(m) % 4 == 0;
        any.config.inbox_capacity = below(m, 3);
        any.config.inbox_full = below(m, 3);
        any.config.wait_policy = below(m, 3);
        break;
    }
    /* A size that ends within a pointer is no release's. */
    if (any.config.struct_size >= sizeof any.config) {
        any.config.on_worker_start = started;
        any.config.worker_user_data = m;
    }
    status = vgpu_pool_create(&any.config, &m->pool);
    CHECK(well(status) == (m->pool != NULL));
    m->num_seats = any.config.host_seats;
}

static void end_future(struct machine *m, unsigned i) {
    CHECK(well(vgpu_future_release(m->futures[i])));
    m->futures[i] = NULL;
}

static void await_lender(struct machine *m) {
    if (m->has_lender) CHECK(pthread_join(m->lender, NULL) == 0);
    m->has_lender = m->lent = 0;
}

static void end_pool(struct machine *m) {
    unsigned i;
    CHECK(well(vgpu_micropools_destroy(m->micropools)));
    m->micropools = NULL;
    /* A pool ends with threads lent to it, or on their way to it, too. */
    if (byte(m) % 2 == 0 && m->lease != NULL) CHECK(well(vgpu_lease_end(m->lease)));
    if (m->has_lender && byte(m) % 2 == 0)
        while (__atomic_load_n(&m->lent, __ATOMIC_SEQ_CST) == 0) sched_yield();
    for (i = 0; i < GRAPHS; i++) {
        CHECK(well(vgpu_graph_destroy(m->graphs[i])));
        m->graphs[i] = NULL;
        m->numbers[i] = m->launched[i] = 0;
    }
    for (i = 0; i < FUTURES; i++) end_future(m, i);
    for (i = 0; i < GROUPS; i++) {
        CHECK(well(vgpu_group_destroy(m->groups[i])));
        m->groups[i] = NULL;
    }
    CHECK(well(vgpu_pool_destroy(m->pool)));
    m->pool = NULL;
    if (m->lease != NULL) {
        const vgpu_status late = vgpu_lease_run(m->lease, UINT64_MAX);
        CHECK(late == VGPU_ERROR_CLOSED && well(vgpu_lease_end(m->lease)));
    }
    await_lender(m);
    vgpu_lease_destroy(m->lease);
    m->lease = NULL;
    CHECK(m->destroyed == m->accepted && m->ran <= m->accepted);
    CHECK(m->completed == m->completions);
    CHECK(m->outstanding == 0);
}

static void submit(struct machine *m) {
    const unsigned i = below(m, FUTURES), how = below(m, 8);
    vgpu_status status;
    end_future(m, i);
    switch (how) {
    case 0:
        status = vgpu_pool_submit(m->pool, NULL, m, destroy, &m->futures[i]);
        CHECK(status == VGPU_ERROR_INVALID_ARGUMENT);
        break;
    case 1:
        status = vgpu_pool_submit(NULL, task, m, destroy, &m->futures[i]);
        CHECK(status == VGPU_ERROR_INVALID_ARGUMENT);
        break;
    case 2:
        status = vgpu_pool_submit(m->pool, task, m, destroy, NULL);
        m->accepted += well(status);
        return;
    case 3:
        status = vgpu_pool_submit_in(m->pool, byte(m) % 8 == 0 ? NULL : &m->storage[i], task, m, destroy, byte(m) % 8 == 0 ? NULL : &m->futures[i]);
        break;
    case 4: {
        const uint64_t cpus[2] = {byte(m), byte(m) % 2};
        vgpu_task_options options;
        vgpu_task_options_init(&options);
        options.priority = below(m, 5);
        options.binding = below(m, 5);
        options.place = below(m, 4);
        options.cpus = byte(m) % 8 == 0 ? NULL : cpus;
        options.num_cpu_words = below(m, 3);
        status = vgpu_pool_submit_with(m->pool, &options, task, m, destroy, &m->futures[i]);
        break;
    }
    default:
        status = vgpu_pool_submit(m->pool, task, m, destroy, &m->futures[i]);
        break;
    }
    CHECK(well(status) == (m->futures[i] != NULL));
    m->accepted += status == VGPU_OK;
}

static void use_future(struct machine *m) {
    vgpu_future *const future = m->futures[below(m, FUTURES)];
    int32_t code = 77;
    switch (below(m, 7)) {
    case 5:
        well(vgpu_future_raise_priority(future, below(m, 5)));
        break;
    case 0: {
        const vgpu_status status = vgpu_future_get(future, &code);
        well(status);
        CHECK((status == VGPU_ERROR_TASK_FAILED) == (code != 0));
        CHECK(future == NULL || vgpu_future_is_ready(future) == 1);
        break;
    }
    case 1:
        CHECK(well(vgpu_future_wait(future)) == (future != NULL));
        break;
    case 2:
        well(vgpu_future_wait_for(future, byte(m) * UINT64_C(1000)));
        break;
    case 3:
        well(vgpu_future_cancel(future));
        break;
    case 4:
        m->completions += well(vgpu_future_on_complete(future, byte(m) % 8 == 0 ? NULL : complete, m));
        break;
    default:
        CHECK(future != NULL || vgpu_future_is_ready(future) == 0);
        break;
    }
}

static void use_group(struct machine *m) {
    const unsigned i = below(m, GROUPS);
    void *data[40];
    size_t submitted = 99, k;
    int32_t code = 77;
    vgpu_status status;
    switch (below(m, 5)) {
    case 0:
        CHECK(well(vgpu_group_destroy(m->groups[i])));
        m->groups[i] = NULL;
        status = vgpu_group_create(byte(m) % 8 == 0 ? NULL : m->pool, &m->groups[i]);
        CHECK(well(status) == (m->groups[i] != NULL));
        break;
    case 1:
        m->accepted += well(vgpu_group_submit(m->groups[i], byte(m) % 8 == 0 ? NULL : task, m, destroy));
        break;
    case 2:
        for (k = 0; k < 40; k++) data[k] = m;
        status = vgpu_group_submit_batch(m->groups[i], task, data, below(m, 41), destroy, &submitted);
        CHECK(submitted <= 40);
        m->accepted += (int)submitted;
        well(status);
        break;
    default:
        status = vgpu_group_wait(m->groups[i], &code);
        well(status);
        CHECK((status == VGPU_ERROR_TASK_FAILED) == (code != 0));
        break;
    }
}

/* Graphs with any edges, in any state. */
static void use_graph(struct machine *m) {
    const unsigned i = below(m, GRAPHS);
    int32_t code = 77;
    vgpu_status status;
    switch (below(m, 8)) {
    case 0: {
        vgpu_graph_config config;
        vgpu_graph_config_init(&config);
        config.flags = byte(m) % 4;
        CHECK(well(vgpu_graph_destroy(m->graphs[i])));
        m->numbers[i] = m->launched[i] = 0;
        status = vgpu_graph_create(byte(m) % 2 == 0 ? NULL : &config, &m->graphs[i]);
        CHECK(well(status) == (m->graphs[i] != NULL));
        break;
    }
    case 1:
    case 2: {
        char name[4] = "";
        vgpu_vertex vertex = 99;
        name[0] = (char)byte(m);
        if (m->numbers[i] == VERTICES) break;
        if (byte(m) % 4 == 0) {
            status = vgpu_graph_add_condition(m->graphs[i], name, byte(m) % 8 == 0 ? NULL : choose, m, destroy, &vertex);
        } else {
            status = vgpu_graph_add(m->graphs[i], name, byte(m) % 8 == 0 ? NULL : visit, m, destroy, &vertex);
        }
        if (well(status)) {
            m->vertices[i][m->numbers[i]++] = vertex;
            m->accepted++;
        }
        break;
    }
    case 3: {
        const unsigned pairs = below(m, 6);
        unsigned k;
        for (k = 0; k < pairs; k++) {
            const vgpu_vertex before = m->vertices[i][below(m, VERTICES)], after = m->vertices[below(m, 16) == 0 ? 1 - i : i][below(m, VERTICES)];
            well(vgpu_graph_precede(m->graphs[i], before, after));
        }
        break;
    }
    case 4:
        well(vgpu_graph_build(m->graphs[i]));
        break;
    case 5:
        status = vgpu_graph_launch(m->graphs[i], byte(m) % 8 == 0 ? NULL : m->pool);
        if (well(status)) m->launched[i] = 1;
        if (byte(m) % 4 == 0) well(vgpu_graph_cancel(m->graphs[i]));
        break;
    case 6:
        status = vgpu_graph_wait(m->graphs[i], &code);
        well(status);
        CHECK((status == VGPU_ERROR_TASK_FAILED) == (code != 0));
        m->launched[i] = 0;
        break;
    default:
        status = vgpu_graph_run(m->graphs[i], m->pool, &code);
        well(status);
        CHECK((status == VGPU_ERROR_TASK_FAILED) == (code != 0));
        CHECK(vgpu_graph_skipped(m->graphs[i]) <= VERTICES * 1000);
        break;
    }
}

/* Threads that lend themselves: this one for moments, and another until its lease ends or the pool does. */
static void use_lease(struct machine *m) {
    switch (below(m, 5)) {
    case 0:
        if (m->lease == NULL) CHECK(well(vgpu_lease_create(byte(m) % 8 == 0 ? NULL : m->pool, &m->lease)) == (m->lease != NULL));
        break;
    case 1:
        CHECK(well(vgpu_lease_end(m->lease)) == (m->lease != NULL));
        break;
    case 2: {
        /* Where the calling thread is the pool's worker, or there are no seats, this is refused. */
        const vgpu_status status = vgpu_lease_run(m->lease, (uint64_t)byte(m) * 500);
        well(status);
        CHECK(m->lease != NULL || status == VGPU_ERROR_INVALID_ARGUMENT);
        break;
    }
    case 3:
        if (m->lease != NULL && !m->has_lender && m->num_seats > 0) m->has_lender = pthread_create(&m->lender, NULL, lend, m) == 0;
        break;
    default:
        if (m->lease != NULL) {
            CHECK(well(vgpu_lease_end(m->lease)));
            await_lender(m);
            vgpu_lease_destroy(m->lease);
            m->lease = NULL;
        }
        break;
    }
}

static void use_micropools(struct machine *m) {
    static const char *const names[] = {"cheap", "dear", "dearest", "cheap"};
    int32_t code = 77;
    uint32_t number = 99;
    vgpu_status status;
    switch (below(m, 5)) {
    case 0: {
        vgpu_micropool micropools[3];
        vgpu_pool_config config;
        const uint64_t cpus[2] = {byte(m), byte(m) % 2};
        uint32_t i;
        vgpu_pool_config_init(&config);
        config.flags = VGPU_POOL_NO_PINNING;
        config.inbox_full = below(m, 4);
        if (byte(m) % 2 == 0) {
            config.allocate = allocate;
            config.free = give_back;
            config.allocator_context = m;
        }
        for (i = 0; i < 3; i++) {
            vgpu_micropool_init(&micropools[i]);
            micropools[i].name = byte(m) % 16 == 0 ? NULL : names[(i + (byte(m) % 16 == 0)) % 4];
            micropools[i].num_workers = byte(m) % 16 == 0 ? odd_number(m) % 64 : 1;
            micropools[i].num_places = byte(m) % 8 == 0 ? 0 : 1 + below(m, 4);
            if (byte(m) % 8 == 0) {
                micropools[i].cpus = cpus;
                micropools[i].num_cpu_words = below(m, 3);
            }
        }
        CHECK(well(vgpu_micropools_destroy(m->micropools)));
        status = vgpu_micropools_create(byte(m) % 4 == 0 ? NULL : &config, byte(m) % 16 == 0 ? NULL : micropools, below(m, 4), &m->micropools);
        CHECK(well(status) == (m->micropools != NULL));
        break;
    }
    case 1:
        status = vgpu_micropools_find(m->micropools, byte(m) % 8 == 0 ? NULL : names[below(m, 4)], &number);
        CHECK(well(status) == (number < 3));
        break;
    case 2:
        status = vgpu_micropools_wait_all(m->micropools, &code);
        well(status);
        CHECK((status == VGPU_ERROR_TASK_FAILED) == (code != 0));
        break;
    default:
        m->accepted += well(vgpu_micropools_submit(m->micropools, below(m, 4), byte(m) % 16 == 0 ? NULL : hop, m, destroy));
        break;
    }
}

/* Calls that watch a pool or tune it. */
static void watch(struct machine *m) {
    switch (below(m, 10)) {
    case 0: {
        char text[300];
        size_t length = 0, size = byte(m);
        if (well(vgpu_pool_report(m->pool, byte(m) % 8 == 0 ? NULL : text, size, &length)) && size > 0) CHECK(strlen(text) < size);
        break;
    }
    case 1: {
        vgpu_worker_stats workers[4];
        vgpu_stats stats = {0, 0, 0, 0, 0, 0};
        stats.struct_size = byte(m) % 4 == 0 ? byte(m) % sizeof stats : sizeof stats;
        stats.worker_size = byte(m) % 4 == 0 ? byte(m) % sizeof *workers : sizeof *workers;
        well(vgpu_pool_stats(m->pool, &stats, workers, below(m, 5)));
        break;
    }
    case 2:
        well(vgpu_pool_trace_start(m->pool, byte(m) % 8 == 0 ? SIZE_MAX : byte(m)));
        break;
    case 3:
        well(vgpu_pool_trace_stop(m->pool));
        break;
    case 4:
        well(vgpu_pool_trace_write(m->pool, byte(m) % 4 == 0 ? NULL : byte(m) % 4 == 0 ? "/nowhere/at/all" : "/dev/null"));
        break;
    case 5:
        well(vgpu_pool_set_victims(m->pool, below(m, 5)));
        well(vgpu_pool_set_inbox_mode(m->pool, below(m, 5)));
        break;
    case 6:
        well(vgpu_pool_limit_workers(m->pool, below(m, 5)));
        CHECK(vgpu_pool_active_workers(m->pool) <= vgpu_pool_num_workers(m->pool));
        break;
    case 7: {
        vgpu_cpu cpus[2];
        vgpu_node nodes[2];
        uint32_t distances[4];
        vgpu_topology machine;
        memset(&machine, 0, sizeof machine);
        machine.struct_size = byte(m) % 4 == 0 ? byte(m) % sizeof machine : sizeof machine;
        machine.cpu_size = byte(m) % 4 == 0 ? byte(m) % sizeof *cpus : sizeof *cpus;
        machine.node_size = sizeof *nodes;
        well(vgpu_topology_get(&machine, byte(m) % 8 == 0 ? NULL : cpus, below(m, 3), nodes, below(m, 3), byte(m) % 2 == 0 ? NULL : distances));
        break;
    }
    default: {
        size_t ran = 0;
        well(vgpu_pool_pump(m->pool, below(m, 4), (uint64_t)byte(m) * 1000, &ran));
        break;
    }
    }
}

static void loops(struct machine *m) {
    struct loop loop = {{0}, LENGTH, NULL};
    vgpu_pool *const pool = byte(m) % 4 == 0 ? NULL : m->pool;
    const size_t n = byte(m), grain = below(m, 20);
    uint64_t total = 0;
    const uint64_t zero = 0;
    size_t i;
    vgpu_status status;
    loop.pool = pool;
    switch (below(m, 7)) {
    case 0:
        if (byte(m) % 4 == 0) loop.fails_at = byte(m);
        status = vgpu_parallel_for(pool, n, grain, range, &loop);
        if (well(status)) {
            for (i = 0; i < LENGTH; i++) CHECK(loop.seen[i] == (i < n));
        }
        break;
    case 1:
        status = vgpu_parallel_for_tiles(pool, below(m, 17), below(m, 17), below(m, 5), below(m, 5), tile, &loop);
        well(status);
        break;
    case 2:
        status = vgpu_fork_all(pool, n, byte(m) % 16 == 0 ? NULL : call_index, &loop);
        if (well(status)) {
            for (i = 0; i < LENGTH; i++) CHECK(loop.seen[i] == (i < n));
        }
        break;
    case 3:
        status = vgpu_parallel_reduce(pool, n, grain, byte(m) % 16 == 0 ? 0 : sizeof total, &zero, sum, combine, NULL, &total);
        if (well(status)) CHECK(total == (n == 0 ? 0 : n * (n - 1) / 2));
        break;
    case 4:
        status = vgpu_parallel_scan(pool, n, grain, sizeof total, &zero, sum, combine, byte(m) % 16 == 0 ? NULL : sum, NULL);
        well(status);
        break;
    case 5: {
        uint8_t items[256];
        for (i = 0; i < n; i++) items[i] = (uint8_t)(byte(m) + i * 37);
        status = vgpu_parallel_sort(pool, byte(m) % 16 == 0 ? NULL : items, n, 1, compare, NULL);
        if (well(status)) {
            for (i = 1; i < n; i++) CHECK(items[i - 1] <= items[i]);
        }
        break;
    }
    default: {
        float a[64], b[64], c[64];
        const int64_t rows = (int64_t)below(m, 10) - 1, cols = below(m, 9), inner = below(m, 9), stride = below(m, 9);
        for (i = 0; i < 64; i++) a[i] = b[i] = c[i] = 1.0f;
        status = vgpu_sgemm(pool, 100 + (int32_t)below(m, 4), 110 + (int32_t)below(m, 4), 111, rows, cols, inner, 1.0f, a, stride, b, 8, 0.0f,
                            byte(m) % 16 == 0 ? NULL : c, 8);
        well(status);
        break;
    }
    }
}

void machine_run(const uint8_t *bytes, size_t length);
void machine_run(const uint8_t *bytes, size_t length) {
    static struct machine zero;
    struct machine *const m = malloc(sizeof *m);
    int step;
    if (m == NULL) return;
    *m = zero;
    m->bytes = bytes;
    m->left = length;
    for (step = 0; step < STEPS && m->left != 0; step++) {
        if (m->pool == NULL) make_pool(m);
        switch (below(m, 19)) {
        case 16:
            use_lease(m);
            break;
        case 17:
        case 18:
            use_micropools(m);
            break;
        case 0:
            end_pool(m);
            break;
        case 1:
            well(vgpu_pool_wait_all(m->pool));
            break;
        case 2:
        case 3:
        case 4:
            submit(m);
            break;
        case 5:
        case 6:
            use_future(m);
            break;
        case 7:
        case 8:
            use_group(m);
            break;
        case 9:
        case 10:
            loops(m);
            break;
        case 11:
        case 12:
        case 13:
            use_graph(m);
            break;
        case 14:
            watch(m);
            break;
        default:
            CHECK(vgpu_pool_current_worker(m->pool) == NULL && vgpu_worker_index(NULL) == UINT32_MAX);
            CHECK(vgpu_task_set_error(byte(m) % 2 == 0 ? NULL : "nobody's") <= 0);
            CHECK(m->pool == NULL || vgpu_pool_num_workers(m->pool) >= 1);
            CHECK(vgpu_status_name((vgpu_status)byte(m) - 128) != NULL);
            break;
        }
    }
    end_pool(m);
    free(m);
}
