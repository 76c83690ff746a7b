/**
 * @file vgpu_pool.h
 * @brief vgpu-pool: a work-stealing thread pool with futures, parallel loops and tiled matrix products.
 *
 * Link with `cc program.c $(pkg-config --cflags --libs vgpu_pool)`. A first program:
 *
 *     #include <vgpu_pool.h>
 *     #include <stdio.h>
 *
 *     static int32_t work(vgpu_worker *worker, void *user_data) {
 *         printf("worker %u says %s\n", (unsigned)vgpu_worker_index(worker), (const char *)user_data);
 *         return 0;
 *     }
 *
 *     int main(void) {
 *         vgpu_pool *pool = NULL;
 *         vgpu_future *future = NULL;
 *         char text[] = "hello";
 *         vgpu_status status = vgpu_pool_create(NULL, &pool);
 *         if (status == VGPU_OK) status = vgpu_pool_submit(pool, work, text, NULL, &future);
 *         if (status == VGPU_OK) status = vgpu_future_get(future, NULL);
 *         if (status != VGPU_OK) fprintf(stderr, "%s: %s\n", vgpu_status_name(status), vgpu_last_error_message());
 *         vgpu_future_release(future);
 *         vgpu_pool_destroy(pool);
 *         return status == VGPU_OK ? 0 : 1;
 *     }
 *
 * ## Errors
 * Every call that can fail returns a vgpu_status: VGPU_OK is 0, errors are negative, and a number is never changed or
 * used again. vgpu_status_name() gives its name. vgpu_last_error_message() gives a sentence about the last failed call
 * of the calling thread; a successful call leaves it alone, and it stays valid until the thread's next failed call.
 * Outputs passed by pointer hold a result only after VGPU_OK, unless the function says otherwise. A handle output is
 * set to NULL on failure.
 * A new release may return statuses that this header does not list: treat any value other than VGPU_OK as a failure.
 *
 * ## Objects and ownership
 * vgpu_pool, vgpu_future, vgpu_group, vgpu_graph and vgpu_packed_b are opaque and are used through pointers. What a `_create` or a `_submit` gave is
 * ended exactly once, by `_destroy` or `_release`; these accept NULL and do nothing. A future may be released before its
 * task has run: the task still runs. A future or group must be ended before its pool is destroyed. A vgpu_graph belongs to
 * no pool: it is made once, and runs where it is told to; a run must be waited for before its pool is destroyed.
 * Memory on NUMA nodes is ended by vgpu_node_free(), pinned memory by vgpu_pinned_release(); both outlive the vgpu_numa_pool whose
 * thread allocated them.
 * Tiered memory is ended by vgpu_tier_memory_release(), all of it before the vgpu_tiers it came from.
 * A vgpu_worker belongs to the library and is valid only during the callback it was passed to.
 *
 * ## Structs that may grow
 * vgpu_pool_config, vgpu_micropool and vgpu_graph_config begin with `struct_size`. Call vgpu_pool_config_init(&config), or the one of the
 * graph, then set what you want otherwise.
 * An older, shorter struct is completed with zeroes, and zero always means the default. A newer, longer one is accepted
 * if the part that this library does not know is zero, and refused with VGPU_ERROR_INVALID_ARGUMENT otherwise.
 *
 * ## NULL
 * A NULL where an object, a function or an output is required gives VGPU_ERROR_INVALID_ARGUMENT, never a crash.
 * The functions that begin with vgpu_parallel_, vgpu_join(), vgpu_fork_all(), vgpu_sgemm() and all other products accept a NULL
 * pool: they then do everything on the calling thread, and callbacks get a NULL worker, which vgpu_worker_index() accepts.
 *
 * ## Threads
 * Every function may be called from any thread, with no registration, and from inside tasks, at the same time on the same
 * object. The exceptions are the calls that end an object: when they return, it is gone, and nobody may be using it.
 * While vgpu_pool_destroy() drains a pool, the pool's own tasks may go on submitting; other threads get VGPU_ERROR_CLOSED.
 * What happened before a submit is visible to the task; what a task did is visible after a wait for it has returned.
 *
 * ## Callbacks
 * Callbacks are plain C functions. No C++ exception may leave one and no longjmp() or pthread_exit() may cross one:
 * catch at the border (examples-c/exceptions.cpp shows how to carry an exception through a task). A task reports failure by
 * returning a number other than 0, and may attach a sentence with vgpu_task_set_error(); both come out where the
 * task is waited for. `user_data` is passed on untouched. A `destroy` callback is called exactly once if, and only if, the call
 * that took it returned VGPU_OK; when that call failed the caller still owns `user_data`.
 * Tasks may block, but a blocked worker runs nothing else. Waits of this library are different: inside a task they
 * run other tasks of the pool meanwhile.
 *
 * ## Panics
 * The library is written in Rust. Should it fail on a broken invariant inside, the panic is caught at this border and comes
 * out as VGPU_ERROR_PANIC. It never unwinds into the caller.
 *
 * ## fork
 * A forked child has none of the pool's threads. Calls on an inherited pool return VGPU_ERROR_FORKED there instead of
 * hanging. vgpu_pool_destroy() does so too, and leaves the pool's memory as it is. The child may create pools of its own.
 * A child that was forked inside a task ends there, by exec or _exit(): it must not return from the task.
 *
 * ## Signals and dlclose
 * Workers block all signals but those which the processor raises, so that the program's handlers run on its own threads
 * (VGPU_POOL_KEEP_SIGNALS turns this off). The shared object stays loaded for the life of the process.
 *
 * ## Versions
 * The shared object is libvgpu_pool.so.1 and its symbols are versioned VGPU_1. Functions are added, never changed or taken away,
 * as long as vgpu_abi_version() is 1.
 *
 * This file is generated from the library's sources. Do not edit it.
 */

#ifndef VGPU_POOL_H
#define VGPU_POOL_H

#include <stddef.h>
#include <stdint.h>

/** The version of this header. vgpu_version_string() is the version of the library that was loaded. */
#define VGPU_POOL_VERSION_MAJOR 0
#define VGPU_POOL_VERSION_MINOR 1
#define VGPU_POOL_VERSION_PATCH 0
#define VGPU_POOL_VERSION_NUMBER \
    (VGPU_POOL_VERSION_MAJOR * 1000000 + VGPU_POOL_VERSION_MINOR * 1000 + VGPU_POOL_VERSION_PATCH)
#define VGPU_POOL_VERSION_STRING "0.1.0"

/** Marks what the shared object exports. Define it yourself before including this file to say otherwise. */
#ifndef VGPU_API
#if defined(__GNUC__)
#define VGPU_API __attribute__((visibility("default")))
#else
#define VGPU_API
#endif
#endif

/** Marks results that must not be ignored. */
#ifndef VGPU_NODISCARD
#if defined(__GNUC__)
#define VGPU_NODISCARD __attribute__((warn_unused_result))
#else
#define VGPU_NODISCARD
#endif
#endif

/**
 * Fills `*config` with the defaults and with the size that this header knows:
 *
 *     vgpu_pool_config config;
 *     vgpu_pool_config_init(&config);
 *     config.num_workers = 4;
 */
#define vgpu_pool_config_init(config) vgpu_pool_config_init_sized((config), (uint32_t)sizeof *(config))

/** Fills `*options`, a vgpu_task_options, with the defaults and with the size that this header knows. */
#define vgpu_task_options_init(options) vgpu_task_options_init_sized((options), (uint32_t)sizeof *(options))

/** Fills `*config`, a vgpu_graph_config, with the defaults and with the size that this header knows. */
#define vgpu_graph_config_init(config) vgpu_graph_config_init_sized((config), (uint32_t)sizeof *(config))

/** Fills `*micropool`, a vgpu_micropool, with the defaults and with the size that this header knows. */
#define vgpu_micropool_init(micropool) vgpu_micropool_init_sized((micropool), (uint32_t)sizeof *(micropool))

/**
 * The call did what was asked.
 */
#define VGPU_OK 0

/**
 * An argument is out of range, NULL where it must not be, or contradicts another.
 */
#define VGPU_ERROR_INVALID_ARGUMENT (-1)

/**
 * The allocator returned no memory.
 */
#define VGPU_ERROR_OUT_OF_MEMORY (-2)

/**
 * The system refused to start a thread.
 */
#define VGPU_ERROR_THREAD_SPAWN (-3)

/**
 * The system refused to pin a thread, or the CPU is not one this process may use.
 */
#define VGPU_ERROR_AFFINITY (-4)

/**
 * The pool is being destroyed and takes no new work.
 */
#define VGPU_ERROR_CLOSED (-5)

/**
 * The inbox is full and the pool was told to say so.
 */
#define VGPU_ERROR_QUEUE_FULL (-6)

/**
 * The task was cancelled before it started, or a graph before all of it had.
 */
#define VGPU_ERROR_CANCELLED (-7)

/**
 * The time given for a wait ran out.
 */
#define VGPU_ERROR_TIMED_OUT (-8)

/**
 * A Rust panic was caught.
 */
#define VGPU_ERROR_PANIC (-9)

/**
 * A task returned a code of its own.
 */
#define VGPU_ERROR_TASK_FAILED (-10)

/**
 * The pool belongs to the parent of this forked child.
 */
#define VGPU_ERROR_FORKED (-11)

/**
 * The call would wait for itself.
 */
#define VGPU_ERROR_WOULD_DEADLOCK (-12)

/**
 * The machine, the system or this build cannot do what was asked.
 */
#define VGPU_ERROR_UNSUPPORTED (-13)

/**
 * A size or index does not fit the arithmetic needed to serve it.
 */
#define VGPU_ERROR_OVERFLOW (-14)

/**
 * Reading or writing a file failed.
 */
#define VGPU_ERROR_IO (-15)

/**
 * The task has started, or is done: it cannot be cancelled any more. Or the graph is running: it cannot be run as well.
 */
#define VGPU_ERROR_ALREADY_STARTED (-16)

/**
 * A worker's stack is too short for the recursion asked of it: give the pool's workers a larger stack_size.
 */
#define VGPU_ERROR_STACK_LIMIT (-17)

/**
 * The version of the binary interface that this header describes, and the number in the library's file name.
 */
#define VGPU_ABI_VERSION 1

/**
 * Workers run where the system puts them.
 */
#define VGPU_POOL_NO_PINNING 1

/**
 * A worker that cannot be pinned makes the creation of the pool fail, instead of running unpinned.
 */
#define VGPU_POOL_REQUIRE_PINNING 2

/**
 * Workers do not block signals.
 */
#define VGPU_POOL_KEEP_SIGNALS 4

/**
 * Workers take nothing from each other: a task waits for the worker it was dealt to, a forked job for the worker that forked it.
 */
#define VGPU_POOL_NO_STEALING 8

/**
 * Workers take forked jobs from each other, but no queued tasks.
 */
#define VGPU_POOL_NO_MIGRATION 16

/**
 * The pool has no threads: its one worker is the thread that makes it, while that thread calls vgpu_pool_pump(), waits for something
 * of the pool, or runs a loop, a graph or a product in it. All threads may submit; that one alone may pump and destroy the pool.
 * See on_wake. num_workers is 0 or 1, inbox_full is VGPU_INBOX_FULL_ERROR, and nobody is pinned.
 */
#define VGPU_POOL_ON_CALLER 32

/**
 * With VGPU_POOL_ON_CALLER, for tests: the order of tasks and forks is drawn from replay_seed, among those that a pool with threads
 * may take. The same seed gives the same order, as long as the pool's own thread alone submits.
 */
#define VGPU_POOL_REPLAY 64

/**
 * A worker with too much to do sheds some of it into a queue for all while somebody is idle, and the others take from its inbox only when they
 * have found nothing else for 60 us. Of tasks of VGPU_PRIORITY_NORMAL. Not together with settings by which tasks stay where they
 * were dealt. Measure whether it pays.
 */
#define VGPU_POOL_SHEDDING 128

/**
 * A full inbox makes submitting fail with VGPU_ERROR_QUEUE_FULL. The default.
 */
#define VGPU_INBOX_FULL_ERROR 0

/**
 * A full inbox makes submitting last until there is room; meanwhile the caller runs queued tasks, oldest first.
 */
#define VGPU_INBOX_FULL_BLOCK 1

/**
 * A full inbox makes the caller run the task itself, at once.
 */
#define VGPU_INBOX_FULL_RUN 2

/**
 * A worker that waits runs whatever there is: first jobs of its own, then those of the worker it waits for, then any. What it
 * runs may be a stranger. So do not wait with a lock held that other tasks take; and if a stranger may wait for the running task,
 * choose another policy, since the one cannot go on before the other. The default.
 *
 * Whatever is chosen, a worker that waits for a future runs its task itself if nobody has begun it. And when all workers of a
 * pool wait, and one of them for what may not have been begun, the last to come helps, since there is nobody else left who could.
 * Threads that are not workers sleep.
 */
#define VGPU_WAIT_HELP_ANY 0

/**
 * A worker that waits runs jobs of the worker it waits for, which were forked on behalf of what it waits for, and sleeps when
 * there are none.
 */
#define VGPU_WAIT_HELP_OWN 1

/**
 * A worker that waits sleeps.
 */
#define VGPU_WAIT_BLOCK 2

/**
 * A worker that looks for work goes to its neighbours first: hardware threads of its core, then behind its L2 cache, its L3 cache, in
 * its NUMA node, then node by node as far as they are. The default.
 */
#define VGPU_VICTIMS_LOCALITY 0

/**
 * It begins with a random worker.
 */
#define VGPU_VICTIMS_RANDOM 1

/**
 * It begins with the worker that has the most: 4 for each queued task of the highest priority, 3 for the next, 2 and 1.
 */
#define VGPU_VICTIMS_LOAD 2

/**
 * Each thread that submits has an inbox that is its own as long as there are no more threads than workers. The default.
 */
#define VGPU_INBOX_NEAREST 0

/**
 * Tasks from outside, or whole batches of them, are dealt to the workers in turn.
 */
#define VGPU_INBOX_ROUND_ROBIN 1

/**
 * There is one inbox for all.
 */
#define VGPU_INBOX_SHARED 2

/**
 * A full inbox doubles: first in, first out. The default.
 */
#define VGPU_GROWTH_VERTICAL 0

/**
 * A full inbox gets a second queue beside the first, and so on, at most 64; tasks may overtake each other.
 */
#define VGPU_GROWTH_HORIZONTAL 1

/**
 * Of what is said to on_log: what was asked could not be done.
 */
#define VGPU_LOG_ERROR 1

/**
 * It was done otherwise than asked.
 */
#define VGPU_LOG_WARNING 2

/**
 * It is worth knowing.
 */
#define VGPU_LOG_INFO 3

/**
 * In steal_retries: a thief that was beaten to a job goes on to the next victim.
 */
#define VGPU_STEAL_NO_RETRY UINT32_MAX

/**
 * The victim is on the same core. The first of the indices into vgpu_worker_stats.steals_tried and steals_done.
 */
#define VGPU_SAME_CORE 0

/**
 * The victim is behind the same L2 or L3 cache.
 */
#define VGPU_SAME_CACHE 1

/**
 * The victim is in the same NUMA node.
 */
#define VGPU_SAME_NODE 2

/**
 * The victim is in another NUMA node.
 */
#define VGPU_OTHER_NODE 3

/**
 * It is not known how far the victim is: one of the two workers is not pinned.
 */
#define VGPU_UNKNOWN_DISTANCE 4

/**
 * How many distances there are.
 */
#define VGPU_DISTANCES 5

/**
 * When a vertex fails, only those are skipped that come after it. Without this flag nothing is started any more.
 */
