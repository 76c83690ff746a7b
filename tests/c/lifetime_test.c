/* Life and death: pools by the thousand, threads that cannot be made, the library loaded again and again and twice at a time,
   processes that end or fork in the middle of everything. */
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what the process has ---- */

static int entries_of(const char *path) {
    DIR *folder = opendir(path);
    int count = 0;
    REQUIRE(folder != NULL);
    while (readdir(folder) != NULL) count++;
    closedir(folder);
    return count - 2; /* . and .. */
}

static int threads(void) {
    return entries_of("/proc/self/task");
}

static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    REQUIRE(file != NULL && fscanf(file, "%*s %ld", &pages) == 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- threads that cannot be made ---- */

static int creations_left = INT_MAX;
static int creation_error = EAGAIN;

/* Stands before the system's, for the library too. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    static int (*system_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (system_create == NULL) {
        void *const found = dlsym(RTLD_NEXT, "pthread_create");
        memcpy(&system_create, &found, sizeof found);
    }
    if (__atomic_fetch_sub(&creations_left, 1, __ATOMIC_SEQ_CST) <= 0) {
        return creation_error;
    }
    return system_create(thread, attributes, start, argument);
}

static int hook_calls;

static void count_hook(void *user_data, uint32_t index) {
    (void)index;
    add_one(user_data);
}

static void failing_threads(void) {
    enum { WORKERS = 8 };
    const int before = threads();
    int index;
    section("a thread that cannot be made, at every index");
    for (index = 0; index <= WORKERS; index++) {
        char number[32];
        vgpu_pool_config config;
        vgpu_pool *pool = NULL;
        vgpu_pool_config_init(&config);
        config.num_workers = WORKERS;
        config.flags = VGPU_POOL_NO_PINNING;
        config.on_worker_start = count_hook;
        config.on_worker_stop = count_hook;
        config.worker_user_data = &hook_calls;
        hook_calls = 0;
        __atomic_store_n(&creations_left, index, __ATOMIC_SEQ_CST);
        if (index < WORKERS) {
            CHECK_STATUS(VGPU_ERROR_THREAD_SPAWN, vgpu_pool_create(&config, &pool));
            snprintf(number, sizeof number, "worker %d of %d", index, WORKERS);
            CHECK(strstr(vgpu_last_error_message(), number) != NULL);
            CHECK(pool == NULL);
        } else {
            CHECK_OK(vgpu_pool_create(&config, &pool));
            CHECK_OK(vgpu_pool_destroy(pool));
        }
        __atomic_store_n(&creations_left, INT_MAX, __ATOMIC_SEQ_CST);
        /* Those that were started are gone again, with both of their hooks called. */
        CHECK(threads() == before);
        CHECK(hook_calls == 2 * index);
    }
}

/* ---- many lives ---- */

static void many_pools(void) {
    const int rounds = UNDER_ASAN ? 1000 : 10000;
    const int before = threads();
    long resident = 0;
    int files = 0;
    int i;
    section("pools made, used and destroyed by the thousand: nothing is left");
    for (i = 0; i < rounds; i++) {
        vgpu_pool *const pool = make_pool(2);
        vgpu_future *future = NULL;
        int ran = 0;
        CHECK_OK(vgpu_pool_submit(pool, count_task, &ran, count_destroy, i % 2 == 0 ? &future : NULL));
        CHECK_OK(vgpu_future_release(future));
        CHECK_OK(vgpu_pool_destroy(pool));
        CHECK(ran == 2);
        if (i == rounds / 10) {
            resident = resident_kib();
            files = entries_of("/proc/self/fd");
        }
    }
    CHECK(threads() == before);
    CHECK(entries_of("/proc/self/fd") == files);
    /* A leak of a hundred bytes a pool would be seen. Under the sanitizer freed memory waits in quarantine. */
    CHECK(UNDER_ASAN || resident_kib() - resident < rounds / 10);
}

/* ---- the library, loaded ---- */

struct library {
    void *handle;
    vgpu_status (*create)(const vgpu_pool_config *, vgpu_pool **);
    vgpu_status (*destroy)(vgpu_pool *);
    vgpu_status (*submit)(vgpu_pool *, vgpu_task_fn, void *, vgpu_destroy_fn, vgpu_future **);
    vgpu_status (*loop)(vgpu_pool *, size_t, size_t, vgpu_range_fn, void *);
    const char *(*message)(void);
};

