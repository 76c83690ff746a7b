/* Task graphs: built, run often, failing, cancelled, misused. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

enum { VERTICES = 40 };

/* Each vertex asks that those before it have run as often as it is about to. */
struct step {
    int runs;
    int destroyed;
    int late;
    int32_t code;
    struct step *before[2];
    struct gate *gate;
};

static int32_t run_step(vgpu_worker *worker, void *user_data) {
    struct step *step = user_data;
    int i;
    if (worker == NULL || vgpu_worker_index(worker) == UINT32_MAX) {
        step->late++;
    }
    if (step->gate != NULL) {
        gate_pass(step->gate);
    }
    for (i = 0; i < 2; i++) {
        if (step->before[i] != NULL && step->before[i]->runs != step->runs + 1) {
            step->late++;
        }
    }
    step->runs++;
    if (step->code != 0) {
        CHECK_OK(vgpu_task_set_error("this step was told to fail"));
    }
    return step->code;
}

static void end_step(void *user_data) {
    ((struct step *)user_data)->destroyed++;
}

static vgpu_graph *make_graph(uint32_t flags) {
    vgpu_graph_config config;
    vgpu_graph *graph = NULL;
    vgpu_graph_config_init(&config);
    config.flags = flags;
    REQUIRE(vgpu_graph_create(&config, &graph) == VGPU_OK);
    return graph;
}

static vgpu_vertex add_step(vgpu_graph *graph, const char *name, struct step *step) {
    vgpu_vertex vertex = 0;
    REQUIRE(vgpu_graph_add(graph, name, run_step, step, end_step, &vertex) == VGPU_OK);
    CHECK(vertex != 0);
    return vertex;
}

/* Each vertex but the first two comes after two others, and so after the second; nothing comes after the first. */
static vgpu_graph *make_tree(struct step *steps, uint32_t flags) {
    vgpu_graph *graph = make_graph(flags);
    vgpu_vertex vertices[VERTICES];
    int i;
    memset(steps, 0, VERTICES * sizeof *steps);
    for (i = 0; i < VERTICES; i++) {
        vertices[i] = add_step(graph, NULL, &steps[i]);
        if (i >= 2) {
            steps[i].before[0] = &steps[i - 1 - i % 2];
            steps[i].before[1] = &steps[i / 2];
            CHECK_OK(vgpu_graph_precede(graph, vertices[i - 1 - i % 2], vertices[i]));
            CHECK_OK(vgpu_graph_precede(graph, vertices[i / 2], vertices[i]));
        }
    }
    CHECK_OK(vgpu_graph_build(graph));
    return graph;
}

static void check_steps(const struct step *steps, int runs, int destroyed) {
    int i;
    for (i = 0; i < VERTICES; i++) {
        CHECK(steps[i].runs == runs && steps[i].late == 0 && steps[i].destroyed == destroyed);
    }
}

