/* The life of a pool: sizes, hooks, names, pinning, destroying from everywhere, submitting while it ends. */
#define _GNU_SOURCE
#include <sched.h>

#include "check.h"

struct hooks {
    int started[64];
    int stopped[64];
};

static void on_start(void *user_data, uint32_t index) {
    if (index < 64) {
        add_one(&((struct hooks *)user_data)->started[index]);
    }
}

static void on_stop(void *user_data, uint32_t index) {
    if (index < 64) {
        add_one(&((struct hooks *)user_data)->stopped[index]);
    }
}

static void sizes_and_hooks(void) {
    static struct hooks hooks;
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    int counter = 0;
    int i;
    section("more workers than CPUs, each with one start and one stop hook");
    vgpu_pool_config_init(&config);
    config.num_workers = vgpu_available_cpus() + 7 < 64 ? vgpu_available_cpus() + 7 : 64;
    config.on_worker_start = on_start;
    config.on_worker_stop = on_stop;
    config.worker_user_data = &hooks;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    CHECK(vgpu_pool_num_workers(pool) == config.num_workers);
    for (i = 0; i < 1000; i++) {
        CHECK_OK(vgpu_pool_submit(pool, count_task, &counter, NULL, NULL));
    }
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK(value_of(&counter) == 1000);
    CHECK_OK(vgpu_pool_destroy(pool));
    for (i = 0; i < 64; i++) {
        const int wanted = (uint32_t)i < config.num_workers;
        CHECK(hooks.started[i] == wanted && hooks.stopped[i] == wanted);
    }

    section("the default number of workers");
    REQUIRE(vgpu_pool_create(NULL, &pool) == VGPU_OK);
    /* A cgroup's quota may allow less than the CPU mask. */
    CHECK(vgpu_pool_num_workers(pool) >= 1 && vgpu_pool_num_workers(pool) <= vgpu_available_cpus());
    CHECK_OK(vgpu_pool_destroy(pool));

    section("a pool made and destroyed at once, a hundred times");
    for (i = 0; i < 100; i++) {
        CHECK_OK(vgpu_pool_destroy(make_pool((uint32_t)(1 + i % 4))));
    }
}

struct observed {
    char name[32];
    int cpus;
    uint32_t index;
    int same_twice;
};

static int32_t observe(vgpu_worker *worker, void *user_data) {
    struct observed *observed = user_data;
    cpu_set_t set;
    CPU_ZERO(&set);
    CHECK(pthread_getname_np(pthread_self(), observed->name, sizeof observed->name) == 0);
    /* On a machine with more than 1024 CPUs this call fails, and tells nothing. */
    observed->cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : -1;
    observed->index = vgpu_worker_index(worker);
    return 0;
}

/* Says how it would wait, and changes that for the rest of itself. */
static int32_t change_wait_policy(vgpu_worker *worker, void *user_data) {
    uint32_t *found = user_data;
    CHECK_OK(vgpu_worker_set_wait_policy(worker, VGPU_WAIT_HELP_ANY, &found[0]));
    CHECK_OK(vgpu_worker_set_wait_policy(worker, VGPU_WAIT_HELP_OWN, &found[1]));
    return 0;
}