static char copy_of_library[PATH_MAX];

/* A copy is another library to the system's loader. */
static void copy_library(void) {
    Dl_info info;
    void *function;
    vgpu_status (*const known)(vgpu_pool *) = vgpu_pool_destroy;
    char bytes[65536];
    size_t length;
    FILE *from, *to;
    const char *const folder = getenv("TMPDIR");
    memcpy(&function, &known, sizeof function);
    REQUIRE(dladdr(function, &info) != 0);
    snprintf(copy_of_library, sizeof copy_of_library, "%s/libvgpu_pool_copy_%ld.so", folder != NULL ? folder : "/tmp", (long)getpid());
    from = fopen(info.dli_fname, "rb");
    to = fopen(copy_of_library, "wb");
    REQUIRE(from != NULL && to != NULL);
    while ((length = fread(bytes, 1, sizeof bytes, from)) != 0) REQUIRE(fwrite(bytes, 1, length, to) == length);
    fclose(from);
    REQUIRE(fclose(to) == 0);
}

static void find(const struct library *library, const char *name, void *place) {
    void *const found = dlsym(library->handle, name);
    REQUIRE(found != NULL);
    memcpy(place, &found, sizeof found);
}

static void open_library(struct library *library) {
    library->handle = dlopen(copy_of_library, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(library->handle != NULL);
    find(library, "vgpu_pool_create", &library->create);
    find(library, "vgpu_pool_destroy", &library->destroy);
    find(library, "vgpu_pool_submit", &library->submit);
    find(library, "vgpu_parallel_for", &library->loop);
    find(library, "vgpu_last_error_message", &library->message);
}

static int32_t add_range(vgpu_worker *worker, void *user_data, size_t begin, size_t end) {
    (void)worker;
    __atomic_add_fetch((size_t *)user_data, end - begin, __ATOMIC_SEQ_CST);
    return 0;
}

static void two_libraries(void) {
    struct library other;
    vgpu_pool_config config;
    vgpu_pool *theirs = NULL, *none = NULL;
    vgpu_pool *const ours = make_pool(2);
    size_t covered = 0;
    section("two libraries in one process, each with its pools and its errors");
    open_library(&other);
    CHECK(other.create != vgpu_pool_create);
    vgpu_pool_config_init(&config);
    config.num_workers = 2;
    CHECK_OK(other.create(&config, &theirs));
    CHECK_OK(other.loop(theirs, 1000, 1, add_range, &covered));
    CHECK_OK(vgpu_parallel_for(ours, 1000, 1, add_range, &covered));
    CHECK(covered == 2000);
    config.num_workers = 1000000;
    CHECK(other.create(&config, &none) == VGPU_ERROR_INVALID_ARGUMENT && none == NULL);
    CHECK(strstr(other.message(), "1000000") != NULL && strstr(vgpu_last_error_message(), "1000000") == NULL);
    CHECK_OK(vgpu_pool_destroy(ours));
    CHECK_OK(other.loop(theirs, 1000, 1, add_range, &covered));
    CHECK_OK(other.destroy(theirs));
    CHECK(dlclose(other.handle) == 0);
}

static void load_and_unload(void) {
    const int before = threads();
    struct gate gate = GATE_SHUT;
    struct library library;
    vgpu_pool *pool = NULL;
    long resident = 0;
    int ran = 0;
    int i;
    section("loaded and closed a thousand times, with a pool each time");
    for (i = 0; i < 1000; i++) {
        open_library(&library);
        CHECK_OK(library.create(NULL, &pool));
        CHECK_OK(library.submit(pool, count_task, &ran, NULL, NULL));
        CHECK_OK(library.destroy(pool));
        CHECK(dlclose(library.handle) == 0);
        if (i == 100) resident = resident_kib();
    }
    CHECK(ran == 1000 && threads() == before);
    CHECK(UNDER_ASAN || resident_kib() - resident < 1000);
    section("closed while its tasks run: they go on");
    open_library(&library);
    CHECK_OK(library.create(NULL, &pool));
    CHECK_OK(library.submit(pool, gate_task, &gate, NULL, NULL));
    gate_await(&gate, 1);
    CHECK(dlclose(library.handle) == 0);
    gate_open(&gate);
    CHECK_OK(library.destroy(pool));
}

/* ---- the ends of processes ---- */

/* How a child ends that runs this; -1 if it has not after a while. */
static int end_of_child(void (*body)(void)) {
    int status = 0;
    int waited;
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        check_failures = 0;
        body();
        _exit(check_failures == 0 ? 0 : 99);
    }
    for (waited = 0; waited < 3000; waited++) {
        if (waitpid(child, &status, WNOHANG) == child) return status;
        sleep_ms(10);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return -1;
}

static int32_t busy_task(vgpu_worker *worker, void *user_data) {
    (void)worker;
    add_one(user_data);
    while (value_of(user_data) > 0) sleep_ms(1); /* for ever */
    return 0;
}

static int32_t exit_task(vgpu_worker *worker, void *user_data) {
    (void)worker;
    (void)user_data;
    exit(7);
}

static vgpu_pool *pool_of_child;
static int running;

static void start_busy(void) {
    int i;
    pool_of_child = make_pool(3);
    for (i = 0; i < 10; i++) {
        CHECK_OK(vgpu_pool_submit(pool_of_child, busy_task, &running, NULL, NULL));
    }
    while (value_of(&running) < 3) sleep_ms(1);
}

static void exit_while_running(void) {
    start_busy();
    exit(7);
}

static void exit_in_a_task(void) {
    pool_of_child = make_pool(2);
    CHECK_OK(vgpu_pool_submit(pool_of_child, exit_task, NULL, NULL, NULL));
    for (;;) sleep_ms(1);
}

static void destroy_at_exit(void) {
    if (vgpu_pool_destroy(pool_of_child) != VGPU_OK) _exit(98);
}

static void exit_that_destroys(void) {
    int i;
    pool_of_child = make_pool(3);
    REQUIRE(atexit(destroy_at_exit) == 0);
    for (i = 0; i < 1000; i++) {
        CHECK_OK(vgpu_pool_submit(pool_of_child, count_task, &running, NULL, NULL));
    }
    exit(7);
}

static void quick_exit_while_running(void) {
    start_busy();
    quick_exit(7);
}

static int ended_with(int status, int code) {
    return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == code;
}

static void exits(void) {
    section("exit() with tasks running, in a task, with a pool destroyed by atexit(); quick_exit()");
    CHECK(ended_with(end_of_child(exit_while_running), 7));
    CHECK(ended_with(end_of_child(exit_in_a_task), 7));
    CHECK(ended_with(end_of_child(exit_that_destroys), 7));
    CHECK(ended_with(end_of_child(quick_exit_while_running), 7));
}

/* ---- forks ---- */

/* In a child: the pool of the parent is refused, and one of its own works. */
static void use_after_fork(void) {
    size_t covered = 0;
    vgpu_pool *own = NULL;
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_parallel_for(pool_of_child, 10, 1, add_range, &covered));
    CHECK_STATUS(VGPU_ERROR_FORKED, vgpu_pool_destroy(pool_of_child));
    own = make_pool(2);
    CHECK_OK(vgpu_parallel_for(own, 1000, 1, add_range, &covered));
    CHECK_OK(vgpu_pool_destroy(own));
    CHECK(covered == 1000);
}