static void runs(void) {
    vgpu_pool *pool = make_pool(2);
    struct step steps[VERTICES];
    vgpu_graph *graph = make_tree(steps, 0);
    int32_t code = 7;
    int i;
    section("every vertex once a run, after those before it");
    for (i = 0; i < 200; i++) {
        if (i % 2 == 0) {
            CHECK_OK(vgpu_graph_run(graph, pool, &code));
        } else {
            CHECK_OK(vgpu_graph_launch(graph, pool));
            CHECK_OK(vgpu_graph_wait(graph, &code));
        }
    }
    CHECK(code == 0 && vgpu_graph_skipped(graph) == 0);
    check_steps(steps, 200, 0);
    CHECK_OK(vgpu_graph_destroy(graph));
    check_steps(steps, 200, 1);

    section("a graph without vertices, one that never runs, one that is never built");
    graph = make_graph(0);
    CHECK_OK(vgpu_graph_build(graph));
    CHECK_OK(vgpu_graph_run(graph, pool, NULL));
    CHECK_OK(vgpu_graph_launch(graph, pool));
    CHECK_OK(vgpu_graph_wait(graph, NULL));
    CHECK_OK(vgpu_graph_destroy(graph));
    CHECK_OK(vgpu_graph_destroy(make_tree(steps, 0)));
    check_steps(steps, 0, 1);
    memset(steps, 0, sizeof steps);
    graph = make_graph(0);
    add_step(graph, "never", &steps[0]);
    CHECK_OK(vgpu_graph_destroy(graph));
    CHECK(steps[0].runs == 0 && steps[0].destroyed == 1);

    section("a launched graph that is destroyed is waited for");
    graph = make_tree(steps, 0);
    CHECK_OK(vgpu_graph_launch(graph, pool));
    CHECK_OK(vgpu_graph_destroy(graph));
    check_steps(steps, 1, 1);
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void failures(void) {
    vgpu_pool *pool = make_pool(2);
    struct step steps[VERTICES];
    vgpu_graph *graph;
    int32_t code = 0;
    uint32_t flags;
    section("a failure comes out, and the graph can be run again");
    for (flags = 0; flags <= VGPU_GRAPH_SKIP_SUCCESSORS; flags++) {
        graph = make_tree(steps, flags);
        steps[1].code = 42; /* all from the third on come after it */
        CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_graph_run(graph, pool, &code));
        CHECK(code == 42);
        CHECK(strstr(vgpu_last_error_message(), "told to fail") != NULL);
        CHECK(steps[1].runs == 1 && steps[2].runs == 0 && steps[VERTICES - 1].runs == 0);
        CHECK(vgpu_graph_skipped(graph) + (size_t)steps[0].runs + 1 == VERTICES);
        CHECK(flags == 0 || steps[0].runs == 1);
        CHECK_OK(vgpu_graph_launch(graph, pool));
        CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_graph_wait(graph, &code));
        CHECK(code == 42);
        steps[1].code = 0;
        memset(steps, 0, 2 * sizeof *steps); /* as if they had not run, as the others */
        CHECK_OK(vgpu_graph_run(graph, pool, &code));
        CHECK(code == 0 && vgpu_graph_skipped(graph) == 0);
        check_steps(steps, 1, 0);
        CHECK_OK(vgpu_graph_destroy(graph));
    }
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void cancelling(void) {
    vgpu_pool *pool = make_pool(2);
    struct gate gate = GATE_SHUT;
    struct step steps[VERTICES];
    vgpu_graph *graph = make_tree(steps, 0);
    section("cancelling a run, and what a graph that runs refuses");
    CHECK_OK(vgpu_graph_cancel(graph)); /* there is nothing to cancel, and the next run is not */
    steps[1].gate = &gate; /* all but the first come after it */
    CHECK_OK(vgpu_graph_launch(graph, pool));
    gate_await(&gate, 1);
    CHECK_STATUS(VGPU_ERROR_ALREADY_STARTED, vgpu_graph_run(graph, pool, NULL));
    CHECK_STATUS(VGPU_ERROR_ALREADY_STARTED, vgpu_graph_launch(graph, pool));
    CHECK_OK(vgpu_graph_cancel(graph));
    CHECK_OK(vgpu_graph_cancel(graph));
    gate_open(&gate);
    CHECK_STATUS(VGPU_ERROR_CANCELLED, vgpu_graph_wait(graph, NULL));
    CHECK(steps[1].runs == 1 && steps[VERTICES - 1].runs == 0);
    CHECK(vgpu_graph_skipped(graph) >= VERTICES - 2);
    memset(steps, 0, sizeof steps);
    CHECK_OK(vgpu_graph_run(graph, pool, NULL));
    check_steps(steps, 1, 0);
    CHECK_OK(vgpu_graph_destroy(graph));
    CHECK_OK(vgpu_pool_destroy(pool));
}