#define VGPU_GRAPH_SKIP_SUCCESSORS 1

/**
 * Rows are contiguous. As CblasRowMajor.
 */
#define VGPU_ROW_MAJOR 101

/**
 * Columns are contiguous. As CblasColMajor.
 */
#define VGPU_COL_MAJOR 102

/**
 * The matrix as it is. As CblasNoTrans.
 */
#define VGPU_NO_TRANS 111

/**
 * The transposed matrix. As CblasTrans.
 */
#define VGPU_TRANS 112

/**
 * The transposed matrix: for real numbers the same as VGPU_TRANS. As CblasConjTrans.
 */
#define VGPU_CONJ_TRANS 113

/**
 * The layout of the fork structs below. A program compiled for one layout must not fork in a library of another.
 */
#define VGPU_FORK_LAYOUT 1

/**
 * The node has memory. In vgpu_node.flags.
 */
#define VGPU_NODE_HAS_MEMORY 1

/**
 * The process may allocate there; a cpuset may forbid it.
 */
#define VGPU_NODE_MEMORY_ALLOWED 2

/**
 * Huge pages are asked for; the size is rounded up to 2 MiB. The system gives as many as it has.
 */
#define VGPU_NODE_HUGE_PAGES 1

/**
 * Memory of which any page is elsewhere is an error, instead of spilling to the next node.
 */
#define VGPU_NODE_STRICT 2

/**
 * The pages are not written now. Each goes to its place when it is first written, where the system lets itself be told.
 */
#define VGPU_NODE_NO_TOUCH 4

/**
 * Nobody tells where the pages are: the system forbids it.
 */
#define VGPU_VERIFIED_BY_NOBODY 0

/**
 * The system told it for each page (move_pages).
 */
#define VGPU_VERIFIED_BY_MOVE_PAGES 1

/**
 * The system told it for the whole (/proc/self/numa_maps).
 */
#define VGPU_VERIFIED_BY_NUMA_MAPS 2

/**
 * The driver maps and pins the pages itself (cuMemHostAlloc). Without this flag several threads of the node write them at once, and
 * the driver pins them afterwards (cuMemHostRegister).
 */
#define VGPU_PINNED_HOST_ALLOC 1

/**
 * The usual priority. The default.
 */
#define VGPU_PRIORITY_NORMAL 0

/**
 * When there is nothing else to do.
 */
#define VGPU_PRIORITY_LOW 1

/**
 * Before the usual.
 */
#define VGPU_PRIORITY_HIGH 2

/**
 * Before all others.
 */
#define VGPU_PRIORITY_MAX 3

/**
 * The task may run on any worker. The default.
 */
#define VGPU_BIND_NONE 0

/**
 * The task, and the jobs it forks, run on one worker.
 */
#define VGPU_BIND_WORKER 1

/**
 * They run on workers that are pinned to CPUs of one NUMA node.
 */
#define VGPU_BIND_NODE 2

/**
 * They run on workers that are pinned to certain CPUs. If those are just the workers of a node, any of them takes the task; else
 * it is dealt to the one of them that has the fewest such tasks.
 */
#define VGPU_BIND_CPUS 3

/**
 * The memory of the fast node.
 */
#define VGPU_TIER_FAST 0

/**
 * The memory of another node, the nearest that has room for the whole block.
 */
#define VGPU_TIER_OTHER_NODE 1

/**
 * A file, of which the system keeps in memory what it has room for.
 */
#define VGPU_TIER_DISK 2

/**
 * The outcome of a task that may still be running.
 */
typedef struct vgpu_future vgpu_future;

/**
 * Functions that run when those before them have, as often as the program likes.
 */
typedef struct vgpu_graph vgpu_graph;

/**
 * Tasks of one pool that are waited for together.
 */
typedef struct vgpu_group vgpu_group;

/**
 * How long threads of the program are lent to a pool.
 */
typedef struct vgpu_lease vgpu_lease;

/**
 * A running task of a set of micropools, as its function sees it. Valid during the call.
 */
typedef struct vgpu_micropool_task vgpu_micropool_task;

/**
 * A set of micropools.
 */
typedef struct vgpu_micropools vgpu_micropools;

/**
 * A thread for each NUMA node, started on first use and pinned to the node for life.
 */
typedef struct vgpu_numa_pool vgpu_numa_pool;

/**
 * A packed B.
 */
typedef struct vgpu_packed_b vgpu_packed_b;

/**
 * Host memory pinned for a GPU.
 */
typedef struct vgpu_pinned vgpu_pinned;

/**
 * A pool of workers.
 */
typedef struct vgpu_pool vgpu_pool;

/**
 * A block of tiered memory.
 */
typedef struct vgpu_tier_memory vgpu_tier_memory;

/**
 * Where tiered memory comes from; see vgpu_tiers_create().
 */
typedef struct vgpu_tiers vgpu_tiers;

/**
 * The worker that runs a callback. Valid during the callback.
 */
typedef struct vgpu_worker vgpu_worker;

/**
 * What a call came to: VGPU_OK, or one of the negative VGPU_ERROR_ numbers.
 */
typedef int32_t vgpu_status;

/**
 * Called on a worker's thread when it starts or before it ends.
 */
typedef void (*vgpu_worker_hook_fn)(void *user_data, uint32_t worker_index);

/**
 * Gives size bytes aligned to align, a power of two, or NULL. Called from any thread.
 */
typedef void *(*vgpu_allocate_fn)(void *context, size_t size, size_t align);

/**
 * Takes back what vgpu_allocate_fn or vgpu_allocate_on_node_fn gave, with the size and alignment it was asked for with. Called from any thread.
 */
typedef void (*vgpu_free_fn)(void *context, void *memory, size_t size, size_t align);

/**
 * Called when a task comes to a pool without threads; see vgpu_pool_config. From any thread.
 */
typedef void (*vgpu_wake_fn)(void *user_data);

/**
 * Told a sentence of a pool; see vgpu_pool_config. From any thread, several at a time.
 *
 * @param level     one of VGPU_LOG_
 * @param sentence  valid during the call, at most 511 bytes of UTF-8
 */
typedef void (*vgpu_log_fn)(void *user_data, uint32_t level, const char *sentence);

/**
 * As vgpu_allocate_fn, for memory that is used by threads pinned to CPUs of a NUMA node, by the system's number. Memory elsewhere is
 * as good, only slower.
 */
typedef void *(*vgpu_allocate_on_node_fn)(void *context, size_t size, size_t align, uint32_t node);

/**
 * The settings of a pool. Begin with vgpu_pool_config_init(); zero always means the default.
 */
typedef struct vgpu_pool_config {
    /**
     * The size of this struct as the program was compiled; set by vgpu_pool_config_init().
     */
    uint32_t struct_size;
    /**
     * VGPU_POOL_ flags, or 0.
     */
    uint32_t flags;
    /**
     * How many workers, at most 4096; 0: as many as the process may use at a time, by its CPU mask and its cgroup's quota.
     */
    uint32_t num_workers;
    /**
     * How many tasks the inbox holds for each worker, rounded up to a power of two; 0: 4096.
     */
    uint32_t inbox_capacity;
    /**
     * What submitting does when the inbox is full: one of VGPU_INBOX_FULL_.
     */
    uint32_t inbox_full;
    /**
     * How workers wait: one of VGPU_WAIT_.
     */
    uint32_t wait_policy;
    /**
     * Stack of each worker in bytes, at least 64 KiB; 0: 2 MiB.
     */
    size_t stack_size;
    /**
     * Workers' threads are named with this and their number; at most 8 bytes of UTF-8. NULL: "vgpu-".
     */
    const char *name_prefix;
    /**
     * Called on each worker's thread before its first task; may be NULL.
     */
    vgpu_worker_hook_fn on_worker_start;
    /**
     * Called on each worker's thread after its last task; may be NULL.
     */
    vgpu_worker_hook_fn on_worker_stop;
    /**
     * Passed to both, and to the other hooks.
     */
    void *worker_user_data;
    /**
     * Where the pool's memory comes from, and where it goes back to: both or neither.
     */
    vgpu_allocate_fn allocate;
    /**
     * See allocate.
     */
    vgpu_free_fn free;
    /**
     * Passed to both.
     */
    void *allocator_context;
    /**
     * How deep VGPU_WAIT_HELP_ANY goes: a worker that has started so many tasks and jobs, each in a wait of the one before,
     * waits as with VGPU_WAIT_HELP_OWN; 0: 128.
     */
    uint32_t help_depth;
    /**
     * To whom a worker goes first that looks for work: one of VGPU_VICTIMS_.
     */
    uint32_t victims;
    /**
     * Called before each task, and before each forked job that the worker took from the public ones; for a profiler. A thread from
     * outside that runs a task because the inbox is full passes UINT32_MAX. May be NULL, as the next ones.
     */
    vgpu_worker_hook_fn on_work_begin;
    /**
     * Called after it. Such calls are nested as the pieces of work are.
     */
    vgpu_worker_hook_fn on_work_end;
    /**
     * Called before the worker goes to sleep.
     */
    vgpu_worker_hook_fn on_park;
    /**
     * Called when it has slept.
     */
    vgpu_worker_hook_fn on_unpark;
    /**
     * What becomes of tasks submitted from outside: one of VGPU_INBOX_NEAREST, _ROUND_ROBIN and _SHARED.
     */
    uint32_t inbox_mode;
    /**
     * An inbox with fewer tasks is left to its worker, however long that is busy; 0: 1, which leaves nothing.
     */
    uint32_t min_victim_length;
    /**
     * A worker whose load is not so far above the thief's keeps its tasks; the load counts 4, 3, 2 or 1 for each task, by priority; 0: 1.
     */
    uint32_t imbalance;
    /**
     * How often a thief that was beaten to a job tries the same victim again at once; 0: 3; VGPU_STEAL_NO_RETRY: never.
     */
    uint32_t steal_retries;
    /**
     * How long a thief leaves the worker alone from whom it took a task last, in nanoseconds.
     */
    uint64_t steal_cooldown_ns;
    /**
     * How many workers have places at least, where their number follows the load: it begins here, grows when work comes and all that have
     * places are busy, up to num_workers or to what the process's cgroup grants, and shrinks when the last one has slept for 200 ms.
     * The others rest. 0: all have places for good.
     */
    uint32_t min_workers;
    /**
     * How many workers there are beyond num_workers, to stand in for those between vgpu_blocking_begin() and vgpu_blocking_end().
     */
    uint32_t spare_workers;
    /**
     * With VGPU_POOL_ON_CALLER, called by whoever submits the first task since the pool's thread last looked, so that its event loop
     * pumps; and by that thread itself when it leaves tasks in the queue, because a budget is spent. May come for nothing. It must
     * not wait, pump or destroy: it tells the event loop. May be NULL.
     */
    vgpu_wake_fn on_wake;
    /**
     * Passed to on_wake.
     */
    void *wake_user_data;
    /**
     * With VGPU_POOL_REPLAY, what the order is drawn from.
     */
    uint64_t replay_seed;
    /**
     * Told what the pool does otherwise than asked, and what it finds out on its own: workers that run unpinned, quotas, a pool that
     * cannot be made. Called while the pool is made and ended, and by workers on their way to sleep; nothing is locked meanwhile. May be
     * NULL.
     */
    vgpu_log_fn on_log;
    /**
     * Passed to on_log.
     */
    void *log_user_data;
    /**
     * What is less bad is not said: one of VGPU_LOG_; 0: VGPU_LOG_WARNING.
     */
    uint32_t log_level;
    /**
     * How many threads of the program may lend themselves as workers at a time; see vgpu_lease_run(). They are the last of the pool's
     * workers by number. Needs workers that take tasks from each other.
     */
    uint32_t host_seats;
    /**
     * Up to how many tasks for each worker the inbox grows when it is full, rounded up to a power of two; 0, or less than inbox_capacity: it
     * does not grow. One that doubles holds what was queued before besides, less than that again. Growing allocates in the middle of a submit; without memory the inbox is full.
     */
    uint32_t inbox_limit;
    /**
     * How it grows: one of VGPU_GROWTH_.
     */
    uint32_t inbox_growth;
    /**
     * When a task of less than VGPU_PRIORITY_HIGH has waited so long, in nanoseconds, a reserved worker that has nothing urgent to do takes one
     * of them, and then none for as long again; 0: 1 ms; UINT64_MAX: never, even if all others are held up.
     */
    uint64_t lend_after_ns;
    /**
     * How many workers, the first ones, are kept for tasks of VGPU_PRIORITY_HIGH and above, so that these need not wait for long tasks to
     * end; bound tasks, and forked jobs, they take as all do. Fewer than there are workers. Not together with min_workers, spare_workers,
     * or settings by which tasks stay where they were dealt; nor for micropools.
     */
    uint32_t reserved_workers;
    /**
     * Where the memory comes from that belongs to a worker whose node is known, because it is pinned or there is only one: its deques, and
     * the blocks of the tasks that it makes. It is passed allocator_context, and the memory goes back by free. All other memory comes from
     * allocate, which must be set too. NULL: all memory does.
     */
    vgpu_allocate_on_node_fn allocate_on_node;
    /**
     * The CPUs that the pool's threads run on, each of which the process may use: CPU n is bit n % 64 of word n / 64. A thread that is
     * pinned to no one CPU, because of VGPU_POOL_NO_PINNING or as a spare worker, runs on any of them. NULL: all that the process may use.
     * Not used after the call. A set of micropools takes none: each of them has its own.
     */
    const uint64_t *cpus;
    /**
     * The NUMA nodes whose CPUs they are, by the system's numbers; each has CPUs that the process may use. With cpus, those of the
     * nodes' CPUs. NULL: all. Not used after the call. A set of micropools takes none.
     */
    const uint32_t *nodes;
    /**
     * How many words `cpus` has.
     */
    uint32_t num_cpu_words;
    /**
     * How many numbers `nodes` has.
     */
    uint32_t num_nodes;
    /**
     * The inbox, and the public jobs, of a worker on another NUMA node are left to its node's workers while they are fewer, until a thief
     * has looked for other work for 60 us and found none, or it is the inbox's turn; 0: 1, which makes no difference between nodes.
     */
    uint32_t min_remote_length;
    /**
     * 0.
     */
    uint32_t reserved;
} vgpu_pool_config;

/**
 * A task. Returns 0 for success; any other number is its own error code, and comes out where it is waited for.
 *
 * @param worker     the worker that runs it, valid during the call; NULL when a NULL pool runs it on the caller
 * @param user_data  what was passed with the function
 */
typedef int32_t (*vgpu_task_fn)(struct vgpu_worker *worker, void *user_data);

/**
 * Ends the life of a task's user_data: called exactly once after the task has run or was cancelled, if its submission
 * succeeded.
 */
typedef void (*vgpu_destroy_fn)(void *user_data);

/**
 * What is asked for a task. Begin with vgpu_task_options_init(); zero always means the default.
 *
 * Whoever is free takes the most urgent task of the whole pool, its own inbox first. The less urgent are not starved: every 16th
 * task a worker takes is taken from one priority of one inbox, and all of them have their turn.
 */
typedef struct vgpu_task_options {
    /**
     * The size of this struct as the program was compiled; set by vgpu_task_options_init().
     */
    uint32_t struct_size;
    /**
     * How urgent the task is: one of VGPU_PRIORITY_.
     */
    uint32_t priority;
    /**
     * Where it may run: one of VGPU_BIND_.
     */
    uint32_t binding;
    /**
     * With VGPU_BIND_WORKER the worker, with VGPU_BIND_NODE the node by the system's number; else 0.
     */
    uint32_t place;
    /**
     * With VGPU_BIND_CPUS the CPUs: CPU n is bit n % 64 of word n / 64. Not used after the call.
     */
    const uint64_t *cpus;
    /**
     * How many words `cpus` has.
     */
    size_t num_cpu_words;
} vgpu_task_options;