static int32_t fork_task(vgpu_worker *worker, void *user_data) {
    (void)worker;
    (void)user_data;
    return ended_with(end_of_child(use_after_fork), 0) ? 0 : 1;
}

static int stop_churning;

/* Everything that has a moment to fork at. But AddressSanitizer forks with its own locks held by whoever makes a thread. */
static void *churn(void *user_data) {
    vgpu_pool *const shared = user_data;
    while (!value_of(&stop_churning)) {
        vgpu_pool *const pool = UNDER_ASAN ? shared : make_pool(2);
        vgpu_group *group = NULL;
        size_t covered = 0;
        int ran = 0;
        CHECK_OK(vgpu_parallel_for(shared, 200, 1, add_range, &covered));
        CHECK_OK(vgpu_group_create(pool, &group));
        CHECK_OK(vgpu_group_submit(group, count_task, &ran, NULL));
        CHECK_OK(vgpu_group_destroy(group));
        if (pool != shared) CHECK_OK(vgpu_pool_destroy(pool));
        CHECK(ran == 1);
    }
    return NULL;
}

static void forks(void) {
    vgpu_future *future = NULL;
    pthread_t thread;
    int i;
    section("fork in a task, and while pools are made, used and destroyed: the child makes its own");
    pool_of_child = make_pool(2);
    if (UNDER_ASAN) sleep_ms(200); /* until both workers have begun; see churn */
    for (i = 0; i < 5; i++) {
        CHECK_OK(vgpu_pool_submit(pool_of_child, fork_task, NULL, NULL, &future));
        CHECK_OK(vgpu_future_get(future, NULL));
        CHECK_OK(vgpu_future_release(future));
    }
    REQUIRE(pthread_create(&thread, NULL, churn, pool_of_child) == 0);
    for (i = 0; i < (UNDER_ASAN ? 30 : 200); i++) {
        CHECK(ended_with(end_of_child(use_after_fork), 0));
    }
    add_one(&stop_churning);
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK_OK(vgpu_pool_destroy(pool_of_child));
}