struct inside {
    vgpu_pool *pool;
    vgpu_graph *graph;
};

static int32_t run_inside(vgpu_worker *worker, void *user_data) {
    struct inside *inside = user_data;
    (void)worker;
    return vgpu_graph_run(inside->graph, inside->pool, NULL);
}

static void in_tasks(void) {
    vgpu_pool *pool = make_pool(2);
    struct step steps[VERTICES];
    struct inside inside;
    vgpu_future *future = NULL;
    vgpu_graph *outer = make_graph(0);
    section("a graph run by a task, and by a vertex of another graph");
    inside.pool = pool;
    inside.graph = make_tree(steps, 0);
    REQUIRE(vgpu_pool_submit(pool, run_inside, &inside, NULL, &future) == VGPU_OK);
    CHECK_OK(vgpu_future_get(future, NULL));
    CHECK_OK(vgpu_future_release(future));
    check_steps(steps, 1, 0);
    CHECK_OK(vgpu_graph_add(outer, "inner graph", run_inside, &inside, NULL, NULL));
    CHECK_OK(vgpu_graph_build(outer));
    CHECK_OK(vgpu_graph_run(outer, pool, NULL));
    check_steps(steps, 2, 0);
    CHECK_OK(vgpu_graph_destroy(outer));
    CHECK_OK(vgpu_graph_destroy(inside.graph));
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void cycles(void) {
    struct step steps[4];
    vgpu_graph *graph = make_graph(0);
    vgpu_graph *other = make_graph(0);
    vgpu_vertex load, parse, link, foreign;
    section("cycles, told by their vertices");
    memset(steps, 0, sizeof steps);
    load = add_step(graph, "load", &steps[0]);
    parse = add_step(graph, "parse", &steps[1]);
    link = add_step(graph, "link", &steps[2]);
    foreign = add_step(other, "foreign", &steps[3]);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_precede(graph, load, load));
    CHECK(strstr(vgpu_last_error_message(), "load") != NULL);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_precede(graph, load, foreign));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_precede(graph, foreign, load));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_precede(graph, 0, load));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_precede(graph, load, link + 1));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_precede(graph, load, UINT64_MAX));
    CHECK_OK(vgpu_graph_precede(graph, load, parse));
    CHECK_OK(vgpu_graph_precede(graph, load, parse)); /* again, which changes nothing */
    CHECK_OK(vgpu_graph_precede(graph, parse, link));
    CHECK_OK(vgpu_graph_precede(graph, link, parse));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_build(graph));
    CHECK(strstr(vgpu_last_error_message(), "parse -> link -> parse") != NULL ||
          strstr(vgpu_last_error_message(), "link -> parse -> link") != NULL);
    CHECK(steps[0].destroyed == 0);
    CHECK_OK(vgpu_graph_destroy(graph));
    CHECK(steps[0].destroyed == 1 && steps[1].destroyed == 1 && steps[2].destroyed == 1);
    CHECK_OK(vgpu_graph_destroy(other));
}

/* A loop in C: start chooses body; again, after it, chooses body until it has run `rounds` times. */
struct loop {
    int rounds;
    int ran;
    int destroyed;
    uint64_t wrong; /* chosen at the end */
    int32_t code;   /* returned at the end */
};

static int32_t loop_start(vgpu_worker *worker, void *user_data, uint64_t *chosen) {
    (void)user_data;
    CHECK(worker != NULL && *chosen == 0);
    *chosen = 1;
    return 0;
}

static int32_t loop_body(vgpu_worker *worker, void *user_data) {
    (void)worker;
    ((struct loop *)user_data)->ran++;
    return 0;
}

static int32_t loop_again(vgpu_worker *worker, void *user_data, uint64_t *chosen) {
    struct loop *loop = user_data;
    (void)worker;
    CHECK(*chosen == 0);
    if (loop->ran < loop->rounds) {
        *chosen = 1;
        return 0;
    }
    *chosen = loop->wrong;
    return loop->code;
}