/**
 * Room for a task, for vgpu_pool_submit_in(). Its contents mean nothing to a program.
 */
typedef struct vgpu_task_storage {
    /**
     * Not to be touched while the storage is in use.
     */
    uint64_t opaque[64];
} vgpu_task_storage;

/**
 * What a pool has done since it was made. Set struct_size and worker_size to the sizes of the two structs as the program was
 * compiled; a newer library fills no more than that, and zeroes what it does not know.
 */
typedef struct vgpu_stats {
    /**
     * sizeof(vgpu_stats); set by the caller.
     */
    uint32_t struct_size;
    /**
     * sizeof(vgpu_worker_stats); set by the caller.
     */
    uint32_t worker_size;
    /**
     * How many workers the pool has.
     */
    uint32_t num_workers;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * How long the pool has existed, in nanoseconds.
     */
    uint64_t elapsed_ns;
    /**
     * Tasks run to their end by threads that are not workers, because the inbox was full.
     */
    uint64_t executed_outside;
} vgpu_stats;

/**
 * What one worker has done. Times are in nanoseconds; what is left of elapsed_ns, the worker was busy.
 */
typedef struct vgpu_worker_stats {
    /**
     * Submitted tasks that it has run to their end.
     */
    uint64_t executed;
    /**
     * Forked jobs that it has made public. Those that stayed private are not counted.
     */
    uint64_t promoted;
    /**
     * Public jobs that it took back itself, which nobody had stolen.
     */
    uint64_t reclaimed;
    /**
     * Its looks into other workers' deques, by how far the victim was: index VGPU_SAME_CORE and so on.
     */
    uint64_t steals_tried[VGPU_DISTANCES];
    /**
     * Those that found a job.
     */
    uint64_t steals_done[VGPU_DISTANCES];
    /**
     * Tasks it took that were queued at another worker.
     */
    uint64_t migrations;
    /**
     * How often it went to sleep.
     */
    uint64_t parks;
    /**
     * How often it was called because there was work.
     */
    uint64_t wakeups;
    /**
     * For how long it looked for work.
     */
    uint64_t searching_ns;
    /**
     * For how long it slept.
     */
    uint64_t sleeping_ns;
    /**
     * How many tasks are queued at it now.
     */
    uint64_t queued;
    /**
     * The most tasks that were seen queued at it.
     */
    uint64_t inbox_high_water;
    /**
     * The most public jobs it had at a time.
     */
    uint64_t deque_high_water;
    /**
     * How often it was found on another CPU than its own, and was put back.
     */
    uint64_t pin_repairs;
    /**
     * The CPU it is pinned to; UINT32_MAX if it is not.
     */
    uint32_t cpu;
    /**
     * 0.
     */
    uint32_t reserved;
} vgpu_worker_stats;

/**
 * Told the outcome of a task by the thread that completes it. It must not wait.
 */
typedef void (*vgpu_completion_fn)(void *user_data, vgpu_status status);

/**
 * A piece of a loop: the indices from begin up to, and without, end. Returns as a vgpu_task_fn does.
 */
typedef int32_t (*vgpu_range_fn)(struct vgpu_worker *worker, void *user_data, size_t begin, size_t end);

/**
 * A tile of a loop over rows and columns; each end is not part of the tile. Returns as a vgpu_task_fn does.
 */
typedef int32_t (*vgpu_tile_fn)(struct vgpu_worker *worker,
                                void *user_data,
                                size_t row_begin,
                                size_t row_end,
                                size_t col_begin,
                                size_t col_end);

/**
 * One of many calls, by its number. Returns as a vgpu_task_fn does.
 */
typedef int32_t (*vgpu_index_fn)(struct vgpu_worker *worker, void *user_data, size_t index);

/**
 * A piece of a reduction or a scan: the indices from begin up to, and without, end, and a value to read and change, aligned to
 * 64 bytes and valid during the call. Returns as a vgpu_task_fn does.
 */
typedef int32_t (*vgpu_value_fn)(struct vgpu_worker *worker,
                                 void *user_data,
                                 size_t begin,
                                 size_t end,
                                 void *value);

/**
 * Combines two neighbouring values: left becomes what left and right are together. Returns as a vgpu_task_fn does.
 */
typedef int32_t (*vgpu_combine_fn)(void *user_data, void *left, const void *right);

/**
 * Compares two elements of an array: a negative number if a comes before b, a positive one if after, else 0. It must order all
 * elements, and may be called from several threads at a time.
 */
typedef int32_t (*vgpu_compare_fn)(void *user_data, const void *a, const void *b);

/**
 * The settings of a graph. Begin with vgpu_graph_config_init(); zero always means the default.
 */
typedef struct vgpu_graph_config {
    /**
     * The size of this struct as the program was compiled; set by vgpu_graph_config_init().
     */
    uint32_t struct_size;
    /**
     * VGPU_GRAPH_ flags, or 0.
     */
    uint32_t flags;
    /**
     * Where the graph's memory comes from, and where it goes back to: both or neither.
     */
    vgpu_allocate_fn allocate;
    /**
     * See allocate.
     */
    vgpu_free_fn free;
    /**
     * Passed to both.
     */
    void *allocator_context;
} vgpu_graph_config;

/**
 * A vertex of one graph, and of no other. 0 is never one.
 */
typedef uint64_t vgpu_vertex;

/**
 * A condition of a graph: sets bit i of `*chosen`, which is 0 before, for each successor i that is to run, numbered in the order of
 * its edges. Returns as a vgpu_task_fn does.
 */
typedef int32_t (*vgpu_condition_fn)(struct vgpu_worker *worker, void *user_data, uint64_t *chosen);

/**
 * Hears how far a long computation is. Returns 0 to go on; any other number ends it, and comes out of it as from a vgpu_task_fn.
 *
 * @param user_data  what was passed with the function
 * @param done       how much is done
 * @param total      how much there is to do
 */
typedef int32_t (*vgpu_progress_fn)(void *user_data, uint64_t done, uint64_t total);

/**
 * A link of a worker's private stack of forked jobs. For vgpu_pool.hpp alone.
 */
typedef struct vgpu_fork_link {
    /**
     * The link pushed after this one.
     */
    struct vgpu_fork_link *newer;
    /**
     * The link pushed before this one.
     */
    struct vgpu_fork_link *older;
} vgpu_fork_link;

/**
 * A forked job, on the frame that forked it. For vgpu_pool.hpp alone.
 */
typedef struct vgpu_fork_job {
    /**
     * Its place on the private stack.
     */
    struct vgpu_fork_link link;
    /**
     * Runs the job on the worker that took it, and then calls vgpu_fork_finish(). It must not unwind.
     */
    void (*run)(struct vgpu_fork_job *job, struct vgpu_worker *worker);
    /**
     * Room for the library, which fills it when the job becomes public.
     */
    uint64_t done[6];
} vgpu_fork_job;

/**
 * A machine, as the calling thread may use it. Set struct_size, cpu_size and node_size to the sizes of the three structs as the program
 * was compiled; a newer library fills no more than that, and zeroes what it does not know. Sizes of caches are in bytes, and 0 where the
 * system does not tell; where CPUs differ they are the ones with the least room for each CPU.
 */
typedef struct vgpu_topology {
    /**
     * sizeof(vgpu_topology); set by the caller.
     */
    uint32_t struct_size;
    /**
     * sizeof(vgpu_cpu); set by the caller.
     */
    uint32_t cpu_size;
    /**
     * sizeof(vgpu_node); set by the caller.
     */
    uint32_t node_size;
    /**
     * How many CPUs the thread may use.
     */
    uint32_t num_cpus;
    /**
     * How many NUMA nodes there are, at least 1.
     */
    uint32_t num_nodes;
    /**
     * How many workers a pool has by default: the CPUs, but no more than the cgroup's quota lets run.
     */
    uint32_t default_workers;
    /**
     * The data cache of the first level.
     */
    uint64_t l1d_bytes;
    /**
     * The cache of the second level, all of it.
     */
    uint64_t l2_bytes;
    /**
     * The cache of the third level, all of it.
     */
    uint64_t l3_bytes;
    /**
     * How many CPUs share an L2 cache; 0 where there is none.
     */
    uint32_t l2_sharers;
    /**
     * How many CPUs share an L3 cache; 0 where there is none.
     */
    uint32_t l3_sharers;
    /**
     * The size of a cache line in bytes.
     */
    uint32_t line_bytes;
    /**
     * 0.
     */
    uint32_t reserved;
} vgpu_topology;

/**
 * A CPU, which is a hardware thread. Groups are numbered from 0, and mean nothing but that those with the same number share something.
 */
typedef struct vgpu_cpu {
    /**
     * The system's number.
     */
    uint32_t number;
    /**
     * The group that shares a core.
     */
    uint32_t core;
    /**
     * Which of its core's CPUs this is, from 0.
     */
    uint32_t thread;
    /**
     * The group that shares an L2 cache.
     */
    uint32_t l2;
    /**
     * The group that shares an L3 cache.
     */
    uint32_t l3;
    /**
     * The group in one package.
     */
    uint32_t package;
    /**
     * The NUMA node, by the system's number.
     */
    uint32_t node;
    /**
     * How strong the CPU is where there are several kinds; the strongest has 1024.
     */
    uint32_t capacity;
} vgpu_cpu;

/**
 * A NUMA node: CPUs, memory, or both.
 */
typedef struct vgpu_node {
    /**
     * The system's number. Numbers may have gaps.
     */
    uint32_t number;
    /**
     * How many of its CPUs the thread may use.
     */
    uint32_t num_cpus;
    /**
     * VGPU_NODE_HAS_MEMORY and VGPU_NODE_MEMORY_ALLOWED, or 0.
     */
    uint32_t flags;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Its memory in bytes.
     */
    uint64_t memory_bytes;
} vgpu_node;

/**
 * One micropool of a set. Begin with vgpu_micropool_init(); zero means the default, where there is one.
 */
typedef struct vgpu_micropool {
    /**
     * The size of this struct as the program was compiled; set by vgpu_micropool_init(). The same in all structs of an array.
     */
    uint32_t struct_size;
    /**
     * How many workers; 0: as many as it has CPUs.
     */
    uint32_t num_workers;
    /**
     * How many tasks that came in through it may be in the set at a time, of 128 bytes each; 0: 1024.
     */
    uint32_t num_places;
    /**
     * How many words `cpus` has.
     */
    uint32_t num_cpu_words;
    /**
     * What it is called, in UTF-8; its workers' threads are named with the first 8 bytes. No two are called the same.
     */
    const char *name;
    /**
     * On which CPUs its workers are pinned: CPU n is bit n % 64 of word n / 64. NULL: the machine's, of which those micropools without
     * CPUs of their own get one after the other. Not used after the call.
     */
    const uint64_t *cpus;
} vgpu_micropool;

/**
 * A stage of a task in a micropool: what it does there. Returns 0 for success; any other number is its own error code.
 *
 * @param task       the running task, valid during the call
 * @param user_data  what the task was submitted with
 */
typedef int32_t (*vgpu_micropool_task_fn)(struct vgpu_micropool_task *task, void *user_data);

/**
 * Where memory is. Set struct_size to sizeof(vgpu_node_report) before the call.
 */
typedef struct vgpu_node_report {
    /**
     * The size of this struct as the program was compiled.
     */
    uint32_t struct_size;
    /**
     * The node it was put on: the one asked for, or the nearest with memory that the process may use. UINT32_MAX for
     * interleaved memory.
     */
    uint32_t node;
    /**
     * One of VGPU_VERIFIED_BY_.
     */
    uint32_t verified_by;
    /**
     * 1: the system refused to be told the place, and threads that ran there wrote the pages first.
     */
    uint32_t policy_refused;
    /**
     * Size of the pages counted, in bytes.
     */
    uint64_t page_bytes;
    /**
     * How many pages there are.
     */
    uint64_t pages;
    /**
     * How many are on the node; for interleaved memory, on any.
     */
    uint64_t pages_there;
    /**
     * How many are on other nodes.
     */
    uint64_t pages_elsewhere;
    /**
     * How many have not been written yet.
     */
    uint64_t pages_absent;
    /**
     * Of how many the system did not tell.
     */
    uint64_t pages_unknown;
    /**
     * The other node with the most pages; UINT32_MAX if there is none.
     */
    uint32_t spill_node;
    /**
     * Always 0.
     */
    uint32_t reserved;
} vgpu_node_report;

/**
 * The first words of a vgpu_worker, which belong to its own thread. For vgpu_pool.hpp alone.
 */
typedef struct vgpu_fork_words {
    /**
     * The newest link of the private stack.
     */
    struct vgpu_fork_link *newest;
    /**
     * The newest link that others know.
     */
    struct vgpu_fork_link *last_public;
    /**
     * The oldest link, which is no job.
     */
    struct vgpu_fork_link base;
    /**
     * The two ends of the worker's deque, top and bottom: nothing is there to steal unless the first is below the second.
     * Other threads change the first: to be read atomically.
     */
    const ptrdiff_t *ends;
    /**
     * The lowest address of a frame that may fork.
     */
    size_t stack_limit;
} vgpu_fork_words;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The name of a status, such as "VGPU_ERROR_CLOSED".
 *
 * @param status  any number
 * @return a string that is never freed; "VGPU_ERROR_UNKNOWN" for a number that is no status of this library
 * @note Thread safety: any thread.
 */
VGPU_API const char *vgpu_status_name(vgpu_status status);

/**
 * The sentence about the last failed call of the calling thread: what was asked, what was found, what to do.
 *
 * @return a string that is valid until the thread's next failed call; "" when none has failed yet
 * @note Thread safety: any thread; each has its own.
 */
VGPU_API const char *vgpu_last_error_message(void);

/**
 * To be called in a task before it returns a number other than 0: a sentence that goes with it.
 *
 * The sentence comes out of vgpu_last_error_message() where the task is waited for. When the task returns 0 it is
 * thrown away. The string is copied; what is longer than 240 bytes is cut, and what is not UTF-8 is replaced.
 *
 * @param message  a terminated string
 * @return VGPU_OK, or VGPU_ERROR_INVALID_ARGUMENT if message is NULL
 * @note Thread safety: any thread; it counts for the task that the calling thread runs.
 */
VGPU_API vgpu_status vgpu_task_set_error(const char *message);

/**
 * The version of the binary interface: VGPU_ABI_VERSION of the header that the library was built with. It changes only when a
 * program must be compiled anew.
 *
 * @note Thread safety: any thread.
 */
VGPU_API uint32_t vgpu_abi_version(void);

/**
 * The version of the library, such as "1.2.3".
 *
 * @return a string that is never freed
 * @note Thread safety: any thread.
 */
VGPU_API const char *vgpu_version_string(void);

/**
 * Fills a config with the defaults. Programs call the macro vgpu_pool_config_init(), which knows the size.
 *
 * @param config  where to write; NULL does nothing
 * @param size    sizeof(vgpu_pool_config) as the program was compiled; what lies beyond this library's knowledge is zeroed
 * @note Thread safety: any thread, each on its own config.
 */
VGPU_API void vgpu_pool_config_init_sized(struct vgpu_pool_config *config,
                                          uint32_t size);

