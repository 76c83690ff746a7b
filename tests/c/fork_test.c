/* What needs a process of its own: forked children, limits on threads and memory, a system that refuses to pin. */
#define _GNU_SOURCE
#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Runs `test` in a child. A child that hangs is ended by its alarm, and counts as a failure. */
static void in_child(void (*test)(void *), void *argument) {
    pid_t child;
    int status = 0;
    fflush(stdout);
    fflush(stderr);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(30);
        check_failures = 0;
        test(argument);
        fflush(stderr);
        _exit(check_failures == 0 ? 0 : 1);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "the child was ended by signal %d%s\n", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": it hung" : "");
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int32_t nothing_range(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    (void)worker;
    __atomic_add_fetch((size_t *)user_data, end - begin, __ATOMIC_SEQ_CST);
    return 0;
}

static int32_t nothing_task(vgpu_worker *worker, void *user_data) {
    (void)worker;
    (void)user_data;
    return 0;
}

struct inherited {
    vgpu_pool *pool;
    vgpu_future *pending;
    vgpu_group *group;
};

static void use_inherited(void *argument) {
    struct inherited *inherited = argument;
    vgpu_future *future = (vgpu_future *)argument;
    vgpu_group *group = NULL;
    vgpu_task_storage storage;
    vgpu_pool *own = NULL;
    double one[1] = {1.0};
    size_t covered = 0;
    int counter = 0;
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_pool_submit(inherited->pool, count_task, &counter, count_destroy, &future));
    CHECK(future == NULL);
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_pool_submit_in(inherited->pool, &storage, count_task, &counter, NULL, &future));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_pool_wait_all(inherited->pool));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_parallel_for(inherited->pool, 100, 1, nothing_range, &covered));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_join(inherited->pool, count_task, &counter, count_task, &counter));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_dgemm(inherited->pool, 101, 111, 111, 1, 1, 1, 1.0, one, 1, one, 1, 0.0, one, 1));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_group_create(inherited->pool, &group));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_group_submit(inherited->group, count_task, &counter, NULL));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_group_wait(inherited->group, NULL));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_future_get(inherited->pending, NULL));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_future_wait(inherited->pending));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_future_wait_for(inherited->pending, 1000000));
    CHECK(value_of(&counter) == 0 && covered == 0);
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_pool_destroy(inherited->pool));

    /* A pool of the child's own works. */
    own = make_pool(2);
    CHECK_OK(vgpu_parallel_for(own, 1000, 7, nothing_range, &covered));
    CHECK(covered == 1000);
    CHECK_OK(vgpu_pool_destroy(own));
}

static void forked_children(void) {
    struct gate gate = GATE_SHUT;
    struct inherited inherited = {NULL, NULL, NULL};
    int counter = 0;
    section("a forked child: FORKED from everything, nothing hangs, its own pool works");
    inherited.pool = make_pool(2);
    REQUIRE(vgpu_group_create(inherited.pool, &inherited.group) == VGPU_OK);
    REQUIRE(vgpu_group_submit(inherited.group, gate_task, &gate, NULL) == VGPU_OK);
    REQUIRE(vgpu_pool_submit(inherited.pool, gate_task, &gate, NULL, &inherited.pending) == VGPU_OK);
    gate_await(&gate, 2);
    in_child(use_inherited, &inherited);
    gate_open(&gate);
    /* The parent's pool has noticed nothing. */
    CHECK_OK(vgpu_future_get(inherited.pending, NULL));
    CHECK_OK(vgpu_future_release(inherited.pending));
    CHECK_OK(vgpu_group_wait(inherited.group, NULL));
    CHECK_OK(vgpu_group_destroy(inherited.group));
    CHECK_OK(vgpu_pool_submit(inherited.pool, count_task, &counter, NULL, NULL));
    CHECK_OK(vgpu_pool_destroy(inherited.pool));
    CHECK(value_of(&counter) == 1);
}

struct inherited_graphs {
    vgpu_pool *pool;
    vgpu_graph *running; /* launched */
    vgpu_graph *called;  /* in a call of vgpu_graph_run() by another thread */
    vgpu_graph *idle;
    int ran;
    int ended;
};