static void loop_destroy(void *user_data) {
    ((struct loop *)user_data)->destroyed++;
}

static void conditions(void) {
    vgpu_pool *pool = make_pool(2);
    vgpu_graph *graph = make_graph(0);
    struct loop loop = {10, 0, 0, 0, 0};
    vgpu_vertex start = 7, body, again, init;
    int32_t code = 7;
    int i;
    section("conditions: a loop, run again; what they may not choose; what is refused");
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_add_condition(NULL, NULL, loop_start, &loop, loop_destroy, &start));
    CHECK(start == 0);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_add_condition(graph, NULL, NULL, &loop, loop_destroy, NULL));
    CHECK(loop.destroyed == 0);
    CHECK_OK(vgpu_graph_add_condition(graph, "start", loop_start, &loop, loop_destroy, &start));
    CHECK_OK(vgpu_graph_add(graph, "body", loop_body, &loop, loop_destroy, &body));
    CHECK_OK(vgpu_graph_add_condition(graph, "again", loop_again, &loop, loop_destroy, &again));
    CHECK_OK(vgpu_graph_precede(graph, start, body));
    CHECK_OK(vgpu_graph_precede(graph, body, again));
    CHECK_OK(vgpu_graph_precede(graph, again, body));
    CHECK_OK(vgpu_graph_build(graph));
    for (i = 0; i < 50; i++) {
        loop.ran = 0;
        CHECK_OK(vgpu_graph_run(graph, pool, NULL));
        CHECK(loop.ran == loop.rounds && vgpu_graph_skipped(graph) == 0);
    }
    loop.wrong = (uint64_t)1 << 1;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_run(graph, pool, &code));
    CHECK(code == 0 && strstr(vgpu_last_error_message(), "successor 1") != NULL);
    loop.wrong = UINT64_MAX;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_run(graph, pool, &code));
    loop.code = 43; /* a condition that fails chooses nothing, whatever it wrote */
    CHECK_STATUS(VGPU_ERROR_TASK_FAILED, vgpu_graph_run(graph, pool, &code));
    CHECK(code == 43 && loop.ran == loop.rounds + 3 && loop.destroyed == 0);
    CHECK_OK(vgpu_graph_destroy(graph));
    CHECK(loop.destroyed == 3);

    graph = make_graph(0);
    CHECK_OK(vgpu_graph_add(graph, "init", loop_body, &loop, NULL, &init));
    CHECK_OK(vgpu_graph_add(graph, "body", loop_body, &loop, NULL, &body));
    CHECK_OK(vgpu_graph_add_condition(graph, "again", loop_again, &loop, NULL, &again));
    CHECK_OK(vgpu_graph_precede(graph, init, body));
    CHECK_OK(vgpu_graph_precede(graph, body, again));
    CHECK_OK(vgpu_graph_precede(graph, again, body));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_build(graph));
    CHECK(strstr(vgpu_last_error_message(), "body is after init") != NULL);
    CHECK_OK(vgpu_graph_destroy(graph));
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void misuse(void) {
    vgpu_pool *pool = make_pool(1);
    vgpu_graph *graph = (vgpu_graph *)(void *)&pool;
    vgpu_vertex vertex = 7;
    struct step step;
    int32_t code = 7;
    section("NULL, graphs that are not built, graphs that are");
    memset(&step, 0, sizeof step);
    vgpu_graph_config_init_sized(NULL, (uint32_t)sizeof(vgpu_graph_config));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_create(NULL, NULL));
    CHECK_OK(vgpu_graph_create(NULL, &graph));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_add(NULL, NULL, run_step, &step, end_step, &vertex));
    CHECK(vertex == 0);
    vertex = 7;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_add(graph, NULL, NULL, &step, end_step, &vertex));
    CHECK(vertex == 0);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_add(graph, "\xff", run_step, &step, end_step, &vertex));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_precede(NULL, 1, 2));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_build(NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_run(NULL, pool, &code));
    CHECK(code == 0);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_launch(NULL, pool));
    code = 7;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_wait(NULL, &code));
    CHECK(code == 0);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_cancel(NULL));
    CHECK(vgpu_graph_skipped(NULL) == 0);
    CHECK_OK(vgpu_graph_destroy(NULL));

    vertex = add_step(graph, "", &step);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_run(graph, pool, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_launch(graph, pool));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_wait(graph, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_cancel(graph));
    CHECK(vgpu_graph_skipped(graph) == 0);
    CHECK_OK(vgpu_graph_build(graph));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_build(graph));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_add(graph, "late", run_step, &step, end_step, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_precede(graph, vertex, vertex));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_run(graph, NULL, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_launch(graph, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_wait(graph, NULL)); /* nothing was launched */
    CHECK_OK(vgpu_graph_run(graph, pool, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_wait(graph, NULL));
    CHECK_OK(vgpu_graph_launch(graph, pool));
    CHECK_OK(vgpu_graph_wait(graph, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_graph_wait(graph, NULL));
    CHECK(step.runs == 2 && step.destroyed == 0);
    CHECK_OK(vgpu_graph_destroy(graph));
    CHECK(step.destroyed == 1);
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void *some_allocate(void *context, size_t size, size_t align) {
    (void)size;
    (void)align;
    add_one(context);
    return NULL;
}

static void some_free(void *context, void *memory, size_t size, size_t align) {
    (void)memory;
    (void)size;
    (void)align;
    add_one(context);
}

static void bad_config(const char *what, const vgpu_graph_config *config) {
    vgpu_graph *graph = (vgpu_graph *)(void *)&check_count;
    const vgpu_status status = vgpu_graph_create(config, &graph);
    if (status != VGPU_ERROR_INVALID_ARGUMENT || graph != NULL) {
        fprintf(stderr, "a config with %s gave %s\n", what, vgpu_status_name(status));
    }
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, status);
    CHECK(graph == NULL);
}

static void configs(void) {
    union {
        vgpu_graph_config config;
        unsigned char bytes[256];
        uint64_t align;
    } newer;
    vgpu_graph_config config;
    vgpu_graph *graph = NULL;
    int calls = 0;
    int bit;
    section("configs of other releases, unknown flags, half an allocator, no memory");
    memset(&config, 0xff, sizeof config);
    vgpu_graph_config_init(&config);
    CHECK(config.struct_size == sizeof config && config.flags == 0 && config.allocate == NULL);
    for (bit = 1; bit < 32; bit++) {
        config.flags = (uint32_t)1 << bit;
        bad_config("an unknown flag", &config);
    }
    config.flags = 0;
    config.allocate = some_allocate;
    bad_config("allocate without free", &config);
    config.free = some_free;
    config.allocator_context = &calls;
    CHECK_STATUS(VGPU_ERROR_OUT_OF_MEMORY, vgpu_graph_create(&config, &graph));
    CHECK(graph == NULL && calls == 1);
    config.allocate = NULL;
    bad_config("free without allocate", &config);
    config.struct_size = 3;
    bad_config("a size that cannot be one", &config);
    config.struct_size = 8; /* ends before the allocator */
    CHECK_OK(vgpu_graph_create(&config, &graph));
    CHECK_OK(vgpu_graph_destroy(graph));
    memset(&newer, 0, sizeof newer);
    newer.config.struct_size = sizeof newer;
    CHECK_OK(vgpu_graph_create(&newer.config, &graph));
    CHECK_OK(vgpu_graph_destroy(graph));
    newer.bytes[200] = 1;
    bad_config("a setting that this library does not know", &newer.config);
}

int main(void) {
    runs();
    failures();
    cancelling();
    in_tasks();
    cycles();
    conditions();
    misuse();
    configs();
    return check_done();
}