/**
 * Makes a pool and starts its workers.
 *
 * @param config  the settings; NULL for the defaults
 * @param pool    where the handle goes; NULL goes there on failure
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for a setting out of range; VGPU_ERROR_OUT_OF_MEMORY;
 *         VGPU_ERROR_THREAD_SPAWN; VGPU_ERROR_AFFINITY if pinning is required and refused. On failure whatever was started
 *         is stopped and whatever was allocated is given back.
 * @note Thread safety: any thread. Blocks until the threads are started.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_pool_create(const struct vgpu_pool_config *config,
                                                     struct vgpu_pool **pool);

/**
 * Ends a pool: refuses new tasks from outside, runs what was accepted, joins the threads and frees the pool.
 *
 * @param pool  the pool; NULL does nothing
 * @return VGPU_OK; VGPU_ERROR_WOULD_DEADLOCK from inside one of its tasks, and the pool goes on; VGPU_ERROR_INVALID_ARGUMENT for a
 *         pool made with VGPU_POOL_ON_CALLER on another thread than the one that made it, and the pool goes on; VGPU_ERROR_FORKED
 *         in a forked child, where the threads do not exist and the memory is left alone
 * @note Thread safety: once, by a thread that is not a worker of the pool. Other threads may be submitting when it begins;
 *       nobody may use the handle after it has returned. Blocks until everything is done.
 */
VGPU_API vgpu_status vgpu_pool_destroy(struct vgpu_pool *pool);

/**
 * Runs queued tasks on the calling thread, in a pool made with VGPU_POOL_ON_CALLER on the thread that made it. Returns when none are
 * left, or when the budget is spent; does not wait for more. Inside one of the pool's tasks it runs others meanwhile.
 *
 * @param pool       the pool
 * @param max_tasks  how many at most; 0: any number
 * @param budget_ns  after so many nanoseconds none is begun any more, but one is in any case; 0: any time
 * @param ran        where it goes how many were run; may be NULL
 * @return VGPU_OK, also if there was none; VGPU_ERROR_INVALID_ARGUMENT for NULL, for a pool with threads, and on another thread;
 *         VGPU_ERROR_STACK_LIMIT too deep in pumps in tasks; VGPU_ERROR_FORKED
 * @note Thread safety: the thread that made the pool. Lasts as long as the tasks do.
 */
VGPU_API vgpu_status vgpu_pool_pump(struct vgpu_pool *pool,
                                    size_t max_tasks,
                                    uint64_t budget_ns,
                                    size_t *ran);

/**
 * How many workers a pool has; 0 for NULL.
 *
 * @note Thread safety: any thread.
 */
VGPU_API uint32_t vgpu_pool_num_workers(const struct vgpu_pool *pool);

/**
 * How many workers of a pool have places now; the others rest. 0 for NULL.
 *
 * @note Thread safety: any thread.
 */
VGPU_API uint32_t vgpu_pool_active_workers(const struct vgpu_pool *pool);

/**
 * Lets at most so many workers have places by load from now on, but at least min_workers. Those that lose their places finish what
 * they have begun. In a pool whose number of workers is fixed nothing changes.
 *
 * @param pool     the pool
 * @param workers  how many; 0 takes the limit back
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL
 * @note Thread safety: any thread, tasks included. Does not block.
 */
VGPU_API vgpu_status vgpu_pool_limit_workers(struct vgpu_pool *pool,
                                             uint32_t workers);

/**
 * Submits a task: it runs once, on some worker.
 *
 * Tasks submitted by one thread are started in the order in which it submitted them, as long as they fit one shard of
 * the inbox.
 *
 * @param pool       the pool
 * @param function   the task
 * @param user_data  passed to it
 * @param destroy    called once with user_data when the task has run or was cancelled; may be NULL. Not called if this fails
 * @param future     where the handle goes, NULL on failure; if this is NULL itself the task runs unobserved
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_QUEUE_FULL if the pool was told to say so; VGPU_ERROR_CLOSED;
 *         VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_FORKED
 * @note Thread safety: any thread, tasks included. Does not block, unless the pool was told to when the inbox is full.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_pool_submit(struct vgpu_pool *pool,
                                                     vgpu_task_fn function,
                                                     void *user_data,
                                                     vgpu_destroy_fn destroy,
                                                     struct vgpu_future **future);

/**
 * As vgpu_pool_submit(), for a task of which something is asked: a priority, a place.
 *
 * @param options  what is asked; NULL for nothing. Not used after the call
 * @return as vgpu_pool_submit(); VGPU_ERROR_INVALID_ARGUMENT also for options out of range, and for a place where the pool has no
 *         worker
 * @note Thread safety: as vgpu_pool_submit().
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_pool_submit_with(struct vgpu_pool *pool,
                                                          const struct vgpu_task_options *options,
                                                          vgpu_task_fn function,
                                                          void *user_data,
                                                          vgpu_destroy_fn destroy,
                                                          struct vgpu_future **future);

/**
 * Says to whom workers go first from here on when they look for work.
 *
 * @param order  one of VGPU_VICTIMS_
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT
 * @note Thread safety: any thread. Takes effect at each worker's next look.
 */
VGPU_API vgpu_status vgpu_pool_set_victims(struct vgpu_pool *pool, uint32_t order);

/**
 * Says where tasks from outside go from here on.
 *
 * @param mode  one of VGPU_INBOX_NEAREST, VGPU_INBOX_ROUND_ROBIN and VGPU_INBOX_SHARED
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT
 * @note Thread safety: any thread. What is queued already stays where it is, and is taken as before.
 */
VGPU_API vgpu_status vgpu_pool_set_inbox_mode(struct vgpu_pool *pool, uint32_t mode);

/**
 * As vgpu_pool_submit(), with the task in storage that the caller provides. Nothing is allocated.
 *
 * The storage belongs to the library until vgpu_future_release() has returned; it must not move or be used meanwhile.
 *
 * @param storage  where the task lies; its contents do not matter
 * @param future   where the handle goes; not NULL, because its release gives the storage back
 * @return as vgpu_pool_submit(). On failure the storage is the caller's again
 * @note Thread safety: as vgpu_pool_submit().
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_pool_submit_in(struct vgpu_pool *pool,
                                                        struct vgpu_task_storage *storage,
                                                        vgpu_task_fn function,
                                                        void *user_data,
                                                        vgpu_destroy_fn destroy,
                                                        struct vgpu_future **future);

/**
 * Waits until no task of the pool is queued or running, those submitted meanwhile included.
 *
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_WOULD_DEADLOCK from inside one of its tasks;
 *         VGPU_ERROR_FORKED
 * @note Thread safety: any thread that is not a worker of the pool. Blocks.
 */
VGPU_API vgpu_status vgpu_pool_wait_all(struct vgpu_pool *pool);

/**
 * How many CPUs the calling thread may use. A pool made with the defaults has as many workers, or fewer if the cgroup's
 * quota allows less.
 *
 * @return the number; at least 1
 * @note Thread safety: any thread.
 */
VGPU_API uint32_t vgpu_available_cpus(void);

/**
 * Makes a lease: as long as it is not ended, threads may lend themselves to the pool by vgpu_lease_run().
 *
 * @param pool   a pool made with host_seats
 * @param lease  where the handle goes; NULL goes there on failure
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT, also for a pool without host_seats; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_FORKED
 * @note Thread safety: any thread.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_lease_create(struct vgpu_pool *pool,
                                                      struct vgpu_lease **lease);

/**
 * Lends the calling thread to the pool: it is one of its workers, runs tasks and sleeps when there are none, until the lease is ended,
 * the time is up or the pool is destroyed. What it has begun it finishes. Its CPU mask, name and signals stay as they are; on_worker_start
 * and on_worker_stop are called on it. Several threads may be lent on one lease, as many as the pool has host_seats.
 *
 * @param lease       the lease
 * @param timeout_ns  for how long, in nanoseconds; UINT64_MAX: for any time
 * @return VGPU_OK when the lease was ended; VGPU_ERROR_TIMED_OUT when the time is up; VGPU_ERROR_CLOSED if the pool has been destroyed,
 *         before the call or meanwhile; VGPU_ERROR_ALREADY_STARTED if all seats are taken; VGPU_ERROR_WOULD_DEADLOCK on a worker of the
 *         pool; VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_FORKED
 * @note Thread safety: any thread, also while vgpu_pool_destroy() runs, which waits for lent threads, and after. Blocks.
 */
VGPU_API vgpu_status vgpu_lease_run(struct vgpu_lease *lease,
                                    uint64_t timeout_ns);

/**
 * Ends a lease: the threads lent on it return, and those that come later return at once. A second time does nothing.
 *
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL
 * @note Thread safety: any thread, tasks included, also while vgpu_pool_destroy() runs, and after. Does not block.
 */
VGPU_API vgpu_status vgpu_lease_end(struct vgpu_lease *lease);

/**
 * Frees a lease. The pool may be gone already; its allocator must not.
 *
 * @param lease  the lease; NULL does nothing
 * @note Thread safety: once, when every vgpu_lease_run() has returned.
 */
VGPU_API void vgpu_lease_destroy(struct vgpu_lease *lease);

/**
 * Reads what a pool's workers have done. Costs a few loads for each worker, and disturbs nobody: the counts are those of a moment
 * ago, and exact about everything that the caller has waited for.
 *
 *     vgpu_stats stats = {sizeof stats, sizeof(vgpu_worker_stats)};
 *     vgpu_worker_stats workers[64];
 *     if (vgpu_pool_stats(pool, &stats, workers, 64) == VGPU_OK) ...
 *
 * @param pool      the pool
 * @param stats     where the pool's part goes; struct_size and worker_size are set
 * @param workers   where the workers' parts go, in order; may be NULL if capacity is 0
 * @param capacity  how many there is room for; workers beyond it are left out, stats->num_workers says how many there are
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY. On failure nothing is written
 * @note Thread safety: any thread, tasks included. Does not block.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_pool_stats(const struct vgpu_pool *pool,
                                                    struct vgpu_stats *stats,
                                                    struct vgpu_worker_stats *workers,
                                                    uint32_t capacity);

/**
 * Says in words what a pool's workers have done and what held them up: a line for all, and one for each thing that stands out, such
 * as "- worker 3 searched 61 % of the time while worker 0 held 412 tasks: ...".
 *
 * @param pool    the pool
 * @param buffer  where the text goes, always terminated, cut if there is too little room; may be NULL if size is 0
 * @param size    how many bytes there are
 * @param length  where the length of the whole text goes, without its end; may be NULL
 * @return VGPU_OK, also if the text was cut; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY
 * @note Thread safety: any thread, tasks included. Does not block.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_pool_report(const struct vgpu_pool *pool,
                                                     char *buffer,
                                                     size_t size,
                                                     size_t *length);

/**
 * Begins to record what the pool's workers do: tasks, thefts, searches, sleeps and calls out of them. The trace before is
 * forgotten.
 *
 * @param pool               the pool
 * @param events_per_worker  the room in each worker's log, in events of 64 bytes; what comes when it is full is counted and dropped.
 *                           The first trace makes the room, and later ones may ask for no more; 0: what there is, or 16384
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_ALREADY_STARTED while a trace is recorded or written;
 *         VGPU_ERROR_OUT_OF_MEMORY
 * @note Thread safety: any thread, tasks included. Does not block.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_pool_trace_start(struct vgpu_pool *pool,
                                                          size_t events_per_worker);

/**
 * Ends the recording. What is under way is not in the trace.
 *
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT if there is no recording
 * @note Thread safety: any thread, tasks included. Does not block.
 */
VGPU_API vgpu_status vgpu_pool_trace_stop(struct vgpu_pool *pool);

/**
 * Writes the last trace to a file, as JSON in Chrome's trace-event format: open it in <https://ui.perfetto.dev>.
 *
 * @param pool  the pool
 * @param path  the file, which is made anew
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT, also if there is no trace; VGPU_ERROR_ALREADY_STARTED while a trace is recorded or
 *         written; VGPU_ERROR_IO with the system's words
 * @note Thread safety: any thread. Blocks while it writes.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_pool_trace_write(struct vgpu_pool *pool,
                                                          const char *path);

/**
 * Names the running task, or the forked job that the worker took from another, in traces. Costs a branch while no trace is
 * recorded.
 *
 * @param worker  what the callback was passed; NULL does nothing
 * @param label   a terminated string, of which 38 bytes of UTF-8 are copied; NULL does nothing, and so does what is not UTF-8
 * @note Thread safety: inside the callback.
 */
VGPU_API void vgpu_worker_set_label(const struct vgpu_worker *worker,
                                    const char *label);

/**
 * Waits until the task is done, and says how it ended. May be called again; the handle stays.
 *
 * Inside a task of the same pool the calling worker runs the awaited task itself if nobody has started it, and other
 * tasks while it runs elsewhere. Any other thread sleeps.
 *
 * @param future     the handle
 * @param task_code  where the number goes that the task returned; 0 goes there if it did not fail that way. May be NULL
 * @return VGPU_OK if the task returned 0; VGPU_ERROR_TASK_FAILED if it returned anything else, with its sentence in
 *         vgpu_last_error_message(); VGPU_ERROR_CANCELLED; VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_FORKED
 * @note Thread safety: any thread, several at a time. Blocks.
 */
VGPU_API vgpu_status vgpu_future_get(struct vgpu_future *future,
                                     int32_t *task_code);

/**
 * Waits until the task is done, however it ends.
 *
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_FORKED
 * @note Thread safety: any thread, several at a time. Blocks, and helps inside a task, as vgpu_future_get() does.
 */
VGPU_API vgpu_status vgpu_future_wait(struct vgpu_future *future);

/**
 * Waits until the task is done, but no longer than timeout_ns nanoseconds.
 *
 * @return VGPU_OK; VGPU_ERROR_TIMED_OUT, and the task goes on; otherwise as vgpu_future_wait()
 * @note Thread safety: any thread, several at a time. Inside a task it helps, and may return late by what it helped with.
 */
VGPU_API vgpu_status vgpu_future_wait_for(struct vgpu_future *future,
                                          uint64_t timeout_ns);

/**
 * Whether the task is done.
 *
 * @return 1 if it has finished, failed or was cancelled; 0 if not, and for NULL
 * @note Thread safety: any thread. Does not block.
 */
VGPU_API int32_t vgpu_future_is_ready(const struct vgpu_future *future);

/**
 * Cancels the task if it has not started. It is then done, and its outcome is VGPU_ERROR_CANCELLED.
 *
 * @return VGPU_OK; VGPU_ERROR_ALREADY_STARTED if it runs or is done; VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_FORKED
 * @note Thread safety: any thread. Does not block. Calls the task's destroy and completion callbacks.
 */
VGPU_API vgpu_status vgpu_future_cancel(struct vgpu_future *future);

/**
 * Makes a task more urgent that has not started. It is done by itself for a task that another task waits for which is more urgent.
 *
 * @param future    the task's, of a pool that is not being destroyed
 * @param priority  one of VGPU_PRIORITY_; a task that is as urgent already, has started or is done is left as it is
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_FORKED
 * @note Thread safety: any thread. Does not block.
 */
VGPU_API vgpu_status vgpu_future_raise_priority(struct vgpu_future *future,
                                                uint32_t priority);

/**
 * Has a function called when the task is done: by the thread that completes it, or by this call if it is done already.
 *
 * @param function   called once with user_data and the outcome as vgpu_future_get() gives it
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL or a second function; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_FORKED
 * @note Thread safety: any thread. The function must not wait.
 */
VGPU_API vgpu_status vgpu_future_on_complete(struct vgpu_future *future,
                                             vgpu_completion_fn function,
                                             void *user_data);