static void use_inherited_graphs(void *argument) {
    struct inherited_graphs *graphs = argument;
    vgpu_pool *own = make_pool(2);
    const int before = value_of(&graphs->ran);
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_graph_run(graphs->idle, graphs->pool, NULL));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_graph_launch(graphs->idle, graphs->pool));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_graph_wait(graphs->running, NULL));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_graph_run(graphs->running, own, NULL));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_graph_launch(graphs->called, own));
    CHECK_OK(vgpu_graph_cancel(graphs->running)); /* nobody hears of it */
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_graph_destroy(graphs->running));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_graph_destroy(graphs->called));
    CHECK(value_of(&graphs->ran) == before && value_of(&graphs->ended) == 0);
    /* A graph that did not run is the child's as well. */
    CHECK_OK(vgpu_graph_run(graphs->idle, own, NULL));
    CHECK(value_of(&graphs->ran) == before + 1);
    CHECK_OK(vgpu_graph_destroy(graphs->idle));
    CHECK(value_of(&graphs->ended) == 1);
    CHECK_OK(vgpu_pool_destroy(own));
}

static vgpu_graph *make_graph(vgpu_task_fn function, void *user_data, int *ended) {
    vgpu_graph *graph = NULL;
    REQUIRE(vgpu_graph_create(NULL, &graph) == VGPU_OK);
    REQUIRE(vgpu_graph_add(graph, NULL, function, user_data, NULL, NULL) == VGPU_OK);
    REQUIRE(vgpu_graph_add(graph, NULL, nothing_task, ended, count_destroy, NULL) == VGPU_OK);
    REQUIRE(vgpu_graph_build(graph) == VGPU_OK);
    return graph;
}

static void *call_graph(void *argument) {
    struct inherited_graphs *graphs = argument;
    CHECK_OK(vgpu_graph_run(graphs->called, graphs->pool, NULL));
    return NULL;
}

static void forked_graphs(void) {
    struct gate gate = GATE_SHUT;
    struct inherited_graphs graphs = {NULL, NULL, NULL, NULL, 0, 0};
    pthread_t thread;
    section("a child forked while graphs run: FORKED from those, and the others are its own");
    graphs.pool = make_pool(2);
    graphs.running = make_graph(gate_task, &gate, &graphs.ended);
    graphs.called = make_graph(gate_task, &gate, &graphs.ended);
    graphs.idle = make_graph(count_task, &graphs.ran, &graphs.ended);
    CHECK_OK(vgpu_graph_run(graphs.idle, graphs.pool, NULL));
    CHECK_OK(vgpu_graph_launch(graphs.running, graphs.pool));
    REQUIRE(pthread_create(&thread, NULL, call_graph, &graphs) == 0);
    gate_await(&gate, 2);
    in_child(use_inherited_graphs, &graphs);
    gate_open(&gate);
    /* The parent has noticed nothing. */
    CHECK_OK(vgpu_graph_wait(graphs.running, NULL));
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK(value_of(&graphs.ran) == 1 && value_of(&graphs.ended) == 0);
    CHECK_OK(vgpu_graph_destroy(graphs.running));
    CHECK_OK(vgpu_graph_destroy(graphs.called));
    CHECK_OK(vgpu_graph_destroy(graphs.idle));
    CHECK(value_of(&graphs.ended) == 3);
    CHECK_OK(vgpu_pool_destroy(graphs.pool));
}

static void submit_once(void *argument) {
    vgpu_future *future = NULL;
    int counter = 0;
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_pool_submit(argument, count_task, &counter, NULL, &future));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_pool_destroy(argument));
    CHECK_OK(vgpu_pool_destroy(make_pool(1)));
}

struct busy {
    vgpu_pool *pool;
    int stop;
    int ran;
};

static void *keep_submitting(void *user_data) {
    struct busy *busy = user_data;
    while (!value_of(&busy->stop)) {
        vgpu_future *future = NULL;
        if (vgpu_pool_submit(busy->pool, count_task, &busy->ran, NULL, &future) == VGPU_OK) {
            CHECK_OK(vgpu_future_get(future, NULL));
        }
        CHECK_OK(vgpu_future_release(future));
    }
    return NULL;
}

/* A fork at any moment, with locks held by threads that the child does not have. */
static void fork_while_busy(void) {
    struct busy busy = {NULL, 0, 0};
    pthread_t thread;
    int i;
    section("forks while other threads are submitting");
    busy.pool = make_pool(2);
    REQUIRE(pthread_create(&thread, NULL, keep_submitting, &busy) == 0);
    for (i = 0; i < 30; i++) {
        in_child(submit_once, busy.pool);
    }
    add_one(&busy.stop);
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK_OK(vgpu_pool_destroy(busy.pool));
}