static void a_wait_policy_lasts_as_long_as_its_task(void) {
    vgpu_pool_config config;
    vgpu_pool_config_init(&config);
    config.num_workers = 1;
    config.wait_policy = VGPU_WAIT_BLOCK;
    config.help_depth = 1;
    vgpu_pool *pool = NULL;
    REQUIRE(vgpu_pool_create(&config, &pool) == VGPU_OK);
    for (int round = 0; round < 3; round++) {
        uint32_t found[2] = {UINT32_MAX, UINT32_MAX};
        vgpu_future *future = NULL;
        REQUIRE(vgpu_pool_submit(pool, change_wait_policy, found, NULL, &future) == VGPU_OK);
        CHECK_OK(vgpu_future_get(future, NULL));
        CHECK_OK(vgpu_future_release(future));
        CHECK(found[0] == VGPU_WAIT_BLOCK && found[1] == VGPU_WAIT_HELP_ANY);
    }
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void observe_on(const vgpu_pool_config *config, struct observed *observed) {
    vgpu_pool *pool = NULL;
    vgpu_future *future = NULL;
    REQUIRE(vgpu_pool_create(config, &pool) == VGPU_OK);
    REQUIRE(vgpu_pool_submit(pool, observe, observed, NULL, &future) == VGPU_OK);
    CHECK_OK(vgpu_future_get(future, NULL));
    CHECK_OK(vgpu_future_release(future));
    CHECK(observed->index < vgpu_pool_num_workers(pool));
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void names_and_pinning(void) {
    vgpu_pool_config config;
    struct observed observed;
    cpu_set_t before;
    cpu_set_t after;
    cpu_set_t one;
    vgpu_pool *pool = NULL;
    char prefix[] = "eightby8";
    section("worker threads carry the prefix and are pinned, or not");
    REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
    vgpu_pool_config_init(&config);
    config.num_workers = 2;
    config.name_prefix = prefix;
    observe_on(&config, &observed);
    CHECK(strncmp(observed.name, "eightby8", 8) == 0);
    config.name_prefix = NULL;
    config.flags = VGPU_POOL_NO_PINNING;
    observe_on(&config, &observed);
    CHECK(observed.name[0] != '\0');
    CHECK(observed.cpus == -1 || observed.cpus == CPU_COUNT(&before));
    config.flags = VGPU_POOL_REQUIRE_PINNING;
    config.num_workers = 1;
    observe_on(&config, &observed);
    CHECK(observed.cpus == -1 || observed.cpus < CPU_COUNT(&before) || CPU_COUNT(&before) == 1);

    section("the calling thread's own affinity is left alone");
    REQUIRE(sched_getaffinity(0, sizeof after, &after) == 0);
    CHECK(CPU_EQUAL(&before, &after));

    section("a process confined to one CPU");
    CPU_ZERO(&one);
    {
        size_t cpu = 0;
        while (!CPU_ISSET(cpu, &before)) {
            cpu++;
        }
        CPU_SET(cpu, &one);
    }
    REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(vgpu_available_cpus() == 1);
    REQUIRE(vgpu_pool_create(NULL, &pool) == VGPU_OK);
    CHECK(vgpu_pool_num_workers(pool) == 1);
    CHECK_OK(vgpu_pool_destroy(pool));
    config.num_workers = 3; /* three workers, one CPU */
    config.flags = 0;
    observe_on(&config, &observed);
    REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}

struct inside {
    vgpu_pool *pool;
    vgpu_status destroy_status;
    vgpu_status wait_all_status;
    vgpu_status submit_status;
    struct gate *gate;
    int runs;
};

static int32_t destroy_inside(vgpu_worker *worker, void *user_data) {
    struct inside *inside = user_data;
    (void)worker;
    inside->destroy_status = vgpu_pool_destroy(inside->pool);
    inside->wait_all_status = vgpu_pool_wait_all(inside->pool);
    return 0;
}

static void destroy_from_a_task(void) {
    struct inside inside = {NULL, 0, 0, 0, NULL, 0};
    vgpu_future *future = NULL;
    section("destroy and wait_all from inside a task");
    inside.pool = make_pool(2);
    REQUIRE(vgpu_pool_submit(inside.pool, destroy_inside, &inside, NULL, &future) == VGPU_OK);
    CHECK_OK(vgpu_future_get(future, NULL));
    CHECK(inside.destroy_status == VGPU_ERROR_WOULD_DEADLOCK);
    CHECK(inside.wait_all_status == VGPU_ERROR_WOULD_DEADLOCK);
    CHECK_OK(vgpu_future_release(future));
    /* The refused destroy did nothing: the pool still works. */
    REQUIRE(vgpu_pool_submit(inside.pool, count_task, &inside.runs, NULL, NULL) == VGPU_OK);
    CHECK_OK(vgpu_pool_destroy(inside.pool));
    CHECK(value_of(&inside.runs) == 1);
}

/* Stands at the gate, then, while the pool is being destroyed, submits one more task from inside. */
static int32_t submit_at_the_end(vgpu_worker *worker, void *user_data) {
    struct inside *inside = user_data;
    (void)worker;
    gate_pass(inside->gate);
    inside->submit_status = vgpu_pool_submit(inside->pool, count_task, &inside->runs, NULL, NULL);
    return 0;
}

static void *destroy_outside(void *user_data) {
    struct inside *inside = user_data;
    inside->destroy_status = vgpu_pool_destroy(inside->pool);
    return NULL;
}

static void submit_while_destroying(void) {
    struct gate gate = GATE_SHUT;
    struct inside inside = {NULL, 1, 1, 1, NULL, 0};
    vgpu_future *future = (vgpu_future *)(void *)&gate;
    vgpu_status status = VGPU_OK;
    pthread_t destroyer;
    int destroyed = 0;
    int refused_by = 0;
    int accepted = 0;
    int i;
    section("submit while the pool is being destroyed");
    inside.pool = make_pool(1);
    inside.gate = &gate;
    REQUIRE(vgpu_pool_submit(inside.pool, submit_at_the_end, &inside, NULL, NULL) == VGPU_OK);
    gate_await(&gate, 1);
    REQUIRE(pthread_create(&destroyer, NULL, destroy_outside, &inside) == 0);
    /* The task holds the pool open, so that destroy has begun and cannot end: from some moment on we are refused. */
    for (i = 0; i < 5000 && status == VGPU_OK; i++) {
        future = (vgpu_future *)(void *)&gate;
        status = vgpu_pool_submit(inside.pool, count_task, &destroyed, count_destroy, &future);
        if (status == VGPU_OK) {
            accepted++;
            CHECK_OK(vgpu_future_release(future));
            sleep_ms(1);
        } else {
            refused_by = i;
        }
    }
    CHECK(status == VGPU_ERROR_CLOSED && future == NULL);
    CHECK(strlen(vgpu_last_error_message()) > 0);
    (void)refused_by;
    gate_open(&gate);
    REQUIRE(pthread_join(destroyer, NULL) == 0);
    CHECK(inside.destroy_status == VGPU_OK);
    CHECK(inside.submit_status == VGPU_OK);   /* from inside: part of the draining */
    CHECK(value_of(&inside.runs) == 1);       /* and it ran */
    CHECK(value_of(&destroyed) == 2 * accepted); /* what was accepted ran and was destroyed, what was refused was neither */
}

static void drains(void) {
    struct gate gate = GATE_SHUT;
    vgpu_pool *pool = make_pool(2);
    int counter = 0;
    int i;
    section("destroy runs what was submitted");
    REQUIRE(vgpu_pool_submit(pool, gate_task, &gate, NULL, NULL) == VGPU_OK);
    for (i = 0; i < 200; i++) {
        REQUIRE(vgpu_pool_submit(pool, count_task, &counter, count_destroy, NULL) == VGPU_OK);
    }
    gate_open(&gate);
    CHECK_OK(vgpu_pool_destroy(pool));
    CHECK(value_of(&counter) == 400);
}

int main(void) {
    sizes_and_hooks();
    names_and_pinning();
    destroy_from_a_task();
    submit_while_destroying();
    drains();
    a_wait_policy_lasts_as_long_as_its_task();
    return check_done();
}