/**
 * Ends a handle. The task itself goes on; after vgpu_pool_submit_in() this waits until it is done and its storage is the
 * caller's again.
 *
 * @param future  the handle; NULL does nothing
 * @return VGPU_OK; VGPU_ERROR_FORKED if storage was provided and the task would never be done in this forked child
 * @note Thread safety: once for each handle; nobody may use it afterwards.
 */
VGPU_API vgpu_status vgpu_future_release(struct vgpu_future *future);

/**
 * Makes an empty group.
 *
 * @param pool   the pool its tasks run on, which must outlive it
 * @param group  where the handle goes; NULL goes there on failure
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_FORKED
 * @note Thread safety: any thread.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_group_create(struct vgpu_pool *pool, struct vgpu_group **group);

/**
 * Submits a task as one of the group.
 *
 * @return as vgpu_pool_submit()
 * @note Thread safety: any thread, tasks of the group included.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_group_submit(struct vgpu_group *group,
                                                      vgpu_task_fn function,
                                                      void *user_data,
                                                      vgpu_destroy_fn destroy);

/**
 * As vgpu_group_submit(), for a task of which something is asked: a priority, a place.
 *
 * @param options  what is asked; NULL for nothing. Not used after the call
 * @return as vgpu_pool_submit_with()
 * @note Thread safety: any thread, tasks of the group included.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_group_submit_with(struct vgpu_group *group,
                                                           const struct vgpu_task_options *options,
                                                           vgpu_task_fn function,
                                                           void *user_data,
                                                           vgpu_destroy_fn destroy);

/**
 * Submits many tasks as vgpu_group_submit() does each, for less: they are counted, queued and announced together.
 *
 *     for (size_t i = 0; i < count; i++) vgpu_group_submit(group, function, user_data ? user_data[i] : NULL, destroy);
 *
 * @param group      the group
 * @param function   what each task does
 * @param user_data  count pointers, one for each task; NULL passes NULL to all. The array is not used after the call
 * @param count      how many tasks; may be 0
 * @param destroy    as in vgpu_pool_submit(), called once with each task's pointer
 * @param submitted  where the number goes of those that were submitted, the first ones; may be NULL. It is count unless this fails
 * @return as vgpu_pool_submit(). What was submitted before a failure goes on; for the others destroy is not called
 * @note Thread safety: any thread, tasks of the group included.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_group_submit_batch(struct vgpu_group *group,
                                                            vgpu_task_fn function,
                                                            void *const *user_data,
                                                            size_t count,
                                                            vgpu_destroy_fn destroy,
                                                            size_t *submitted);

/**
 * Waits until every task of the group is done. The group can be used again afterwards.
 *
 * @param group      the group
 * @param task_code  where the number goes that the first failing task returned, or 0; may be NULL
 * @return VGPU_OK if no task failed; otherwise the first failure, as vgpu_future_get() gives it;
 *         VGPU_ERROR_INVALID_ARGUMENT for NULL; VGPU_ERROR_FORKED
 * @note Thread safety: one thread at a time. Blocks; inside a task it helps, as vgpu_future_get() does.
 */
VGPU_API vgpu_status vgpu_group_wait(struct vgpu_group *group, int32_t *task_code);

/**
 * Waits for the group's tasks and frees it.
 *
 * @param group  the group; NULL does nothing
 * @return VGPU_OK; VGPU_ERROR_FORKED in a forked child, where its tasks would never be done and its memory is left alone
 * @note Thread safety: once; nobody may use the group afterwards.
 */
VGPU_API vgpu_status vgpu_group_destroy(struct vgpu_group *group);

/**
 * A loop on the pool: the parallel version of
 *
 *     for (size_t i = 0; i < n; i++) function(worker, user_data, i, i + 1);
 *
 * The indices are handed out in pieces that together cover them exactly once; the order is not fixed. With a grain of 0 the
 * library adapts: it hands out half of what is left whenever a worker has nothing else that others could take, so
 * that pieces are long where indices are cheap and the workers busy.
 *
 * @param pool       the pool; NULL runs the pieces in order on the caller
 * @param n          how many indices
 * @param grain      the most indices of one piece; 0 lets the library choose, and adapt
 * @param function   called for each piece
 * @param user_data  passed to it
 * @return VGPU_OK; the first failure of a piece, in which case pieces not yet begun are left out;
 *         VGPU_ERROR_STACK_LIMIT for a task so deep in recursion that its worker cannot fork;
 *         VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
 * @note Thread safety: any thread, tasks included. Blocks until every piece is done.
 */
VGPU_API vgpu_status vgpu_parallel_for(struct vgpu_pool *pool,
                                       size_t n,
                                       size_t grain,
                                       vgpu_range_fn function,
                                       void *user_data);

/**
 * A loop on the pool whose indices go to the same workers each time: for passing over the same data again and again, where it should
 * stay in a worker's caches, or lies on its NUMA node since this loop wrote it first. Of n indices on w workers, worker i gets those
 * from n * i / w up to n * (i + 1) / w, in order. No worker helps another, so the indices should take about equally long. Only one that
 * does not come to its indices, since it is in the middle of something else, loses them to the caller. Spare workers, and seats for
 * lent threads, get none. In a task that is bound to a place it is vgpu_parallel_for().
 *
 * @param pool       the pool; NULL runs the pieces in order on the caller
 * @param n          how many indices
 * @param grain      the most indices of one piece; 0: a worker's indices are one piece
 * @param function   called for each piece
 * @param user_data  passed to it
 * @return as vgpu_parallel_for(); VGPU_ERROR_OUT_OF_MEMORY, with nothing begun
 * @note Thread safety: any thread, tasks included. Blocks until every piece is done.
 */
VGPU_API vgpu_status vgpu_parallel_for_static(struct vgpu_pool *pool,
                                              size_t n,
                                              size_t grain,
                                              vgpu_range_fn function,
                                              void *user_data);

/**
 * A loop over the tiles of a rectangle: the parallel version of
 *
 *     for (size_t r = 0; r < rows; r += tile_rows)
 *         for (size_t c = 0; c < cols; c += tile_cols)
 *             function(worker, user_data, r, MIN(r + tile_rows, rows), c, MIN(c + tile_cols, cols));
 *
 * @param pool       the pool; NULL runs the tiles in order on the caller
 * @param rows       rows of the rectangle
 * @param cols       columns of the rectangle
 * @param tile_rows  rows of a tile, at least 1
 * @param tile_cols  columns of a tile, at least 1
 * @param function   called for each tile
 * @param user_data  passed to it
 * @return as vgpu_parallel_for(); VGPU_ERROR_OVERFLOW for more tiles than can be counted
 * @note Thread safety: any thread, tasks included. Blocks until every tile is done.
 */
VGPU_API vgpu_status vgpu_parallel_for_tiles(struct vgpu_pool *pool,
                                             size_t rows,
                                             size_t cols,
                                             size_t tile_rows,
                                             size_t tile_cols,
                                             vgpu_tile_fn function,
                                             void *user_data);

/**
 * Calls two functions, perhaps at the same time, and returns when both are done. May be nested to any depth that the stack
 * allows.
 *
 * @param pool    the pool; NULL calls one after the other
 * @param a       called on the calling worker, or first
 * @param data_a  passed to a
 * @param b       called by whoever has time
 * @param data_b  passed to b
 * @return VGPU_OK; the failure of a, else that of b; VGPU_ERROR_STACK_LIMIT for a recursion too deep for the worker's stack;
 *         VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED. Both are called even if one
 *         fails, as far as the stack reaches
 * @note Thread safety: any thread, tasks included. Blocks until both are done.
 */
VGPU_API vgpu_status vgpu_join(struct vgpu_pool *pool,
                               vgpu_task_fn a,
                               void *data_a,
                               vgpu_task_fn b,
                               void *data_b);

/**
 * Calls a function once for each index, perhaps at the same time, and returns when all calls have returned: vgpu_join() for more
 * than two, and the parallel version of
 *
 *     for (size_t i = 0; i < n; i++) function(worker, user_data, i);
 *
 * Each call is a fork of its own and may fork again, nested to any depth that the stack allows. For cheap bodies
 * vgpu_parallel_for() is faster.
 *
 * @param pool       the pool; NULL makes the calls in order on the caller
 * @param n          how many calls
 * @param function   called with each index below n
 * @param user_data  passed to it
 * @return VGPU_OK; the failure of the lowest index; VGPU_ERROR_STACK_LIMIT for a recursion too deep for the worker's stack;
 *         VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED. All calls are made even if
 *         some fail, as far as the stack reaches
 * @note Thread safety: any thread, tasks included. Blocks until all calls have returned.
 */
VGPU_API vgpu_status vgpu_fork_all(struct vgpu_pool *pool,
                                   size_t n,
                                   vgpu_index_fn function,
                                   void *user_data);

/**
 * One value out of n indices: the parallel version of
 *
 *     memcpy(result, identity, size);
 *     map(worker, user_data, 0, n, result);
 *
 * The indices are cut into pieces. Each piece gets a value that begins as a copy of identity, and map adds the piece's indices to
 * it. Neighbouring values are then combined, the left with the right, until one is left.
 *
 * The cuts and the order of the combinations depend on n and grain alone, not on the pool: the result is the same to the last
 * bit for any number of workers, floating-point sums included, and for a NULL pool. combine must be associative as far as
 * one cares, and need not be commutative. identity must be neutral: combined with a value it gives that value.
 *
 * Values are moved by copying their bytes. Those of more than 64 bytes are allocated while they are in use.
 *
 * @param pool       the pool; NULL does the same in order on the caller
 * @param n          how many indices; 0 gives identity
 * @param grain      how many indices each piece has, the last one perhaps fewer; 0 lets n decide
 * @param size       bytes of a value; at least 1
 * @param identity   the value that pieces begin with
 * @param map        adds the indices of a piece to a value
 * @param combine    adds the right one of two neighbouring values to the left one
 * @param user_data  passed to both
 * @param result     where the value goes; written only if all went well
 * @return VGPU_OK; the first failure of map or combine, in which case pieces not yet begun are left out;
 *         VGPU_ERROR_STACK_LIMIT for a task so deep in recursion that its worker cannot fork; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OVERFLOW for a size that no memory has; VGPU_ERROR_OUT_OF_MEMORY;
 *         VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
 * @note Thread safety: any thread, tasks included. Blocks until the result is there.
 */
VGPU_API vgpu_status vgpu_parallel_reduce(struct vgpu_pool *pool,
                                          size_t n,
                                          size_t grain,
                                          size_t size,
                                          const void *identity,
                                          vgpu_value_fn map,
                                          vgpu_combine_fn combine,
                                          void *user_data,
                                          void *result);

/**
 * For each index the value of all that comes before it: the parallel version of
 *
 *     memcpy(value, identity, size);
 *     write(worker, user_data, 0, n, value);
 *
 * The indices are cut into pieces. First sum is called for each piece but the last, with a copy of identity, and adds the piece's
 * indices to it. When all sums are there, write is called once for each piece with the value of all that comes before
 * the piece, and writes what the program wants to know of its indices; it may use the value as its own. A running sum of
 * doubles in place, each element with itself included:
 *
 *     static int32_t sum(vgpu_worker *worker, void *data, size_t begin, size_t end, void *value) {
 *         for (; begin < end; begin++) *(double *)value += ((double *)data)[begin];
 *         return 0;
 *     }
 *     static int32_t combine(void *data, void *left, const void *right) {
 *         *(double *)left += *(const double *)right;
 *         return 0;
 *     }
 *     static int32_t write(vgpu_worker *worker, void *data, size_t begin, size_t end, void *value) {
 *         for (; begin < end; begin++) ((double *)data)[begin] = *(double *)value += ((double *)data)[begin];
 *         return 0;
 *     }
 *
 * The cuts depend on n and grain alone, and what comes before a piece is combined in order: what is written is the same to the
 * last bit for any number of workers and for a NULL pool. combine must be associative as far as one cares. identity must be
 * neutral: combined with a value it gives that value.
 *
 * Values are moved by copying their bytes. Memory for one value for each piece is allocated: at most 1024 with a grain of 0.
 *
 * @param pool       the pool; NULL does the same in order on the caller
 * @param n          how many indices
 * @param grain      how many indices each piece has, the last one perhaps fewer; 0 lets n decide
 * @param size       bytes of a value; at least 1
 * @param identity   the value before the first index
 * @param sum        adds the indices of a piece to a value
 * @param combine    adds the right one of two neighbouring values to the left one; called by one thread at a time
 * @param write      is told what comes before a piece
 * @param user_data  passed to all three
 * @return VGPU_OK; the first failure of sum, combine or write, in which case pieces not yet begun are left out, and some may have
 *         been written; VGPU_ERROR_STACK_LIMIT, likewise, for a task so deep in recursion that its worker cannot fork;
 *         VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OVERFLOW for a size that no memory has;
 *         VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
 * @note Thread safety: any thread, tasks included. Blocks until all is written.
 */
VGPU_API vgpu_status vgpu_parallel_scan(struct vgpu_pool *pool,
                                        size_t n,
                                        size_t grain,
                                        size_t size,
                                        const void *identity,
                                        vgpu_value_fn sum,
                                        vgpu_combine_fn combine,
                                        vgpu_value_fn write,
                                        void *user_data);

/**
 * Sorts an array in ascending order, in place: the parallel version of qsort().
 *
 * The sort is unstable: elements that compare equal may change places, in the same way for any number of workers and for a
 * NULL pool. In the worst case it takes a number of comparisons proportional to n log(n). Nothing is allocated. compare gets
 * pointers into the array. If it is no order, the elements are left in some order, each of them once.
 *
 * @param pool       the pool; NULL sorts on the caller
 * @param elements   the array; may be NULL if n is 0
 * @param n          how many elements
 * @param size       bytes of an element, at least 1
 * @param compare    says which of two elements comes first
 * @param user_data  passed to it
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OVERFLOW for an array that does not fit the address space;
 *         VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED. The array is then untouched. VGPU_ERROR_STACK_LIMIT for a task so deep
 *         in recursion that its worker cannot fork: the elements are then in some order, each of them once
 * @note Thread safety: any thread, tasks included, on different arrays. Blocks until the array is sorted.
 */
VGPU_API vgpu_status vgpu_parallel_sort(struct vgpu_pool *pool,
                                        void *elements,
                                        size_t n,
                                        size_t size,
                                        vgpu_compare_fn compare,
                                        void *user_data);

/**
 * Fills a config with the defaults. Programs call the macro vgpu_graph_config_init(), which knows the size.
 *
 * @param config  where to write; NULL does nothing
 * @param size    sizeof(vgpu_graph_config) as the program was compiled; what lies beyond this library's knowledge is zeroed
 * @note Thread safety: any thread, each on its own config.
 */
VGPU_API void vgpu_graph_config_init_sized(struct vgpu_graph_config *config,
                                           uint32_t size);

/**
 * Makes a graph without vertices.
 *
 * A graph is made once and run often: add the vertices, say with vgpu_graph_precede() which waits for which, build it, and
 * run it with vgpu_graph_run(), or with vgpu_graph_launch() and vgpu_graph_wait(). It belongs to no pool. Runs
 * allocate nothing.
 *
 * @param config  the settings; NULL for the defaults
 * @param graph   where the handle goes; NULL goes there on failure
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for a setting out of range; VGPU_ERROR_OUT_OF_MEMORY
 * @note Thread safety: any thread.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_graph_create(const struct vgpu_graph_config *config,
                                                      struct vgpu_graph **graph);

/**
 * Adds a vertex: each run calls its function once, on some worker, when all vertices before it have returned. What those
 * wrote is visible to it. A function that returns a number other than 0 fails, as a task does.
 *
 * @param graph      a graph that is not built yet
 * @param name       by which errors tell the vertex; copied. NULL or "": by its number
 * @param function   the function
 * @param user_data  passed to it
 * @param destroy    called once with user_data when the graph is destroyed; may be NULL. Not called if this fails
 * @param vertex     where the vertex goes, 0 on failure; may be NULL
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_OVERFLOW for more than 2^32 - 1 vertices
 * @note Thread safety: one thread at a time for one graph.
 */