static int thread_count(void) {
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    if (folder == NULL) {
        return -1;
    }
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count - 2; /* . and .. */
}

static void giant_stack(void) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    const int before = thread_count();
    section("a stack that no process can have");
    vgpu_pool_config_init(&config);
    config.num_workers = 2;
    config.stack_size = (size_t)1 << 47;
    CHECK_STATUS(VGPU_ERROR_THREAD_SPAWN, vgpu_pool_create(&config, &pool));
    CHECK(pool == NULL && thread_count() == before);
    config.stack_size = SIZE_MAX;
    CHECK(vgpu_pool_create(&config, &pool) != VGPU_OK);
    CHECK(pool == NULL && thread_count() == before);
    config.stack_size = 1; /* raised to what a thread needs */
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_destroy(pool));
}

static void with_little_address_space(void *argument) {
    struct rlimit limit;
    struct rlimit whole;
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    (void)argument;
    REQUIRE(file != NULL && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    REQUIRE(getrlimit(RLIMIT_AS, &whole) == 0);
    limit = whole;
    limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)512 << 20);
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    vgpu_pool_config_init(&config);
    config.num_workers = 32;
    config.stack_size = (size_t)64 << 20; /* 2 GiB of stacks in 512 MiB: some threads can be made, not all */
    CHECK_STATUS(VGPU_ERROR_THREAD_SPAWN, vgpu_pool_create(&config, &pool));
    CHECK(pool == NULL && thread_count() == 1); /* those which were made are gone */
    REQUIRE(setrlimit(RLIMIT_AS, &whole) == 0);
    config.num_workers = 4;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_destroy(pool));
}

/* Root is exempt from the limit on processes, so the child becomes nobody first. */
static void with_few_threads(void *argument) {
    struct rlimit limit = {3, 3};
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    (void)argument;
    if (setrlimit(RLIMIT_NPROC, &limit) != 0 || (getuid() == 0 && setuid(65534) != 0)) {
        printf("   (skipped: this process may not change its user)\n");
        fflush(stdout);
        return;
    }
    vgpu_pool_config_init(&config);
    config.num_workers = 16;
    CHECK_STATUS(VGPU_ERROR_THREAD_SPAWN, vgpu_pool_create(&config, &pool));
    CHECK(pool == NULL && thread_count() == 1);
}

static void thread_limits(void) {
    giant_stack();
    if (UNDER_ASAN) {
        section("(limits on address space: not under AddressSanitizer, which needs terabytes of it)");
    } else {
        section("too little address space for all stacks");
        in_child(with_little_address_space, NULL);
    }
    section("a limit on the number of threads");
    in_child(with_few_threads, NULL);
}

static void hear_unpinned(void *user_data, uint32_t level, const char *sentence) {
    int *const heard = user_data;
    CHECK(level == VGPU_LOG_WARNING);
    if (strstr(sentence, "runs unpinned") != NULL) add_one(heard);
}

static void with_refused_affinity(void *argument) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {(unsigned short)(sizeof filter / sizeof filter[0]), filter};
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    size_t covered = 0;
    int heard = 0;
    (void)argument;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        printf("   (skipped: this system has no seccomp filters)\n");
        fflush(stdout);
        return;
    }
    vgpu_pool_config_init(&config);
    config.num_workers = 2;
    config.flags = VGPU_POOL_REQUIRE_PINNING;
    CHECK_STATUS(VGPU_ERROR_AFFINITY, vgpu_pool_create(&config, &pool));
    CHECK(pool == NULL && thread_count() == 1);
    config.flags = 0; /* wanted, not required: the pool works unpinned, and says so */
    config.on_log = hear_unpinned;
    config.log_user_data = &heard;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK(heard == 2);
    CHECK_OK(vgpu_parallel_for(pool, 100, 1, nothing_range, &covered));
    CHECK(covered == 100);
    CHECK_OK(vgpu_pool_destroy(pool));
    config.flags = VGPU_POOL_NO_PINNING;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    CHECK_OK(vgpu_pool_destroy(pool));
}

int main(void) {
    thread_limits();
    section("a system that refuses to pin threads");
    in_child(with_refused_affinity, NULL);
    forked_children();
    forked_graphs();
    fork_while_busy();
    return check_done();
}