/* ---- signals and cancellation ---- */

static int32_t mask_task(vgpu_worker *worker, void *user_data) {
    (void)worker;
    return pthread_sigmask(SIG_BLOCK, NULL, user_data);
}

static pthread_t handled_by;
static int handled;

static void handler(int number) {
    (void)number;
    handled_by = pthread_self();
    add_one(&handled);
}

static void signals(void) {
    static const int shielded[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGPIPE, SIGPROF};
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    struct sigaction action, before;
    int keeps;
    size_t i;
    section("workers block the program's signals, and no others; or none, if asked");
    for (keeps = 0; keeps < 2; keeps++) {
        vgpu_pool_config config;
        vgpu_pool *pool = NULL;
        vgpu_future *future = NULL;
        sigset_t mask;
        vgpu_pool_config_init(&config);
        config.num_workers = 3;
        config.flags = keeps ? VGPU_POOL_KEEP_SIGNALS : 0;
        CHECK_OK(vgpu_pool_create(&config, &pool));
        CHECK_OK(vgpu_pool_submit(pool, mask_task, &mask, NULL, &future));
        CHECK_OK(vgpu_future_get(future, NULL));
        CHECK_OK(vgpu_future_release(future));
        for (i = 0; i < sizeof shielded / sizeof *shielded; i++) CHECK(sigismember(&mask, shielded[i]) == !keeps);
        for (i = 0; i < sizeof own / sizeof *own; i++) CHECK(sigismember(&mask, own[i]) == 0);
        /* The caller's own mask is as it was. */
        CHECK(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR1) == 0);
        if (!keeps) {
            memset(&action, 0, sizeof action);
            action.sa_handler = handler;
            REQUIRE(sigaction(SIGUSR1, &action, &before) == 0);
            handled = 0;
            for (i = 0; i < 100; i++) {
                CHECK(kill(getpid(), SIGUSR1) == 0);
                CHECK(value_of(&handled) == (int)i + 1 && pthread_equal(handled_by, pthread_self()));
            }
            REQUIRE(sigaction(SIGUSR1, &before, NULL) == 0);
        }
        CHECK_OK(vgpu_pool_destroy(pool));
    }
}

static int32_t cancel_task(vgpu_worker *worker, void *user_data) {
    (void)worker;
    pthread_cancel(pthread_self());
    sleep_ms(1); /* where a thread would be cancelled */
    pthread_testcancel();
    add_one(user_data);
    return 0;
}

static void cancellation(void) {
    vgpu_pool *const pool = make_pool(2);
    int ran = 0;
    int i;
    section("a worker cannot be cancelled");
    for (i = 0; i < 20; i++) {
        CHECK_OK(vgpu_pool_submit(pool, cancel_task, &ran, NULL, NULL));
    }
    CHECK_OK(vgpu_pool_wait_all(pool));
    CHECK(ran == 20);
    CHECK_OK(vgpu_pool_destroy(pool));
}

int main(void) {
    exits();
    forks();
    signals();
    cancellation();
    failing_threads();
    many_pools();
    copy_library();
    two_libraries();
    load_and_unload();
    unlink(copy_of_library);
    return check_done();
}