VGPU_API vgpu_status vgpu_graph_add(struct vgpu_graph *graph,
                                    const char *name,
                                    vgpu_task_fn function,
                                    void *user_data,
                                    vgpu_destroy_fn destroy,
                                    vgpu_vertex *vertex);

/**
 * Adds a condition: a vertex that chooses which of its successors run, one, several or none, and so makes branches and loops.
 *
 * An edge from a condition is weak: its end waits to be chosen, and for nothing else. A run goes in rounds. The first has what
 * nothing comes before, and all that follows without a choice. When a round has ended, to its last vertex, what its conditions
 * have chosen begins the next, each vertex once. When nothing was chosen, the run is over. A condition may choose itself, or what has
 * run before: it is for the program to end such a loop, or for vgpu_graph_cancel().
 *
 *     start -> body        start and again are conditions that choose body; again does so until it has had enough
 *     body  -> again
 *     again -> body
 *
 * A condition that fails or is skipped chooses nothing. One that chooses a successor that it does not have fails with
 * VGPU_ERROR_INVALID_ARGUMENT. It has 63 edges at most.
 *
 * @param graph      a graph that is not built yet
 * @param name       as for vgpu_graph_add()
 * @param function   the function
 * @param user_data  passed to it
 * @param destroy    called once with user_data when the graph is destroyed; may be NULL. Not called if this fails
 * @param vertex     where the vertex goes, 0 on failure; may be NULL
 * @return as vgpu_graph_add()
 * @note Thread safety: one thread at a time for one graph.
 */
VGPU_API vgpu_status vgpu_graph_add_condition(struct vgpu_graph *graph,
                                              const char *name,
                                              vgpu_condition_fn function,
                                              void *user_data,
                                              vgpu_destroy_fn destroy,
                                              vgpu_vertex *vertex);

/**
 * Adds an edge: `after` does not start before `before` has returned. An edge that is there already changes nothing. If `before` is a
 * condition, `after` is its next choice.
 *
 * @param graph   a graph that is not built yet
 * @param before  a vertex of it
 * @param after   another one; or a condition itself
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL, for a vertex of another graph, and for an edge from a vertex that is no
 *         condition to itself; VGPU_ERROR_OUT_OF_MEMORY
 * @note Thread safety: one thread at a time for one graph.
 */
VGPU_API vgpu_status vgpu_graph_precede(struct vgpu_graph *graph,
                                        vgpu_vertex before,
                                        vgpu_vertex after);

/**
 * Checks that the graph can be run to its end, and makes it ready for that. It takes no more vertices and edges then.
 *
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL, for a graph that is built already, for a cycle: the message tells
 *         its vertices in order; and for a vertex that waits for what may not be chosen, that is waited for and chosen, or that no
 *         way leads to. The graph then stays as it is; VGPU_ERROR_OUT_OF_MEMORY
 * @note Thread safety: one thread at a time for one graph.
 */
VGPU_API vgpu_status vgpu_graph_build(struct vgpu_graph *graph);

/**
 * Runs a graph, and returns when every vertex has run or was skipped.
 *
 * When a vertex fails, the others that have not started are skipped: all of them, or, with VGPU_GRAPH_SKIP_SUCCESSORS, those that
 * come after it. After any end the graph can be run again.
 *
 * @param graph      a graph that is built
 * @param pool       where it runs
 * @param task_code  where the number goes that the first failing function returned, or 0; may be NULL
 * @return VGPU_OK; the first failure of a vertex, as vgpu_future_get() gives it; VGPU_ERROR_CANCELLED if vgpu_graph_cancel()
 *         came before the last vertex had started; VGPU_ERROR_INVALID_ARGUMENT for NULL, or a graph that is not built;
 *         VGPU_ERROR_ALREADY_STARTED if a run is in progress, which goes on; VGPU_ERROR_STACK_LIMIT for a task so deep in
 *         recursion that its worker cannot run more; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
 * @note Thread safety: any thread, tasks included. Blocks; inside a task it helps, as vgpu_future_get() does.
 */
VGPU_API vgpu_status vgpu_graph_run(struct vgpu_graph *graph,
                                    struct vgpu_pool *pool,
                                    int32_t *task_code);

/**
 * Begins to run a graph, and returns at once. vgpu_graph_wait() is to be called before the graph runs again, and before the
 * pool is destroyed.
 *
 * @param graph  a graph that is built
 * @param pool   where it runs
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL, or a graph that is not built; VGPU_ERROR_ALREADY_STARTED if a run
 *         is in progress or was not waited for; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
 * @note Thread safety: one thread at a time for one graph. Does not block, unless the pool was told to when the inbox is full.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_graph_launch(struct vgpu_graph *graph,
                                                      struct vgpu_pool *pool);

/**
 * Waits for the run that vgpu_graph_launch() began, and says how it ended.
 *
 * @param graph      the graph
 * @param task_code  where the number goes that the first failing function returned, or 0; may be NULL
 * @return as vgpu_graph_run(); VGPU_ERROR_INVALID_ARGUMENT for NULL, and if no run was launched or it was waited for before;
 *         VGPU_ERROR_STACK_LIMIT, and the run is still to be waited for
 * @note Thread safety: one thread at a time for one graph. Blocks; inside a task it helps, as vgpu_future_get() does. A vertex
 *       of the same graph must not call it.
 */
VGPU_API vgpu_status vgpu_graph_wait(struct vgpu_graph *graph,
                                     int32_t *task_code);

/**
 * Cancels the run in progress: what has not started is skipped. Does nothing when there is no run.
 *
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL, or a graph that is not built
 * @note Thread safety: any thread, vertices of the graph included. Does not block.
 */
VGPU_API vgpu_status vgpu_graph_cancel(struct vgpu_graph *graph);

/**
 * How many vertices the last run has skipped, after a failure or because it was cancelled. What no condition chose is not among
 * them.
 *
 * @return the number; 0 for NULL and for a graph that is not built
 * @note Thread safety: any thread.
 */
VGPU_API size_t vgpu_graph_skipped(const struct vgpu_graph *graph);

/**
 * Waits for a run in progress, calls the destroy function of every vertex, and frees the graph.
 *
 * @param graph  the graph; NULL does nothing
 * @return VGPU_OK; VGPU_ERROR_FORKED in a forked child if a run was in progress when the process forked: its vertices would never be
 *         done, and the memory is left alone
 * @note Thread safety: once; nobody may use the graph afterwards. Not from a vertex of the graph.
 */
VGPU_API vgpu_status vgpu_graph_destroy(struct vgpu_graph *graph);

/**
 * The number of a worker in its pool, from 0.
 *
 * @param worker  what the callback was passed
 * @return the number; UINT32_MAX for NULL, and for a thread that runs a task without being a worker because the inbox was full
 * @note Thread safety: inside the callback.
 */
VGPU_API uint32_t vgpu_worker_index(const struct vgpu_worker *worker);

/**
 * The worker of a pool that the calling thread is: what its running callback was passed, for code that was not handed it.
 *
 * @param pool  the pool
 * @return the worker, valid until the running callback returns; NULL on a thread that is no worker of this pool, and for NULL
 * @note Thread safety: any thread.
 */
VGPU_API struct vgpu_worker *vgpu_pool_current_worker(const struct vgpu_pool *pool);

/**
 * How urgent the running task is: the priority it was submitted with, or a higher one if a more urgent task waits for it.
 *
 * @return one of VGPU_PRIORITY_; VGPU_PRIORITY_NORMAL for NULL
 * @note Thread safety: inside the callback.
 */
VGPU_API uint32_t vgpu_worker_task_priority(const struct vgpu_worker *worker);

/**
 * How often the running task was moved from one worker's inbox to another worker.
 *
 * @return 0, or 1, since a task that was taken from another's inbox is run at once; 0 for NULL
 * @note Thread safety: inside the callback.
 */
VGPU_API uint32_t vgpu_worker_task_migrations(const struct vgpu_worker *worker);

/**
 * Says how the running task waits from here on, for futures, groups and the other halves of its forks. What the worker runs while
 * the task waits, and what others run for it, waits as the pool does; so does the next task.
 *
 * @param worker    what the callback was passed; NULL means that there is no worker, and nothing changes
 * @param policy    one of VGPU_WAIT_
 * @param previous  where the policy up to now goes; may be NULL
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT
 * @note Thread safety: inside the callback.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_worker_set_wait_policy(const struct vgpu_worker *worker,
                                                                uint32_t policy,
                                                                uint32_t *previous);

/**
 * Says that the task blocks from here on, such as in a read from a file or in a wait for a lock: the worker's place is lent to
 * another until vgpu_blocking_end(), so that as many work as before. All the worker's forks are made public first, since what the task
 * waits for may depend on them. Between the two, fork, submit and wait as anywhere.
 *
 * A pool has somebody to lend to if it was made with spare_workers, or while fewer workers have places than it has.
 *
 * @param worker  what the callback was passed; NULL does nothing
 * @note Thread safety: inside the callback. To be ended in the same callback; may be nested.
 */
VGPU_API void vgpu_blocking_begin(struct vgpu_worker *worker);

/**
 * Ends what vgpu_blocking_begin() began: once for each.
 *
 * @param worker  what was passed there
 * @note Thread safety: inside the callback.
 */
VGPU_API void vgpu_blocking_end(struct vgpu_worker *worker);

/**
 * C = alpha * op(A) * op(B) + beta * C in single precision, on the workers of the pool.
 *
 * A calling thread that is no worker of the pool computes with them, on 64 KiB of its stack, and waits for none that is in the middle of
 * something else.
 *
 * op(A) has m rows and k columns, op(B) k rows and n columns, C m rows and n columns. Where beta is 0, C is not read and
 * may hold anything. Where alpha or k is 0, A and B are not read and may be NULL. The result is the same to the last bit for any
 * number of workers.
 *
 * @param pool     the pool; NULL computes on the caller
 * @param layout   VGPU_ROW_MAJOR or VGPU_COL_MAJOR, for all three matrices
 * @param trans_a  VGPU_NO_TRANS, VGPU_TRANS or VGPU_CONJ_TRANS
 * @param trans_b  as trans_a
 * @param m        rows of op(A) and C, at least 0
 * @param n        columns of op(B) and C, at least 0
 * @param k        columns of op(A), rows of op(B), at least 0
 * @param alpha    factor of the product
 * @param a        A as it is stored: rows of k (columns of m) elements; with VGPU_TRANS rows of m (columns of k)
 * @param lda      elements from one row (column) of A to the next; at least the length of one, and at least 1
 * @param b        B, likewise
 * @param ldb      as lda
 * @param beta     factor of the old C
 * @param c        C; must not overlap A or B
 * @param ldc      as lda; what lies between the rows (columns) is not touched
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OVERFLOW for matrices that do not fit the address space;
 *         VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED. C is then untouched, or, where
 *         the pool is closed while it is computed, written in part
 * @note Thread safety: any thread, tasks included, on different C. Blocks until C is complete.
 * @note Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication, ACM TOMS 34(3), 2008.
 */
VGPU_API vgpu_status vgpu_sgemm(struct vgpu_pool *pool,
                                int32_t layout,
                                int32_t trans_a,
                                int32_t trans_b,
                                int64_t m,
                                int64_t n,
                                int64_t k,
                                float alpha,
                                const float *a,
                                int64_t lda,
                                const float *b,
                                int64_t ldb,
                                float beta,
                                float *c,
                                int64_t ldc);

/**
 * As vgpu_sgemm(), in double precision.
 *
 * @note Thread safety: as vgpu_sgemm().
 */
VGPU_API vgpu_status vgpu_dgemm(struct vgpu_pool *pool,
                                int32_t layout,
                                int32_t trans_a,
                                int32_t trans_b,
                                int64_t m,
                                int64_t n,
                                int64_t k,
                                double alpha,
                                const double *a,
                                int64_t lda,
                                const double *b,
                                int64_t ldb,
                                double beta,
                                double *c,
                                int64_t ldc);

/**
 * C = alpha * op(A) * op(B) + beta * C with A and B of 16-bit bf16 numbers, summed and stored in single precision.
 *
 * A bf16 is the upper half of a float: sign, 8 bits of exponent, 7 of fraction. Widening it is exact, and the result is bit for bit that of
 * vgpu_sgemm() on the widened matrices, which never exist as a whole. Otherwise as vgpu_sgemm().
 *
 * @note Thread safety: as vgpu_sgemm().
 */
VGPU_API vgpu_status vgpu_gemm_bf16bf16f32(struct vgpu_pool *pool,
                                           int32_t layout,
                                           int32_t trans_a,
                                           int32_t trans_b,
                                           int64_t m,
                                           int64_t n,
                                           int64_t k,
                                           float alpha,
                                           const uint16_t *a,
                                           int64_t lda,
                                           const uint16_t *b,
                                           int64_t ldb,
                                           float beta,
                                           float *c,
                                           int64_t ldc);

/**
 * As vgpu_sgemm(), by way of bf16 where the CPU has AMX: faster, with an error of the same size, but with other bits.
 *
 * Every number of A and B is split into three of bf16, exactly, and six of the nine products of those are added up in single precision; the
 * rest is below the precision of C. The error is at most (k / 5 + 24) u (|alpha| sum |a||b| + |beta c|), with u = FLT_EPSILON / 2, barring overflow
 * and underflow of C. The bits are the same for any number of workers.
 *
 * The result is that of vgpu_sgemm(), to the last bit, on other CPUs; where m, n or k is below 32, or m * n * k below 2^20; and where A or B holds an
 * infinity, a NaN, or numbers so large or small that a sum could overflow, or a part of a product be lost: roughly, where the largest of A times the largest of B
 * times 4k is above 2^126, or the smallest (but zeros) times the smallest below 2^-80.
 *
 * The first call asks Linux for the tile registers, for the whole process and for good: from then on sigaltstack() refuses stacks without room for
 * their 8 KiB. Where Linux refuses, because a thread has such a stack already, the result is that of vgpu_sgemm().
 *
 * @note Thread safety: as vgpu_sgemm().
 * @note Source: Henry, Tang and Heinecke, Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations, ARITH 2019.
 */
VGPU_API vgpu_status vgpu_sgemm_bf16x3(struct vgpu_pool *pool,
                                       int32_t layout,
                                       int32_t trans_a,
                                       int32_t trans_b,
                                       int64_t m,
                                       int64_t n,
                                       int64_t k,
                                       float alpha,
                                       const float *a,
                                       int64_t lda,
                                       const float *b,
                                       int64_t ldb,
                                       float beta,
                                       float *c,
                                       int64_t ldc);

/**
 * Whether vgpu_sgemm_bf16x3() is here another way than vgpu_sgemm().
 *
 * @return 1 if the CPU has AMX and the system lets this process use it; 0 if not. The first call asks, as that of vgpu_sgemm_bf16x3() does
 * @note Thread safety: any thread. Does not block.
 */
VGPU_API int32_t vgpu_has_bf16x3(void);

/**
 * Computes `batch_size` products of one shape in single precision, whose matrices lie at equal distances: the same as
 *
 *     for (i = 0; i < batch_size; i++)
 *         vgpu_sgemm(pool, layout, trans_a, trans_b, m, n, k, alpha, a + i * stride_a, lda, b + i * stride_b, ldb,
 *                    beta, c + i * stride_c, ldc);
 *
 * to the last bit. Small products are dealt out whole, each to one worker; large ones are shared out. All are checked before the
 * first is computed.
 *
 * @param stride_a    elements from one A to the next, at least 0; 0 if all share one
 * @param stride_b    as stride_a
 * @param stride_c    elements from one C to the next; at least what a C spans
 * @param batch_size  how many products, at least 0
 * @return as vgpu_sgemm()
 * @note The other arguments are those of vgpu_sgemm(), for the first product.
 * @note Thread safety: as vgpu_sgemm().
 */
VGPU_API vgpu_status vgpu_sgemm_batch_strided(struct vgpu_pool *pool,
                                              int32_t layout,
                                              int32_t trans_a,
                                              int32_t trans_b,
                                              int64_t m,
                                              int64_t n,
                                              int64_t k,
                                              float alpha,
                                              const float *a,
                                              int64_t lda,
                                              int64_t stride_a,
                                              const float *b,
                                              int64_t ldb,
                                              int64_t stride_b,
                                              float beta,
                                              float *c,
                                              int64_t ldc,
                                              int64_t stride_c,
                                              int64_t batch_size);

/**
 * Computes groups of products in single precision: the products of a group have one shape, and matrices that lie anywhere. The same as
 *
 *     for (group = 0, i = 0; group < group_count; group++)
 *         for (last = i + group_size[group]; i < last; i++)
 *             vgpu_sgemm(pool, layout, trans_a[group], trans_b[group], m[group], n[group], k[group], alpha[group],
 *                        a[i], lda[group], b[i], ldb[group], beta[group], c[i], ldc[group]);
 *
 * to the last bit, in any order. All products are checked before the first is computed. No C may overlap another product's matrices.
 *
 * @param a            an A for each product of all groups; b and c likewise
 * @param group_count  how many groups, at least 0; the other arrays have an entry for each
 * @param group_size   how many products each group has, at least 0
 * @return as vgpu_sgemm()
 * @note Thread safety: as vgpu_sgemm().
 */
VGPU_API vgpu_status vgpu_sgemm_batch(struct vgpu_pool *pool,
                                      int32_t layout,
                                      const int32_t *trans_a,
                                      const int32_t *trans_b,
                                      const int64_t *m,
                                      const int64_t *n,
                                      const int64_t *k,
                                      const float *alpha,
                                      const float *const *a,
                                      const int64_t *lda,
                                      const float *const *b,
                                      const int64_t *ldb,
                                      const float *beta,
                                      float *const *c,
                                      const int64_t *ldc,
                                      int64_t group_count,
                                      const int64_t *group_size);

/**
 * As vgpu_sgemm_batch_strided(), in double precision.
 *
 * @note Thread safety: as vgpu_sgemm().
 */
VGPU_API vgpu_status vgpu_dgemm_batch_strided(struct vgpu_pool *pool,
                                              int32_t layout,
                                              int32_t trans_a,
                                              int32_t trans_b,
                                              int64_t m,
                                              int64_t n,
                                              int64_t k,
                                              double alpha,
                                              const double *a,
                                              int64_t lda,
                                              int64_t stride_a,
                                              const double *b,
                                              int64_t ldb,
                                              int64_t stride_b,
                                              double beta,
                                              double *c,
                                              int64_t ldc,
                                              int64_t stride_c,
                                              int64_t batch_size);

/**
 * As vgpu_sgemm_batch(), in double precision.
 *
 * @note Thread safety: as vgpu_sgemm().
 */
VGPU_API vgpu_status vgpu_dgemm_batch(struct vgpu_pool *pool,
                                      int32_t layout,
                                      const int32_t *trans_a,
                                      const int32_t *trans_b,
                                      const int64_t *m,
                                      const int64_t *n,
                                      const int64_t *k,
                                      const double *alpha,
                                      const double *const *a,
                                      const int64_t *lda,
                                      const double *const *b,
                                      const int64_t *ldb,
                                      const double *beta,
                                      double *const *c,
                                      const int64_t *ldc,
                                      int64_t group_count,
                                      const int64_t *group_size);

/**
 * Packs op(B) for single-precision products with many A: each then saves the copy of B that vgpu_sgemm() makes. Worth it where a C
 * has few rows.
 *
 * @param pool     whose workers pack, and whose allocator gives the memory; NULL packs on the caller
 * @param layout   VGPU_ROW_MAJOR or VGPU_COL_MAJOR, for B, and for A and C later
 * @param trans_b  VGPU_NO_TRANS, VGPU_TRANS or VGPU_CONJ_TRANS
 * @param n        columns of op(B) and C, at least 0
 * @param k        rows of op(B), columns of op(A), at least 0
 * @param b        B as it is stored; not needed afterwards
 * @param ldb      as for vgpu_sgemm()
 * @param packed   where the handle goes; NULL goes there on failure
 * @return as vgpu_sgemm()
 * @note Thread safety: any thread, tasks included. Blocks until B is packed. To be ended with vgpu_packed_b_destroy().
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_sgemm_pack_b(struct vgpu_pool *pool,
                                                      int32_t layout,
                                                      int32_t trans_b,
                                                      int64_t n,
                                                      int64_t k,
                                                      const float *b,
                                                      int64_t ldb,
                                                      struct vgpu_packed_b **packed);

/**
 * C = alpha * op(A) * op(B) + beta * C in single precision, with a packed B. n, k and the layout are those with which it was packed; the
 * result is that of vgpu_sgemm() to the last bit.
 *
 * @param pool     the pool; NULL computes on the caller. It may be another than the one that packed
 * @param trans_a  VGPU_NO_TRANS, VGPU_TRANS or VGPU_CONJ_TRANS
 * @param m        rows of op(A) and C, at least 0
 * @param alpha    factor of the product
 * @param a        A as for vgpu_sgemm()
 * @param lda      as for vgpu_sgemm()
 * @param b        what vgpu_sgemm_pack_b() gave
 * @param beta     factor of the old C
 * @param c        C
 * @param ldc      as for vgpu_sgemm()
 * @return as vgpu_sgemm(); VGPU_ERROR_INVALID_ARGUMENT also for a B packed in double precision
 * @note Thread safety: any thread, tasks included, on different C; any number at once with one packed B.
 */
VGPU_API vgpu_status vgpu_sgemm_packed(struct vgpu_pool *pool,
                                       int32_t trans_a,
                                       int64_t m,
                                       float alpha,
                                       const float *a,
                                       int64_t lda,
                                       const struct vgpu_packed_b *b,
                                       float beta,
                                       float *c,
                                       int64_t ldc);

/**
 * As vgpu_sgemm_pack_b(), in double precision.
 *
 * @note Thread safety: as vgpu_sgemm_pack_b().
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_dgemm_pack_b(struct vgpu_pool *pool,
                                                      int32_t layout,
                                                      int32_t trans_b,
                                                      int64_t n,
                                                      int64_t k,
                                                      const double *b,
                                                      int64_t ldb,
                                                      struct vgpu_packed_b **packed);

/**
 * As vgpu_sgemm_packed(), in double precision.
 *
 * @note Thread safety: as vgpu_sgemm_packed().
 */
VGPU_API vgpu_status vgpu_dgemm_packed(struct vgpu_pool *pool,
                                       int32_t trans_a,
                                       int64_t m,
                                       double alpha,
                                       const double *a,
                                       int64_t lda,
                                       const struct vgpu_packed_b *b,
                                       double beta,
                                       double *c,
                                       int64_t ldc);

/**
 * Frees a packed B.
 *
 * @param packed  the handle; NULL does nothing
 * @note Thread safety: once, while no product uses it. Before its pool's allocator ends, if the pool had one of its own.
 */
VGPU_API void vgpu_packed_b_destroy(struct vgpu_packed_b *packed);

/**
 * C = alpha * op(A) * op(B) + beta * C in single precision, with all three matrices in files that need not fit memory.
 *
 * A and B are read in pieces, the next ones while the present are multiplied; the result is that of vgpu_sgemm() to the last bit. It is
 * written into a new file beside C, for which the room on the disk is taken first, and which takes C's place when it is complete: after
 * any error C is as it was, or is still missing.
 *
 * @param pool       the pool; NULL computes on the caller, and then nothing is read ahead
 * @param layout     as for vgpu_sgemm(); so are trans_a, trans_b, m, n, k, alpha, lda, ldb and beta
 * @param a          the path of A's file, which holds its elements as they are in memory; not opened where alpha or k is 0
 * @param offset_a   bytes in the file before A
 * @param b          the path of B's file, likewise
 * @param offset_b   as offset_a
 * @param c          the path of C's file: C alone, without padding between its lines. It need not exist where beta is 0
 * @param memory     bytes of memory for buffers, at most; the more, the less is read twice
 * @param progress   called after each step with the multiply-adds done and to be done, by one thread at a time; or NULL
 * @param user_data  passed to it
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT also where memory is too little, with what would do; VGPU_ERROR_IO for a file
 *         that cannot be read or is too short, and for a full disk; VGPU_ERROR_TASK_FAILED when progress ended it; otherwise
 *         as vgpu_sgemm()
 * @note Thread safety: any thread, tasks included, on different C. Blocks until C is complete.
 */
VGPU_API vgpu_status vgpu_sgemm_files(struct vgpu_pool *pool,
                                      int32_t layout,
                                      int32_t trans_a,
                                      int32_t trans_b,
                                      int64_t m,
                                      int64_t n,
                                      int64_t k,
                                      float alpha,
                                      const char *a,
                                      uint64_t offset_a,
                                      int64_t lda,
                                      const char *b,
                                      uint64_t offset_b,
                                      int64_t ldb,
                                      float beta,
                                      const char *c,
                                      size_t memory,
                                      vgpu_progress_fn progress,
                                      void *user_data);

/**
 * As vgpu_sgemm_files(), in double precision.
 *
 * @note Thread safety: as vgpu_sgemm_files().
 */
VGPU_API vgpu_status vgpu_dgemm_files(struct vgpu_pool *pool,
                                      int32_t layout,
                                      int32_t trans_a,
                                      int32_t trans_b,
                                      int64_t m,
                                      int64_t n,
                                      int64_t k,
                                      double alpha,
                                      const char *a,
                                      uint64_t offset_a,
                                      int64_t lda,
                                      const char *b,
                                      uint64_t offset_b,
                                      int64_t ldb,
                                      double beta,
                                      const char *c,
                                      size_t memory,
                                      vgpu_progress_fn progress,
                                      void *user_data);

/**
 * The fork layout of this library: VGPU_FORK_LAYOUT of the header it was built with.
 *
 * @note Thread safety: any thread.
 */
VGPU_API uint32_t vgpu_fork_layout(void);

/**
 * Publishes the worker's oldest private job, and more of them while other workers have nothing to do. For vgpu_pool.hpp alone.
 *
 * @param worker  the calling worker
 * @note Thread safety: on the worker's own thread.
 */
VGPU_API void vgpu_fork_promote(struct vgpu_worker *worker);

/**
 * Takes a public job back, or waits until the worker that has it is done, running other work meanwhile. For vgpu_pool.hpp alone.
 *
 * @param worker  the calling worker
 * @param job     its newest job, which it has just taken off its private stack
 * @return 1 if the caller is to run the job, 0 if the job is done
 * @note Thread safety: on the worker's own thread. May block.
 */
VGPU_API int32_t vgpu_fork_take_back(struct vgpu_worker *worker,
                                     struct vgpu_fork_job *job);

/**
 * Says that a job is done which this worker took from another and has run. The job may be gone when this returns.
 * For vgpu_pool.hpp alone.
 *
 * @param worker  the calling worker
 * @param job     the job
 * @note Thread safety: on the worker's own thread, once.
 */
VGPU_API void vgpu_fork_finish(struct vgpu_worker *worker,
                               struct vgpu_fork_job *job);

/**
 * Reads the machine: the CPUs that the calling thread may use, the NUMA nodes, and how far these are from each other.
 *
 *     vgpu_topology machine = {sizeof machine, sizeof(vgpu_cpu), sizeof(vgpu_node)};
 *     vgpu_cpu cpus[256];
 *     vgpu_node nodes[16];
 *     uint32_t distances[16 * 16];
 *     if (vgpu_topology_get(&machine, cpus, 256, nodes, 16, distances) == VGPU_OK) ...
 *
 * @param topology       where what is true of the whole goes; its three sizes are set
 * @param cpus           where the CPUs go, ascending by number; may be NULL if cpu_capacity is 0
 * @param cpu_capacity   how many there is room for; of more CPUs the first are told, topology->num_cpus says how many there are
 * @param nodes          where the nodes go, ascending by number; may be NULL if node_capacity is 0
 * @param node_capacity  how many there is room for; of more nodes the first are told
 * @param distances      where the distance from the i-th node to the j-th goes: to i * node_capacity + j. 10 is within a node, 20 about
 *                       twice as slow. May be NULL
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_AFFINITY. On failure nothing is written
 * @note Thread safety: any thread. Reads the machine anew each time, which takes a millisecond or more.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_topology_get(struct vgpu_topology *topology,
                                                      struct vgpu_cpu *cpus,
                                                      uint32_t cpu_capacity,
                                                      struct vgpu_node *nodes,
                                                      uint32_t node_capacity,
                                                      uint32_t *distances);

/**
 * Fills a micropool with the defaults. Programs call the macro vgpu_micropool_init(), which knows the size.
 *
 * @param micropool  where to write; NULL does nothing
 * @param size       sizeof(vgpu_micropool) as the program was compiled; what lies beyond this library's knowledge is zeroed
 * @note Thread safety: any thread, each on its own struct.
 */
VGPU_API void vgpu_micropool_init_sized(struct vgpu_micropool *micropool,
                                        uint32_t size);

/**
 * Makes a set of micropools and starts their workers: several small pools side by side, each for one class of work, so that cheap
 * tasks do not wait for dear ones. Each has workers and a queue of its own. A task says at vgpu_micropools_submit() to which it goes,
 * and a running one goes on in another with vgpu_micropool_task_hand_over().
 *
 * @param config      what holds for each of them; NULL for the defaults. Not used of it: num_workers, inbox_capacity and name_prefix.
 *                    inbox_full says what happens when all places of a micropool are taken: VGPU_INBOX_FULL_ERROR or VGPU_INBOX_FULL_BLOCK
 * @param micropools  count structs, one for each; they are numbered from 0 in this order
 * @param count       how many; at least 1
 * @param set         where the handle goes; NULL goes there on failure
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for a setting out of range, a name that is missing or there twice, no CPUs;
 *         VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_THREAD_SPAWN; VGPU_ERROR_AFFINITY if pinning is required and refused. On failure
 *         whatever was started is stopped and whatever was allocated is given back.
 * @note Thread safety: any thread. Blocks until the threads are started.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_micropools_create(const struct vgpu_pool_config *config,
                                                           const struct vgpu_micropool *micropools,
                                                           size_t count,
                                                           struct vgpu_micropools **set);

/**
 * Ends a set: refuses new tasks from outside, runs what was accepted, joins the threads and frees the set.
 *
 * @param set  the set; NULL does nothing
 * @return VGPU_OK; VGPU_ERROR_WOULD_DEADLOCK from inside one of its tasks, and the set goes on; VGPU_ERROR_FORKED in a
 *         forked child, where the threads do not exist and the memory is left alone
 * @note Thread safety: once, by a thread that is not a worker of the set. Other threads may be submitting when it begins;
 *       nobody may use the handle after it has returned. Blocks until everything is done.
 */
VGPU_API vgpu_status vgpu_micropools_destroy(struct vgpu_micropools *set);

/**
 * The number of the micropool of this name.
 *
 * @param set     the set
 * @param name    a terminated string
 * @param number  where the number goes
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL, and for a name that none has
 * @note Thread safety: any thread.
 */
VGPU_API vgpu_status vgpu_micropools_find(const struct vgpu_micropools *set,
                                          const char *name,
                                          uint32_t *number);

/**
 * Submits a task to a micropool: it runs once, on one of its workers.
 *
 * @param set        the set
 * @param micropool  the micropool's number
 * @param function   what the task does there
 * @param user_data  passed to it, and to whatever the task hands itself over to
 * @param destroy    called once with user_data when the task is done or has failed; may be NULL. Not called if this fails
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_QUEUE_FULL if all places are taken and the set was not told to wait, or
 *         this is one of its workers; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
 * @note Thread safety: any thread, tasks of the set included. With VGPU_INBOX_FULL_BLOCK it blocks until there is a place.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_micropools_submit(struct vgpu_micropools *set,
                                                           uint32_t micropool,
                                                           vgpu_micropool_task_fn function,
                                                           void *user_data,
                                                           vgpu_destroy_fn destroy);

/**
 * Waits until no task is in the set. The set can be used again afterwards.
 *
 * @param set        the set
 * @param task_code  where the number goes that the first failing task returned, or 0; may be NULL
 * @return VGPU_OK if no task has failed since the last call; otherwise the first failure; VGPU_ERROR_INVALID_ARGUMENT for NULL;
 *         VGPU_ERROR_WOULD_DEADLOCK from inside one of its tasks; VGPU_ERROR_FORKED
 * @note Thread safety: one thread at a time, while nobody submits but tasks of the set. Blocks.
 */
VGPU_API vgpu_status vgpu_micropools_wait_all(struct vgpu_micropools *set,
                                              int32_t *task_code);

/**
 * Says how the running task goes on: when its function has returned 0, `function` is queued in another micropool, behind what is
 * queued there, with the same user_data. The task keeps its place in the set, so this never waits and never fails for want of
 * room. If the running function returns another number after all, the task ends there. Called twice, the second call counts.
 *
 * @param task       what the running function was passed
 * @param micropool  the number of the micropool; may be the one in which the task runs
 * @param function   what the task does there
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for NULL and for a number that no micropool has
 * @note Thread safety: inside the function, on the thread that runs it.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_micropool_task_hand_over(struct vgpu_micropool_task *task,
                                                                  uint32_t micropool,
                                                                  vgpu_micropool_task_fn function);

/**
 * The number of the micropool in which the running task runs; UINT32_MAX for NULL.
 *
 * @note Thread safety: inside the function, on the thread that runs it.
 */
VGPU_API uint32_t vgpu_micropool_task_micropool(const struct vgpu_micropool_task *task);

/**
 * The worker that runs the task, for forks, which run in its micropool; NULL for NULL.
 *
 * @note Thread safety: inside the function, on the thread that runs it.
 */
VGPU_API struct vgpu_worker *vgpu_micropool_task_worker(const struct vgpu_micropool_task *task);

/**
 * Tells the numbers of the machine's NUMA nodes, ascending; they may have gaps. A machine without NUMA has node 0.
 *
 * @param numbers   where they go; may be NULL if capacity is 0
 * @param capacity  how many numbers there is room for; of more nodes the first are told
 * @param count     where the number of nodes goes
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_AFFINITY
 * @note Thread safety: any thread. Reads the machine anew each time, which takes a millisecond or more.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_node_numbers(uint32_t *numbers,
                                                      size_t capacity,
                                                      size_t *count);

/**
 * Allocates zeroed memory on a NUMA node. It begins at a multiple of 2 MiB, shares no page with other memory, and has a page
 * before and after it that must not be touched.
 *
 * The pages are written by threads that run on the node, and the system is told the place besides; where it refuses that, as in
 * many containers, the threads alone place them. A node without memory has its nearest node's. A full node spills to the next:
 * vgpu_node_report_get() tells.
 *
 * @param bytes   how many bytes, at least 1
 * @param node    the number of the node, see vgpu_node_numbers()
 * @param flags   VGPU_NODE_ flags, or 0
 * @param memory  where the address goes; NULL goes there on failure
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for zero bytes, an unknown node or unknown flags; VGPU_ERROR_OUT_OF_MEMORY, also
 *         when strict memory did not fit the node; VGPU_ERROR_OVERFLOW; VGPU_ERROR_UNSUPPORTED for a node without CPUs where the
 *         system refuses to be told the place; VGPU_ERROR_THREAD_SPAWN; VGPU_ERROR_AFFINITY
 * @note Thread safety: any thread. Starts up to eight threads for each node and waits for them. To be freed with vgpu_node_free().
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_node_alloc(size_t bytes,
                                                    uint32_t node,
                                                    uint32_t flags,
                                                    void **memory);

/**
 * Allocates zeroed memory spread over all nodes with memory, page by page; where the system refuses to be told so, in pieces of
 * 2 MiB. Otherwise as vgpu_node_alloc().
 *
 * @param bytes   how many bytes, at least 1
 * @param flags   VGPU_NODE_ flags, or 0
 * @param memory  where the address goes; NULL goes there on failure
 * @return as vgpu_node_alloc()
 * @note Thread safety: any thread. To be freed with vgpu_node_free().
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_node_alloc_interleaved(size_t bytes,
                                                                uint32_t flags,
                                                                void **memory);

/**
 * Frees memory from vgpu_node_alloc(), vgpu_node_alloc_interleaved() or vgpu_numa_alloc().
 *
 * @param memory  the address that was given; NULL does nothing
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for an address that is no multiple of 2 MiB, and for most others that were not
 *         given; then nothing is freed
 * @note Thread safety: any thread; nobody may use the memory any more.
 */
VGPU_API vgpu_status vgpu_node_free(void *memory);

/**
 * Asks the system where the pages of such memory are now.
 *
 * @param memory  the address that was given
 * @param report  where the answer goes; its struct_size must be set
 * @return VGPU_OK, also when the system does not tell; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY
 * @note Thread safety: any thread. Takes about a millisecond for every 10 MiB.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_node_report_get(const void *memory, struct vgpu_node_report *report);

/**
 * Has the system put memory of the program's own on a node, and move what is elsewhere already, as far as it can be moved. Whole
 * pages are taken, so what shares the first and the last page comes along.
 *
 * @param memory  the first byte
 * @param bytes   how many bytes, at least 1
 * @param node    the number of the node, see vgpu_node_numbers(); without memory, its nearest node's is taken
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_UNSUPPORTED where the system refuses to be told the place
 * @note Thread safety: any thread; the memory may be in use.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_node_bind(void *memory,
                                                   size_t bytes,
                                                   uint32_t node);

/**
 * Makes such a pool. No thread is started yet. Most programs need none of their own: every call takes NULL for the one that the
 * process has.
 *
 * @param pool  where the handle goes; NULL goes there on failure
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_AFFINITY
 * @note Thread safety: any thread. Reads the machine, which takes a millisecond or more.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_numa_pool_create(struct vgpu_numa_pool **pool);

/**
 * Ends such a pool and joins its threads. What they are at is finished first; what nobody waits for any more is freed. Memory that
 * was given out stays.
 *
 * @param pool  the pool; NULL does nothing
 * @return VGPU_OK. In a forked child, where the threads do not exist, only the memory is given back.
 * @note Thread safety: once; nobody may be using the pool any more.
 */
VGPU_API vgpu_status vgpu_numa_pool_destroy(struct vgpu_numa_pool *pool);

/**
 * As vgpu_node_alloc(), but the thread of the node allocates, which is started when the node is first asked for.
 *
 * @param pool        the pool; NULL: the process's own
 * @param bytes       how many bytes, at least 1
 * @param node        the number of the node, see vgpu_node_numbers()
 * @param flags       VGPU_NODE_ flags, or 0
 * @param timeout_ms  how long to wait; 0: 10 s, and 1 s for every GiB, but no longer than 300 s. What comes later is freed.
 * @param memory      where the address goes; NULL goes there on failure
 * @return as vgpu_node_alloc(); VGPU_ERROR_TIMED_OUT; VGPU_ERROR_QUEUE_FULL when 64 requests wait for the node;
 *         VGPU_ERROR_FORKED in a forked child, for a pool of its parent
 * @note Thread safety: any thread. To be freed with vgpu_node_free().
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_numa_alloc(struct vgpu_numa_pool *pool,
                                                    size_t bytes,
                                                    uint32_t node,
                                                    uint32_t flags,
                                                    uint64_t timeout_ms,
                                                    void **memory);

/**
 * Tells the node that host memory for a GPU should be on: the nearest with CPUs, where the GPU's own memory is a node.
 *
 * @param pool     the pool; NULL: the process's own
 * @param address  the GPU's PCI slot, such as "0000:65:00.0"; nvidia-smi prints it
 * @param node     where the number of the node goes
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for what is no such address; VGPU_ERROR_IO when nothing is in that slot
 * @note Thread safety: any thread.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_numa_node_of_slot(struct vgpu_numa_pool *pool,
                                                           const char *address,
                                                           uint32_t *node);

/**
 * Pins host memory for a GPU, on the GPU's node, through the CUDA driver. The driver is looked for now; no program needs it to
 * start.
 *
 * @param pool        the pool; NULL: the process's own
 * @param bytes       how many bytes, at least 1
 * @param gpu         the GPU's number for CUDA
 * @param flags       VGPU_PINNED_ flags, or 0
 * @param timeout_ms  how long to wait; 0: 10 s, and 1 s for every GiB, but no longer than 300 s. What comes later is freed.
 * @param pinned      where the handle goes; NULL goes there on failure
 * @return as vgpu_numa_alloc(); VGPU_ERROR_UNSUPPORTED without a CUDA driver or a GPU; VGPU_ERROR_INVALID_ARGUMENT for a GPU
 *         that is not there
 * @note Thread safety: any thread. To be ended with vgpu_pinned_release().
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_pinned_create(struct vgpu_numa_pool *pool,
                                                       size_t bytes,
                                                       uint32_t gpu,
                                                       uint32_t flags,
                                                       uint64_t timeout_ms,
                                                       struct vgpu_pinned **pinned);

/**
 * The first byte of pinned memory; NULL for NULL.
 *
 * @note Thread safety: any thread.
 */
VGPU_API void *vgpu_pinned_data(const struct vgpu_pinned *pinned);

/**
 * The number of the node that pinned memory was to be on; UINT32_MAX for NULL.
 *
 * @note Thread safety: any thread.
 */
VGPU_API uint32_t vgpu_pinned_node(const struct vgpu_pinned *pinned);

/**
 * Gives pinned memory back to the driver and to the system.
 *
 * @param pinned  the memory; NULL does nothing
 * @note Thread safety: once, by any thread; neither the program nor the GPU may use the memory any more.
 */
VGPU_API void vgpu_pinned_release(struct vgpu_pinned *pinned);

/**
 * Fills task options with the defaults. Programs call the macro vgpu_task_options_init(), which knows the size.
 *
 * @param options  where to write; NULL does nothing
 * @param size     sizeof(vgpu_task_options) as the program was compiled; what lies beyond this library's knowledge is zeroed
 * @note Thread safety: any thread, each on its own options.
 */
VGPU_API void vgpu_task_options_init_sized(struct vgpu_task_options *options,
                                           uint32_t size);

/**
 * Makes a source of memory for computations that outgrow a node, or the machine: blocks come from a fast node while there is room,
 * then from other nodes, nearest first, then from files on disk.
 *
 * @param node         the number of the fast node, see vgpu_node_numbers(); without memory, its nearest node's is taken
 * @param fast_bytes   bytes of the fast node's memory that may be out at a time; 0: none; UINT64_MAX: as much as there is
 * @param other_bytes  the same of all other nodes
 * @param disk_bytes   the same of files
 * @param folder       where the files are made, which have no names and are gone with their blocks, or with the process. May be NULL
 *                     if disk_bytes is 0. Not used after the call; the folder stays the same when the process goes elsewhere
 * @param tiers        where the handle goes; NULL goes there on failure
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for an unknown node, or no folder; VGPU_ERROR_IO for what is no folder;
 *         VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_AFFINITY
 * @note Thread safety: any thread. Reads the machine, which takes a millisecond or more. To be ended with vgpu_tiers_destroy().
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_tiers_create(uint32_t node,
                                                      uint64_t fast_bytes,
                                                      uint64_t other_bytes,
                                                      uint64_t disk_bytes,
                                                      const char *folder,
                                                      struct vgpu_tiers **tiers);

/**
 * Ends such a source.
 *
 * @param tiers  the source; NULL does nothing
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT while blocks of it are there: release them first. Then nothing is ended
 * @note Thread safety: once; nobody may be using it any more.
 */
VGPU_API vgpu_status vgpu_tiers_destroy(struct vgpu_tiers *tiers);

/**
 * Allocates a zeroed block in the fastest tier that has room for all of it. It begins at a multiple of 2 MiB and has a page before and
 * after it that must not be touched.
 *
 * In memory its pages are written by threads of the node, and a block of which the system says that any page is elsewhere is given
 * back before the next place is tried. On disk its room is taken at once.
 *
 * @param tiers   the source
 * @param bytes   how many bytes, at least 1; they count as whole pages
 * @param memory  where the handle goes; NULL goes there on failure
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT for zero bytes; VGPU_ERROR_OUT_OF_MEMORY when no tier has room, with what their limits
 *         leave; VGPU_ERROR_IO when the disk, tried last, is full or the process may not write so large a file (RLIMIT_FSIZE);
 *         VGPU_ERROR_UNSUPPORTED where the folder's file system cannot promise room; VGPU_ERROR_OVERFLOW; what vgpu_node_alloc()
 *         returns, where the last tier is a node
 * @note Thread safety: any thread, several at a time; what a request is trying counts as taken meanwhile. Starts up to eight threads and
 *       waits for them. To be ended with vgpu_tier_memory_release(). A forked child shares a block on disk, and has a copy of others.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_tiers_alloc(struct vgpu_tiers *tiers,
                                                     size_t bytes,
                                                     struct vgpu_tier_memory **memory);

/**
 * How much of a source is out.
 *
 * @param tiers  the source
 * @param tier   one of VGPU_TIER_
 * @param bytes  where the bytes of its blocks in that tier go
 * @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT
 * @note Thread safety: any thread. Others may allocate and release meanwhile.
 */
VGPU_API VGPU_NODISCARD vgpu_status vgpu_tiers_used(const struct vgpu_tiers *tiers,
                                                    uint32_t tier,
                                                    uint64_t *bytes);

/**
 * The first byte of a block; NULL for NULL.
 *
 * @note Thread safety: any thread.
 */
VGPU_API void *vgpu_tier_memory_data(const struct vgpu_tier_memory *memory);

/**
 * In which tier a block landed: one of VGPU_TIER_; UINT32_MAX for NULL.
 *
 * @note Thread safety: any thread.
 */
VGPU_API uint32_t vgpu_tier_memory_tier(const struct vgpu_tier_memory *memory);

/**
 * The number of the node that a block is on; UINT32_MAX for one on disk, and for NULL.
 *
 * @note Thread safety: any thread.
 */
VGPU_API uint32_t vgpu_tier_memory_node(const struct vgpu_tier_memory *memory);

/**
 * Gives a block back.
 *
 * @param memory  the block; NULL does nothing
 * @note Thread safety: once, by any thread; nobody may use the memory any more.
 */
VGPU_API void vgpu_tier_memory_release(struct vgpu_tier_memory *memory);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* VGPU_POOL_H */
