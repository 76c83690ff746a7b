/**
 * @file vgpu_pool_loader.h
 * @brief Opens libvgpu_pool.so at run time: a program that includes this needs the library only if it is there.
 *
 * In one source file of the program:
 *
 *     #define VGPU_POOL_LOADER_IMPLEMENTATION
 *     #include <vgpu_pool_loader.h>
 *
 * and where it begins:
 *
 *     char why[256];
 *     if (vgpu_pool_load(NULL, why, sizeof why) != 0) fprintf(stderr, "no pool: %s\n", why);
 *     else vgpu_pool_loaded.pool_create(NULL, &pool);
 *
 * Link with `-ldl`, not with the library. With VGPU_POOL_LOADER_FUNCTIONS defined as well the implementation also defines every
 * function of vgpu_pool.h, which calls what was loaded: then all code that was written for the linked library, vgpu_pool.hpp
 * included, works unchanged. Before the library is loaded they return VGPU_ERROR_UNSUPPORTED, or zero.
 *
 * The library is never closed: its threads may be running. Thread safety: load once, before other threads call.
 *
 * This file is generated from vgpu_pool.h. Do not edit it.
 */
#ifndef VGPU_POOL_LOADER_H
#define VGPU_POOL_LOADER_H

#include <stddef.h>

#include "vgpu_pool.h"

/** The functions of vgpu_pool.h, each under its name without `vgpu_`. */
typedef struct vgpu_pool_api {
    /** vgpu_status_name() */
    const char *(*status_name)(vgpu_status status);
    /** vgpu_last_error_message() */
    const char *(*last_error_message)(void);
    /** vgpu_task_set_error() */
    vgpu_status (*task_set_error)(const char *message);
    /** vgpu_abi_version() */
    uint32_t (*abi_version)(void);
    /** vgpu_version_string() */
    const char *(*version_string)(void);
    /** vgpu_pool_config_init_sized() */
    void (*pool_config_init_sized)(struct vgpu_pool_config *config, uint32_t size);
    /** vgpu_pool_create() */
    vgpu_status (*pool_create)(const struct vgpu_pool_config *config, struct vgpu_pool **pool);
    /** vgpu_pool_destroy() */
    vgpu_status (*pool_destroy)(struct vgpu_pool *pool);
    /** vgpu_pool_pump() */
    vgpu_status (*pool_pump)(struct vgpu_pool *pool, size_t max_tasks, uint64_t budget_ns, size_t *ran);
    /** vgpu_pool_num_workers() */
    uint32_t (*pool_num_workers)(const struct vgpu_pool *pool);
    /** vgpu_pool_active_workers() */
    uint32_t (*pool_active_workers)(const struct vgpu_pool *pool);
    /** vgpu_pool_limit_workers() */
    vgpu_status (*pool_limit_workers)(struct vgpu_pool *pool, uint32_t workers);
    /** vgpu_pool_submit() */
    vgpu_status (*pool_submit)(struct vgpu_pool *pool, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy, struct vgpu_future **future);
    /** vgpu_pool_submit_with() */
    vgpu_status (*pool_submit_with)(struct vgpu_pool *pool, const struct vgpu_task_options *options, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy, struct vgpu_future **future);
    /** vgpu_pool_set_victims() */
    vgpu_status (*pool_set_victims)(struct vgpu_pool *pool, uint32_t order);
    /** vgpu_pool_set_inbox_mode() */
    vgpu_status (*pool_set_inbox_mode)(struct vgpu_pool *pool, uint32_t mode);
    /** vgpu_pool_submit_in() */
    vgpu_status (*pool_submit_in)(struct vgpu_pool *pool, struct vgpu_task_storage *storage, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy, struct vgpu_future **future);
    /** vgpu_pool_wait_all() */
    vgpu_status (*pool_wait_all)(struct vgpu_pool *pool);
    /** vgpu_available_cpus() */
    uint32_t (*available_cpus)(void);
    /** vgpu_lease_create() */
    vgpu_status (*lease_create)(struct vgpu_pool *pool, struct vgpu_lease **lease);
    /** vgpu_lease_run() */
    vgpu_status (*lease_run)(struct vgpu_lease *lease, uint64_t timeout_ns);
    /** vgpu_lease_end() */
    vgpu_status (*lease_end)(struct vgpu_lease *lease);
    /** vgpu_lease_destroy() */
    void (*lease_destroy)(struct vgpu_lease *lease);
    /** vgpu_pool_stats() */
    vgpu_status (*pool_stats)(const struct vgpu_pool *pool, struct vgpu_stats *stats, struct vgpu_worker_stats *workers, uint32_t capacity);
    /** vgpu_pool_report() */
    vgpu_status (*pool_report)(const struct vgpu_pool *pool, char *buffer, size_t size, size_t *length);
    /** vgpu_pool_trace_start() */
    vgpu_status (*pool_trace_start)(struct vgpu_pool *pool, size_t events_per_worker);
    /** vgpu_pool_trace_stop() */
    vgpu_status (*pool_trace_stop)(struct vgpu_pool *pool);
    /** vgpu_pool_trace_write() */
    vgpu_status (*pool_trace_write)(struct vgpu_pool *pool, const char *path);
    /** vgpu_worker_set_label() */
    void (*worker_set_label)(const struct vgpu_worker *worker, const char *label);
    /** vgpu_future_get() */
    vgpu_status (*future_get)(struct vgpu_future *future, int32_t *task_code);
    /** vgpu_future_wait() */
    vgpu_status (*future_wait)(struct vgpu_future *future);
    /** vgpu_future_wait_for() */
    vgpu_status (*future_wait_for)(struct vgpu_future *future, uint64_t timeout_ns);
    /** vgpu_future_is_ready() */
    int32_t (*future_is_ready)(const struct vgpu_future *future);
    /** vgpu_future_cancel() */
    vgpu_status (*future_cancel)(struct vgpu_future *future);
    /** vgpu_future_raise_priority() */
    vgpu_status (*future_raise_priority)(struct vgpu_future *future, uint32_t priority);
    /** vgpu_future_on_complete() */
    vgpu_status (*future_on_complete)(struct vgpu_future *future, vgpu_completion_fn function, void *user_data);
    /** vgpu_future_release() */
    vgpu_status (*future_release)(struct vgpu_future *future);
    /** vgpu_group_create() */
    vgpu_status (*group_create)(struct vgpu_pool *pool, struct vgpu_group **group);
    /** vgpu_group_submit() */
    vgpu_status (*group_submit)(struct vgpu_group *group, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy);
    /** vgpu_group_submit_with() */
    vgpu_status (*group_submit_with)(struct vgpu_group *group, const struct vgpu_task_options *options, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy);
    /** vgpu_group_submit_batch() */
    vgpu_status (*group_submit_batch)(struct vgpu_group *group, vgpu_task_fn function, void *const *user_data, size_t count, vgpu_destroy_fn destroy, size_t *submitted);
    /** vgpu_group_wait() */
    vgpu_status (*group_wait)(struct vgpu_group *group, int32_t *task_code);
    /** vgpu_group_destroy() */
    vgpu_status (*group_destroy)(struct vgpu_group *group);
    /** vgpu_parallel_for() */
    vgpu_status (*parallel_for)(struct vgpu_pool *pool, size_t n, size_t grain, vgpu_range_fn function, void *user_data);
    /** vgpu_parallel_for_static() */
    vgpu_status (*parallel_for_static)(struct vgpu_pool *pool, size_t n, size_t grain, vgpu_range_fn function, void *user_data);
    /** vgpu_parallel_for_tiles() */
    vgpu_status (*parallel_for_tiles)(struct vgpu_pool *pool, size_t rows, size_t cols, size_t tile_rows, size_t tile_cols, vgpu_tile_fn function, void *user_data);
    /** vgpu_join() */
    vgpu_status (*join)(struct vgpu_pool *pool, vgpu_task_fn a, void *data_a, vgpu_task_fn b, void *data_b);
    /** vgpu_fork_all() */
    vgpu_status (*fork_all)(struct vgpu_pool *pool, size_t n, vgpu_index_fn function, void *user_data);
    /** vgpu_parallel_reduce() */
    vgpu_status (*parallel_reduce)(struct vgpu_pool *pool, size_t n, size_t grain, size_t size, const void *identity, vgpu_value_fn map, vgpu_combine_fn combine, void *user_data, void *result);
    /** vgpu_parallel_scan() */
    vgpu_status (*parallel_scan)(struct vgpu_pool *pool, size_t n, size_t grain, size_t size, const void *identity, vgpu_value_fn sum, vgpu_combine_fn combine, vgpu_value_fn write, void *user_data);
    /** vgpu_parallel_sort() */
    vgpu_status (*parallel_sort)(struct vgpu_pool *pool, void *elements, size_t n, size_t size, vgpu_compare_fn compare, void *user_data);
    /** vgpu_graph_config_init_sized() */
    void (*graph_config_init_sized)(struct vgpu_graph_config *config, uint32_t size);
    /** vgpu_graph_create() */
    vgpu_status (*graph_create)(const struct vgpu_graph_config *config, struct vgpu_graph **graph);
    /** vgpu_graph_add() */
    vgpu_status (*graph_add)(struct vgpu_graph *graph, const char *name, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy, vgpu_vertex *vertex);
    /** vgpu_graph_add_condition() */
    vgpu_status (*graph_add_condition)(struct vgpu_graph *graph, const char *name, vgpu_condition_fn function, void *user_data, vgpu_destroy_fn destroy, vgpu_vertex *vertex);
    /** vgpu_graph_precede() */
    vgpu_status (*graph_precede)(struct vgpu_graph *graph, vgpu_vertex before, vgpu_vertex after);
    /** vgpu_graph_build() */
    vgpu_status (*graph_build)(struct vgpu_graph *graph);
    /** vgpu_graph_run() */
    vgpu_status (*graph_run)(struct vgpu_graph *graph, struct vgpu_pool *pool, int32_t *task_code);
    /** vgpu_graph_launch() */
    vgpu_status (*graph_launch)(struct vgpu_graph *graph, struct vgpu_pool *pool);
    /** vgpu_graph_wait() */
    vgpu_status (*graph_wait)(struct vgpu_graph *graph, int32_t *task_code);
    /** vgpu_graph_cancel() */
    vgpu_status (*graph_cancel)(struct vgpu_graph *graph);
    /** vgpu_graph_skipped() */
    size_t (*graph_skipped)(const struct vgpu_graph *graph);
    /** vgpu_graph_destroy() */
    vgpu_status (*graph_destroy)(struct vgpu_graph *graph);
    /** vgpu_worker_index() */
    uint32_t (*worker_index)(const struct vgpu_worker *worker);
    /** vgpu_pool_current_worker() */
    struct vgpu_worker *(*pool_current_worker)(const struct vgpu_pool *pool);
    /** vgpu_worker_task_priority() */
    uint32_t (*worker_task_priority)(const struct vgpu_worker *worker);
    /** vgpu_worker_task_migrations() */
    uint32_t (*worker_task_migrations)(const struct vgpu_worker *worker);
    /** vgpu_worker_set_wait_policy() */
    vgpu_status (*worker_set_wait_policy)(const struct vgpu_worker *worker, uint32_t policy, uint32_t *previous);
    /** vgpu_blocking_begin() */
    void (*blocking_begin)(struct vgpu_worker *worker);
    /** vgpu_blocking_end() */
    void (*blocking_end)(struct vgpu_worker *worker);
    /** vgpu_sgemm() */
    vgpu_status (*sgemm)(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
    /** vgpu_dgemm() */
    vgpu_status (*dgemm)(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda, const double *b, int64_t ldb, double beta, double *c, int64_t ldc);
    /** vgpu_gemm_bf16bf16f32() */
    vgpu_status (*gemm_bf16bf16f32)(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t ldb, float beta, float *c, int64_t ldc);
    /** vgpu_sgemm_bf16x3() */
    vgpu_status (*sgemm_bf16x3)(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
    /** vgpu_has_bf16x3() */
    int32_t (*has_bf16x3)(void);
    /** vgpu_sgemm_batch_strided() */
    vgpu_status (*sgemm_batch_strided)(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, int64_t stride_a, const float *b, int64_t ldb, int64_t stride_b, float beta, float *c, int64_t ldc, int64_t stride_c, int64_t batch_size);
    /** vgpu_sgemm_batch() */
    vgpu_status (*sgemm_batch)(struct vgpu_pool *pool, int32_t layout, const int32_t *trans_a, const int32_t *trans_b, const int64_t *m, const int64_t *n, const int64_t *k, const float *alpha, const float *const *a, const int64_t *lda, const float *const *b, const int64_t *ldb, const float *beta, float *const *c, const int64_t *ldc, int64_t group_count, const int64_t *group_size);
    /** vgpu_dgemm_batch_strided() */
    vgpu_status (*dgemm_batch_strided)(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda, int64_t stride_a, const double *b, int64_t ldb, int64_t stride_b, double beta, double *c, int64_t ldc, int64_t stride_c, int64_t batch_size);
    /** vgpu_dgemm_batch() */
    vgpu_status (*dgemm_batch)(struct vgpu_pool *pool, int32_t layout, const int32_t *trans_a, const int32_t *trans_b, const int64_t *m, const int64_t *n, const int64_t *k, const double *alpha, const double *const *a, const int64_t *lda, const double *const *b, const int64_t *ldb, const double *beta, double *const *c, const int64_t *ldc, int64_t group_count, const int64_t *group_size);
    /** vgpu_sgemm_pack_b() */
    vgpu_status (*sgemm_pack_b)(struct vgpu_pool *pool, int32_t layout, int32_t trans_b, int64_t n, int64_t k, const float *b, int64_t ldb, struct vgpu_packed_b **packed);
    /** vgpu_sgemm_packed() */
    vgpu_status (*sgemm_packed)(struct vgpu_pool *pool, int32_t trans_a, int64_t m, float alpha, const float *a, int64_t lda, const struct vgpu_packed_b *b, float beta, float *c, int64_t ldc);
    /** vgpu_dgemm_pack_b() */
    vgpu_status (*dgemm_pack_b)(struct vgpu_pool *pool, int32_t layout, int32_t trans_b, int64_t n, int64_t k, const double *b, int64_t ldb, struct vgpu_packed_b **packed);
    /** vgpu_dgemm_packed() */
    vgpu_status (*dgemm_packed)(struct vgpu_pool *pool, int32_t trans_a, int64_t m, double alpha, const double *a, int64_t lda, const struct vgpu_packed_b *b, double beta, double *c, int64_t ldc);
    /** vgpu_packed_b_destroy() */
    void (*packed_b_destroy)(struct vgpu_packed_b *packed);
    /** vgpu_sgemm_files() */
    vgpu_status (*sgemm_files)(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const char *a, uint64_t offset_a, int64_t lda, const char *b, uint64_t offset_b, int64_t ldb, float beta, const char *c, size_t memory, vgpu_progress_fn progress, void *user_data);
    /** vgpu_dgemm_files() */
    vgpu_status (*dgemm_files)(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, double alpha, const char *a, uint64_t offset_a, int64_t lda, const char *b, uint64_t offset_b, int64_t ldb, double beta, const char *c, size_t memory, vgpu_progress_fn progress, void *user_data);
    /** vgpu_fork_layout() */
    uint32_t (*fork_layout)(void);
    /** vgpu_fork_promote() */
    void (*fork_promote)(struct vgpu_worker *worker);
    /** vgpu_fork_take_back() */
    int32_t (*fork_take_back)(struct vgpu_worker *worker, struct vgpu_fork_job *job);
    /** vgpu_fork_finish() */
    void (*fork_finish)(struct vgpu_worker *worker, struct vgpu_fork_job *job);
    /** vgpu_topology_get() */
    vgpu_status (*topology_get)(struct vgpu_topology *topology, struct vgpu_cpu *cpus, uint32_t cpu_capacity, struct vgpu_node *nodes, uint32_t node_capacity, uint32_t *distances);
    /** vgpu_micropool_init_sized() */
    void (*micropool_init_sized)(struct vgpu_micropool *micropool, uint32_t size);
    /** vgpu_micropools_create() */
    vgpu_status (*micropools_create)(const struct vgpu_pool_config *config, const struct vgpu_micropool *micropools, size_t count, struct vgpu_micropools **set);
    /** vgpu_micropools_destroy() */
    vgpu_status (*micropools_destroy)(struct vgpu_micropools *set);
    /** vgpu_micropools_find() */
    vgpu_status (*micropools_find)(const struct vgpu_micropools *set, const char *name, uint32_t *number);
    /** vgpu_micropools_submit() */
    vgpu_status (*micropools_submit)(struct vgpu_micropools *set, uint32_t micropool, vgpu_micropool_task_fn function, void *user_data, vgpu_destroy_fn destroy);
    /** vgpu_micropools_wait_all() */
    vgpu_status (*micropools_wait_all)(struct vgpu_micropools *set, int32_t *task_code);
    /** vgpu_micropool_task_hand_over() */
    vgpu_status (*micropool_task_hand_over)(struct vgpu_micropool_task *task, uint32_t micropool, vgpu_micropool_task_fn function);
    /** vgpu_micropool_task_micropool() */
    uint32_t (*micropool_task_micropool)(const struct vgpu_micropool_task *task);
    /** vgpu_micropool_task_worker() */
    struct vgpu_worker *(*micropool_task_worker)(const struct vgpu_micropool_task *task);
    /** vgpu_node_numbers() */
    vgpu_status (*node_numbers)(uint32_t *numbers, size_t capacity, size_t *count);
    /** vgpu_node_alloc() */
    vgpu_status (*node_alloc)(size_t bytes, uint32_t node, uint32_t flags, void **memory);
    /** vgpu_node_alloc_interleaved() */
    vgpu_status (*node_alloc_interleaved)(size_t bytes, uint32_t flags, void **memory);
    /** vgpu_node_free() */
    vgpu_status (*node_free)(void *memory);
    /** vgpu_node_report_get() */
    vgpu_status (*node_report_get)(const void *memory, struct vgpu_node_report *report);
    /** vgpu_node_bind() */
    vgpu_status (*node_bind)(void *memory, size_t bytes, uint32_t node);
    /** vgpu_numa_pool_create() */
    vgpu_status (*numa_pool_create)(struct vgpu_numa_pool **pool);
    /** vgpu_numa_pool_destroy() */
    vgpu_status (*numa_pool_destroy)(struct vgpu_numa_pool *pool);
    /** vgpu_numa_alloc() */
    vgpu_status (*numa_alloc)(struct vgpu_numa_pool *pool, size_t bytes, uint32_t node, uint32_t flags, uint64_t timeout_ms, void **memory);
    /** vgpu_numa_node_of_slot() */
    vgpu_status (*numa_node_of_slot)(struct vgpu_numa_pool *pool, const char *address, uint32_t *node);
    /** vgpu_pinned_create() */
    vgpu_status (*pinned_create)(struct vgpu_numa_pool *pool, size_t bytes, uint32_t gpu, uint32_t flags, uint64_t timeout_ms, struct vgpu_pinned **pinned);
    /** vgpu_pinned_data() */
    void *(*pinned_data)(const struct vgpu_pinned *pinned);
    /** vgpu_pinned_node() */
    uint32_t (*pinned_node)(const struct vgpu_pinned *pinned);
    /** vgpu_pinned_release() */
    void (*pinned_release)(struct vgpu_pinned *pinned);
    /** vgpu_task_options_init_sized() */
    void (*task_options_init_sized)(struct vgpu_task_options *options, uint32_t size);
    /** vgpu_tiers_create() */
    vgpu_status (*tiers_create)(uint32_t node, uint64_t fast_bytes, uint64_t other_bytes, uint64_t disk_bytes, const char *folder, struct vgpu_tiers **tiers);
    /** vgpu_tiers_destroy() */
    vgpu_status (*tiers_destroy)(struct vgpu_tiers *tiers);
    /** vgpu_tiers_alloc() */
    vgpu_status (*tiers_alloc)(struct vgpu_tiers *tiers, size_t bytes, struct vgpu_tier_memory **memory);
    /** vgpu_tiers_used() */
    vgpu_status (*tiers_used)(const struct vgpu_tiers *tiers, uint32_t tier, uint64_t *bytes);
    /** vgpu_tier_memory_data() */
    void *(*tier_memory_data)(const struct vgpu_tier_memory *memory);
    /** vgpu_tier_memory_tier() */
    uint32_t (*tier_memory_tier)(const struct vgpu_tier_memory *memory);
    /** vgpu_tier_memory_node() */
    uint32_t (*tier_memory_node)(const struct vgpu_tier_memory *memory);
    /** vgpu_tier_memory_release() */
    void (*tier_memory_release)(struct vgpu_tier_memory *memory);
} vgpu_pool_api;

/** Finds a function by its name; NULL if there is none. For programs that have a dlsym() of their own. */
typedef void *(*vgpu_pool_find_fn)(void *context, const char *name);

#ifdef __cplusplus
extern "C" {
#endif

/** What vgpu_pool_load() has loaded; all NULL before. */
extern vgpu_pool_api vgpu_pool_loaded;

/**
 * Opens the library and fills vgpu_pool_loaded.
 *
 * @param path      the shared object; NULL: the environment's VGPU_POOL_LIBRARY, unless the program runs with the rights of
 *                  somebody else, or else libvgpu_pool.so.1 as the system finds it
 * @param message   where a sentence goes if this fails, cut to size; may be NULL
 * @param size      bytes there
 * @return 0; -1 if the library cannot be opened, lacks a function of this header or has another ABI. Then nothing is loaded
 */
int vgpu_pool_load(const char *path, char *message, size_t size);

/** The same with the functions that find() finds. */
int vgpu_pool_load_with(vgpu_pool_find_fn find, void *context, char *message, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* VGPU_POOL_LOADER_H */

#if defined(VGPU_POOL_LOADER_IMPLEMENTATION) && !defined(VGPU_POOL_LOADER_IMPLEMENTED)
#define VGPU_POOL_LOADER_IMPLEMENTED

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#ifdef __cplusplus
extern "C" {
#endif

vgpu_pool_api vgpu_pool_loaded;

/* In the order of the table. */
static const char *const vgpu_pool_names[] = {
    "vgpu_status_name",
    "vgpu_last_error_message",
    "vgpu_task_set_error",
    "vgpu_abi_version",
    "vgpu_version_string",
    "vgpu_pool_config_init_sized",
    "vgpu_pool_create",
    "vgpu_pool_destroy",
    "vgpu_pool_pump",
    "vgpu_pool_num_workers",
    "vgpu_pool_active_workers",
    "vgpu_pool_limit_workers",
    "vgpu_pool_submit",
    "vgpu_pool_submit_with",
    "vgpu_pool_set_victims",
    "vgpu_pool_set_inbox_mode",
    "vgpu_pool_submit_in",
    "vgpu_pool_wait_all",
    "vgpu_available_cpus",
    "vgpu_lease_create",
    "vgpu_lease_run",
    "vgpu_lease_end",
    "vgpu_lease_destroy",
    "vgpu_pool_stats",
    "vgpu_pool_report",
    "vgpu_pool_trace_start",
    "vgpu_pool_trace_stop",
    "vgpu_pool_trace_write",
    "vgpu_worker_set_label",
    "vgpu_future_get",
    "vgpu_future_wait",
    "vgpu_future_wait_for",
    "vgpu_future_is_ready",
    "vgpu_future_cancel",
    "vgpu_future_raise_priority",
    "vgpu_future_on_complete",
    "vgpu_future_release",
    "vgpu_group_create",
    "vgpu_group_submit",
    "vgpu_group_submit_with",
    "vgpu_group_submit_batch",
    "vgpu_group_wait",
    "vgpu_group_destroy",
    "vgpu_parallel_for",
    "vgpu_parallel_for_static",
    "vgpu_parallel_for_tiles",
    "vgpu_join",
    "vgpu_fork_all",
    "vgpu_parallel_reduce",
    "vgpu_parallel_scan",
    "vgpu_parallel_sort",
    "vgpu_graph_config_init_sized",
    "vgpu_graph_create",
    "vgpu_graph_add",
    "vgpu_graph_add_condition",
    "vgpu_graph_precede",
    "vgpu_graph_build",
    "vgpu_graph_run",
    "vgpu_graph_launch",
    "vgpu_graph_wait",
    "vgpu_graph_cancel",
    "vgpu_graph_skipped",
    "vgpu_graph_destroy",
    "vgpu_worker_index",
    "vgpu_pool_current_worker",
    "vgpu_worker_task_priority",
    "vgpu_worker_task_migrations",
    "vgpu_worker_set_wait_policy",
    "vgpu_blocking_begin",
    "vgpu_blocking_end",
    "vgpu_sgemm",
    "vgpu_dgemm",
    "vgpu_gemm_bf16bf16f32",
    "vgpu_sgemm_bf16x3",
    "vgpu_has_bf16x3",
    "vgpu_sgemm_batch_strided",
    "vgpu_sgemm_batch",
    "vgpu_dgemm_batch_strided",
    "vgpu_dgemm_batch",
    "vgpu_sgemm_pack_b",
    "vgpu_sgemm_packed",
    "vgpu_dgemm_pack_b",
    "vgpu_dgemm_packed",
    "vgpu_packed_b_destroy",
    "vgpu_sgemm_files",
    "vgpu_dgemm_files",
    "vgpu_fork_layout",
    "vgpu_fork_promote",
    "vgpu_fork_take_back",
    "vgpu_fork_finish",
    "vgpu_topology_get",
    "vgpu_micropool_init_sized",
    "vgpu_micropools_create",
    "vgpu_micropools_destroy",
    "vgpu_micropools_find",
    "vgpu_micropools_submit",
    "vgpu_micropools_wait_all",
    "vgpu_micropool_task_hand_over",
    "vgpu_micropool_task_micropool",
    "vgpu_micropool_task_worker",
    "vgpu_node_numbers",
    "vgpu_node_alloc",
    "vgpu_node_alloc_interleaved",
    "vgpu_node_free",
    "vgpu_node_report_get",
    "vgpu_node_bind",
    "vgpu_numa_pool_create",
    "vgpu_numa_pool_destroy",
    "vgpu_numa_alloc",
    "vgpu_numa_node_of_slot",
    "vgpu_pinned_create",
    "vgpu_pinned_data",
    "vgpu_pinned_node",
    "vgpu_pinned_release",
    "vgpu_task_options_init_sized",
    "vgpu_tiers_create",
    "vgpu_tiers_destroy",
    "vgpu_tiers_alloc",
    "vgpu_tiers_used",
    "vgpu_tier_memory_data",
    "vgpu_tier_memory_tier",
    "vgpu_tier_memory_node",
    "vgpu_tier_memory_release",
};

int vgpu_pool_load_with(vgpu_pool_find_fn find, void *context, char *message, size_t size) {
    vgpu_pool_api found;
    char *const places = (char *)&found;
    size_t i;
    for (i = 0; i < sizeof vgpu_pool_names / sizeof *vgpu_pool_names; i++) {
        void *const function = find(context, vgpu_pool_names[i]);
        if (function == NULL) {
            if (message != NULL && size != 0) {
                snprintf(message, size, "the library has no function %s: it is another library, or older than this program", vgpu_pool_names[i]);
            }
            return -1;
        }
        memcpy(places + i * sizeof function, &function, sizeof function);
    }
    if (found.abi_version() != VGPU_ABI_VERSION) {
        if (message != NULL && size != 0) {
            snprintf(message, size, "the library has ABI %u, and this program was compiled for ABI %u", (unsigned)found.abi_version(),
                     (unsigned)VGPU_ABI_VERSION);
        }
        return -1;
    }
    vgpu_pool_loaded = found;
    return 0;
}

static void *vgpu_pool_find(void *library, const char *name) {
    return dlsym(library, name);
}

int vgpu_pool_load(const char *path, char *message, size_t size) {
    void *library;
    /* Somebody else's program must not be made to load what the environment names. */
    if (path == NULL && getauxval(AT_SECURE) == 0) {
        path = getenv("VGPU_POOL_LIBRARY");
    }
    library = dlopen(path != NULL && path[0] != '\0' ? path : "libvgpu_pool.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        if (message != NULL && size != 0) {
            snprintf(message, size, "%s", dlerror());
        }
        return -1;
    }
    return vgpu_pool_load_with(vgpu_pool_find, library, message, size);
}

#ifdef VGPU_POOL_LOADER_FUNCTIONS
#define VGPU_POOL_NOT_LOADED "the library is not loaded; call vgpu_pool_load first, and look at what it returns"

const char *vgpu_status_name(vgpu_status status) {
    if (vgpu_pool_loaded.status_name == NULL) { (void)status; return "VGPU_ERROR_UNSUPPORTED"; }
    return vgpu_pool_loaded.status_name(status);
}
const char *vgpu_last_error_message(void) {
    if (vgpu_pool_loaded.last_error_message == NULL) { return VGPU_POOL_NOT_LOADED; }
    return vgpu_pool_loaded.last_error_message();
}
vgpu_status vgpu_task_set_error(const char *message) {
    if (vgpu_pool_loaded.task_set_error == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.task_set_error(message);
}
uint32_t vgpu_abi_version(void) {
    if (vgpu_pool_loaded.abi_version == NULL) { return 0; }
    return vgpu_pool_loaded.abi_version();
}
const char *vgpu_version_string(void) {
    if (vgpu_pool_loaded.version_string == NULL) { return ""; }
    return vgpu_pool_loaded.version_string();
}
void vgpu_pool_config_init_sized(struct vgpu_pool_config *config, uint32_t size) {
    if (vgpu_pool_loaded.pool_config_init_sized == NULL) { return; }
    vgpu_pool_loaded.pool_config_init_sized(config, size);
}
vgpu_status vgpu_pool_create(const struct vgpu_pool_config *config, struct vgpu_pool **pool) {
    if (vgpu_pool_loaded.pool_create == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_create(config, pool);
}
vgpu_status vgpu_pool_destroy(struct vgpu_pool *pool) {
    if (vgpu_pool_loaded.pool_destroy == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_destroy(pool);
}
vgpu_status vgpu_pool_pump(struct vgpu_pool *pool, size_t max_tasks, uint64_t budget_ns, size_t *ran) {
    if (vgpu_pool_loaded.pool_pump == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_pump(pool, max_tasks, budget_ns, ran);
}
uint32_t vgpu_pool_num_workers(const struct vgpu_pool *pool) {
    if (vgpu_pool_loaded.pool_num_workers == NULL) { return 0; }
    return vgpu_pool_loaded.pool_num_workers(pool);
}
uint32_t vgpu_pool_active_workers(const struct vgpu_pool *pool) {
    if (vgpu_pool_loaded.pool_active_workers == NULL) { return 0; }
    return vgpu_pool_loaded.pool_active_workers(pool);
}
vgpu_status vgpu_pool_limit_workers(struct vgpu_pool *pool, uint32_t workers) {
    if (vgpu_pool_loaded.pool_limit_workers == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_limit_workers(pool, workers);
}
vgpu_status vgpu_pool_submit(struct vgpu_pool *pool, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy, struct vgpu_future **future) {
    if (vgpu_pool_loaded.pool_submit == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_submit(pool, function, user_data, destroy, future);
}
vgpu_status vgpu_pool_submit_with(struct vgpu_pool *pool, const struct vgpu_task_options *options, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy, struct vgpu_future **future) {
    if (vgpu_pool_loaded.pool_submit_with == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_submit_with(pool, options, function, user_data, destroy, future);
}
vgpu_status vgpu_pool_set_victims(struct vgpu_pool *pool, uint32_t order) {
    if (vgpu_pool_loaded.pool_set_victims == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_set_victims(pool, order);
}
vgpu_status vgpu_pool_set_inbox_mode(struct vgpu_pool *pool, uint32_t mode) {
    if (vgpu_pool_loaded.pool_set_inbox_mode == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_set_inbox_mode(pool, mode);
}
vgpu_status vgpu_pool_submit_in(struct vgpu_pool *pool, struct vgpu_task_storage *storage, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy, struct vgpu_future **future) {
    if (vgpu_pool_loaded.pool_submit_in == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_submit_in(pool, storage, function, user_data, destroy, future);
}
vgpu_status vgpu_pool_wait_all(struct vgpu_pool *pool) {
    if (vgpu_pool_loaded.pool_wait_all == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_wait_all(pool);
}
uint32_t vgpu_available_cpus(void) {
    if (vgpu_pool_loaded.available_cpus == NULL) { return 0; }
    return vgpu_pool_loaded.available_cpus();
}
vgpu_status vgpu_lease_create(struct vgpu_pool *pool, struct vgpu_lease **lease) {
    if (vgpu_pool_loaded.lease_create == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.lease_create(pool, lease);
}
vgpu_status vgpu_lease_run(struct vgpu_lease *lease, uint64_t timeout_ns) {
    if (vgpu_pool_loaded.lease_run == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.lease_run(lease, timeout_ns);
}
vgpu_status vgpu_lease_end(struct vgpu_lease *lease) {
    if (vgpu_pool_loaded.lease_end == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.lease_end(lease);
}
void vgpu_lease_destroy(struct vgpu_lease *lease) {
    if (vgpu_pool_loaded.lease_destroy == NULL) { return; }
    vgpu_pool_loaded.lease_destroy(lease);
}
vgpu_status vgpu_pool_stats(const struct vgpu_pool *pool, struct vgpu_stats *stats, struct vgpu_worker_stats *workers, uint32_t capacity) {
    if (vgpu_pool_loaded.pool_stats == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_stats(pool, stats, workers, capacity);
}
vgpu_status vgpu_pool_report(const struct vgpu_pool *pool, char *buffer, size_t size, size_t *length) {
    if (vgpu_pool_loaded.pool_report == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_report(pool, buffer, size, length);
}
vgpu_status vgpu_pool_trace_start(struct vgpu_pool *pool, size_t events_per_worker) {
    if (vgpu_pool_loaded.pool_trace_start == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_trace_start(pool, events_per_worker);
}
vgpu_status vgpu_pool_trace_stop(struct vgpu_pool *pool) {
    if (vgpu_pool_loaded.pool_trace_stop == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_trace_stop(pool);
}
vgpu_status vgpu_pool_trace_write(struct vgpu_pool *pool, const char *path) {
    if (vgpu_pool_loaded.pool_trace_write == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pool_trace_write(pool, path);
}
void vgpu_worker_set_label(const struct vgpu_worker *worker, const char *label) {
    if (vgpu_pool_loaded.worker_set_label == NULL) { return; }
    vgpu_pool_loaded.worker_set_label(worker, label);
}
vgpu_status vgpu_future_get(struct vgpu_future *future, int32_t *task_code) {
    if (vgpu_pool_loaded.future_get == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.future_get(future, task_code);
}
vgpu_status vgpu_future_wait(struct vgpu_future *future) {
    if (vgpu_pool_loaded.future_wait == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.future_wait(future);
}
vgpu_status vgpu_future_wait_for(struct vgpu_future *future, uint64_t timeout_ns) {
    if (vgpu_pool_loaded.future_wait_for == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.future_wait_for(future, timeout_ns);
}
int32_t vgpu_future_is_ready(const struct vgpu_future *future) {
    if (vgpu_pool_loaded.future_is_ready == NULL) { return 0; }
    return vgpu_pool_loaded.future_is_ready(future);
}
vgpu_status vgpu_future_cancel(struct vgpu_future *future) {
    if (vgpu_pool_loaded.future_cancel == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.future_cancel(future);
}
vgpu_status vgpu_future_raise_priority(struct vgpu_future *future, uint32_t priority) {
    if (vgpu_pool_loaded.future_raise_priority == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.future_raise_priority(future, priority);
}
vgpu_status vgpu_future_on_complete(struct vgpu_future *future, vgpu_completion_fn function, void *user_data) {
    if (vgpu_pool_loaded.future_on_complete == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.future_on_complete(future, function, user_data);
}
vgpu_status vgpu_future_release(struct vgpu_future *future) {
    if (vgpu_pool_loaded.future_release == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.future_release(future);
}
vgpu_status vgpu_group_create(struct vgpu_pool *pool, struct vgpu_group **group) {
    if (vgpu_pool_loaded.group_create == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.group_create(pool, group);
}
vgpu_status vgpu_group_submit(struct vgpu_group *group, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy) {
    if (vgpu_pool_loaded.group_submit == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.group_submit(group, function, user_data, destroy);
}
vgpu_status vgpu_group_submit_with(struct vgpu_group *group, const struct vgpu_task_options *options, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy) {
    if (vgpu_pool_loaded.group_submit_with == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.group_submit_with(group, options, function, user_data, destroy);
}
vgpu_status vgpu_group_submit_batch(struct vgpu_group *group, vgpu_task_fn function, void *const *user_data, size_t count, vgpu_destroy_fn destroy, size_t *submitted) {
    if (vgpu_pool_loaded.group_submit_batch == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.group_submit_batch(group, function, user_data, count, destroy, submitted);
}
vgpu_status vgpu_group_wait(struct vgpu_group *group, int32_t *task_code) {
    if (vgpu_pool_loaded.group_wait == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.group_wait(group, task_code);
}
vgpu_status vgpu_group_destroy(struct vgpu_group *group) {
    if (vgpu_pool_loaded.group_destroy == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.group_destroy(group);
}
vgpu_status vgpu_parallel_for(struct vgpu_pool *pool, size_t n, size_t grain, vgpu_range_fn function, void *user_data) {
    if (vgpu_pool_loaded.parallel_for == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.parallel_for(pool, n, grain, function, user_data);
}
vgpu_status vgpu_parallel_for_static(struct vgpu_pool *pool, size_t n, size_t grain, vgpu_range_fn function, void *user_data) {
    if (vgpu_pool_loaded.parallel_for_static == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.parallel_for_static(pool, n, grain, function, user_data);
}
vgpu_status vgpu_parallel_for_tiles(struct vgpu_pool *pool, size_t rows, size_t cols, size_t tile_rows, size_t tile_cols, vgpu_tile_fn function, void *user_data) {
    if (vgpu_pool_loaded.parallel_for_tiles == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.parallel_for_tiles(pool, rows, cols, tile_rows, tile_cols, function, user_data);
}
vgpu_status vgpu_join(struct vgpu_pool *pool, vgpu_task_fn a, void *data_a, vgpu_task_fn b, void *data_b) {
    if (vgpu_pool_loaded.join == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.join(pool, a, data_a, b, data_b);
}
vgpu_status vgpu_fork_all(struct vgpu_pool *pool, size_t n, vgpu_index_fn function, void *user_data) {
    if (vgpu_pool_loaded.fork_all == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.fork_all(pool, n, function, user_data);
}
vgpu_status vgpu_parallel_reduce(struct vgpu_pool *pool, size_t n, size_t grain, size_t size, const void *identity, vgpu_value_fn map, vgpu_combine_fn combine, void *user_data, void *result) {
    if (vgpu_pool_loaded.parallel_reduce == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.parallel_reduce(pool, n, grain, size, identity, map, combine, user_data, result);
}
vgpu_status vgpu_parallel_scan(struct vgpu_pool *pool, size_t n, size_t grain, size_t size, const void *identity, vgpu_value_fn sum, vgpu_combine_fn combine, vgpu_value_fn write, void *user_data) {
    if (vgpu_pool_loaded.parallel_scan == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.parallel_scan(pool, n, grain, size, identity, sum, combine, write, user_data);
}
vgpu_status vgpu_parallel_sort(struct vgpu_pool *pool, void *elements, size_t n, size_t size, vgpu_compare_fn compare, void *user_data) {
    if (vgpu_pool_loaded.parallel_sort == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.parallel_sort(pool, elements, n, size, compare, user_data);
}
void vgpu_graph_config_init_sized(struct vgpu_graph_config *config, uint32_t size) {
    if (vgpu_pool_loaded.graph_config_init_sized == NULL) { return; }
    vgpu_pool_loaded.graph_config_init_sized(config, size);
}
vgpu_status vgpu_graph_create(const struct vgpu_graph_config *config, struct vgpu_graph **graph) {
    if (vgpu_pool_loaded.graph_create == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.graph_create(config, graph);
}
vgpu_status vgpu_graph_add(struct vgpu_graph *graph, const char *name, vgpu_task_fn function, void *user_data, vgpu_destroy_fn destroy, vgpu_vertex *vertex) {
    if (vgpu_pool_loaded.graph_add == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.graph_add(graph, name, function, user_data, destroy, vertex);
}
vgpu_status vgpu_graph_add_condition(struct vgpu_graph *graph, const char *name, vgpu_condition_fn function, void *user_data, vgpu_destroy_fn destroy, vgpu_vertex *vertex) {
    if (vgpu_pool_loaded.graph_add_condition == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.graph_add_condition(graph, name, function, user_data, destroy, vertex);
}
vgpu_status vgpu_graph_precede(struct vgpu_graph *graph, vgpu_vertex before, vgpu_vertex after) {
    if (vgpu_pool_loaded.graph_precede == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.graph_precede(graph, before, after);
}
vgpu_status vgpu_graph_build(struct vgpu_graph *graph) {
    if (vgpu_pool_loaded.graph_build == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.graph_build(graph);
}
vgpu_status vgpu_graph_run(struct vgpu_graph *graph, struct vgpu_pool *pool, int32_t *task_code) {
    if (vgpu_pool_loaded.graph_run == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.graph_run(graph, pool, task_code);
}
vgpu_status vgpu_graph_launch(struct vgpu_graph *graph, struct vgpu_pool *pool) {
    if (vgpu_pool_loaded.graph_launch == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.graph_launch(graph, pool);
}
vgpu_status vgpu_graph_wait(struct vgpu_graph *graph, int32_t *task_code) {
    if (vgpu_pool_loaded.graph_wait == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.graph_wait(graph, task_code);
}
vgpu_status vgpu_graph_cancel(struct vgpu_graph *graph) {
    if (vgpu_pool_loaded.graph_cancel == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.graph_cancel(graph);
}
size_t vgpu_graph_skipped(const struct vgpu_graph *graph) {
    if (vgpu_pool_loaded.graph_skipped == NULL) { return 0; }
    return vgpu_pool_loaded.graph_skipped(graph);
}
vgpu_status vgpu_graph_destroy(struct vgpu_graph *graph) {
    if (vgpu_pool_loaded.graph_destroy == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.graph_destroy(graph);
}
uint32_t vgpu_worker_index(const struct vgpu_worker *worker) {
    if (vgpu_pool_loaded.worker_index == NULL) { return 0; }
    return vgpu_pool_loaded.worker_index(worker);
}
struct vgpu_worker *vgpu_pool_current_worker(const struct vgpu_pool *pool) {
    if (vgpu_pool_loaded.pool_current_worker == NULL) { return NULL; }
    return vgpu_pool_loaded.pool_current_worker(pool);
}
uint32_t vgpu_worker_task_priority(const struct vgpu_worker *worker) {
    if (vgpu_pool_loaded.worker_task_priority == NULL) { return 0; }
    return vgpu_pool_loaded.worker_task_priority(worker);
}
uint32_t vgpu_worker_task_migrations(const struct vgpu_worker *worker) {
    if (vgpu_pool_loaded.worker_task_migrations == NULL) { return 0; }
    return vgpu_pool_loaded.worker_task_migrations(worker);
}
vgpu_status vgpu_worker_set_wait_policy(const struct vgpu_worker *worker, uint32_t policy, uint32_t *previous) {
    if (vgpu_pool_loaded.worker_set_wait_policy == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.worker_set_wait_policy(worker, policy, previous);
}
void vgpu_blocking_begin(struct vgpu_worker *worker) {
    if (vgpu_pool_loaded.blocking_begin == NULL) { return; }
    vgpu_pool_loaded.blocking_begin(worker);
}
void vgpu_blocking_end(struct vgpu_worker *worker) {
    if (vgpu_pool_loaded.blocking_end == NULL) { return; }
    vgpu_pool_loaded.blocking_end(worker);
}
vgpu_status vgpu_sgemm(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    if (vgpu_pool_loaded.sgemm == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.sgemm(pool, layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
vgpu_status vgpu_dgemm(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda, const double *b, int64_t ldb, double beta, double *c, int64_t ldc) {
    if (vgpu_pool_loaded.dgemm == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.dgemm(pool, layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
vgpu_status vgpu_gemm_bf16bf16f32(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    if (vgpu_pool_loaded.gemm_bf16bf16f32 == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.gemm_bf16bf16f32(pool, layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
vgpu_status vgpu_sgemm_bf16x3(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    if (vgpu_pool_loaded.sgemm_bf16x3 == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.sgemm_bf16x3(pool, layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
int32_t vgpu_has_bf16x3(void) {
    if (vgpu_pool_loaded.has_bf16x3 == NULL) { return 0; }
    return vgpu_pool_loaded.has_bf16x3();
}
vgpu_status vgpu_sgemm_batch_strided(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, int64_t stride_a, const float *b, int64_t ldb, int64_t stride_b, float beta, float *c, int64_t ldc, int64_t stride_c, int64_t batch_size) {
    if (vgpu_pool_loaded.sgemm_batch_strided == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.sgemm_batch_strided(pool, layout, trans_a, trans_b, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch_size);
}
vgpu_status vgpu_sgemm_batch(struct vgpu_pool *pool, int32_t layout, const int32_t *trans_a, const int32_t *trans_b, const int64_t *m, const int64_t *n, const int64_t *k, const float *alpha, const float *const *a, const int64_t *lda, const float *const *b, const int64_t *ldb, const float *beta, float *const *c, const int64_t *ldc, int64_t group_count, const int64_t *group_size) {
    if (vgpu_pool_loaded.sgemm_batch == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.sgemm_batch(pool, layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, group_count, group_size);
}
vgpu_status vgpu_dgemm_batch_strided(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda, int64_t stride_a, const double *b, int64_t ldb, int64_t stride_b, double beta, double *c, int64_t ldc, int64_t stride_c, int64_t batch_size) {
    if (vgpu_pool_loaded.dgemm_batch_strided == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.dgemm_batch_strided(pool, layout, trans_a, trans_b, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch_size);
}
vgpu_status vgpu_dgemm_batch(struct vgpu_pool *pool, int32_t layout, const int32_t *trans_a, const int32_t *trans_b, const int64_t *m, const int64_t *n, const int64_t *k, const double *alpha, const double *const *a, const int64_t *lda, const double *const *b, const int64_t *ldb, const double *beta, double *const *c, const int64_t *ldc, int64_t group_count, const int64_t *group_size) {
    if (vgpu_pool_loaded.dgemm_batch == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.dgemm_batch(pool, layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, group_count, group_size);
}
vgpu_status vgpu_sgemm_pack_b(struct vgpu_pool *pool, int32_t layout, int32_t trans_b, int64_t n, int64_t k, const float *b, int64_t ldb, struct vgpu_packed_b **packed) {
    if (vgpu_pool_loaded.sgemm_pack_b == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.sgemm_pack_b(pool, layout, trans_b, n, k, b, ldb, packed);
}
vgpu_status vgpu_sgemm_packed(struct vgpu_pool *pool, int32_t trans_a, int64_t m, float alpha, const float *a, int64_t lda, const struct vgpu_packed_b *b, float beta, float *c, int64_t ldc) {
    if (vgpu_pool_loaded.sgemm_packed == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.sgemm_packed(pool, trans_a, m, alpha, a, lda, b, beta, c, ldc);
}
vgpu_status vgpu_dgemm_pack_b(struct vgpu_pool *pool, int32_t layout, int32_t trans_b, int64_t n, int64_t k, const double *b, int64_t ldb, struct vgpu_packed_b **packed) {
    if (vgpu_pool_loaded.dgemm_pack_b == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.dgemm_pack_b(pool, layout, trans_b, n, k, b, ldb, packed);
}
vgpu_status vgpu_dgemm_packed(struct vgpu_pool *pool, int32_t trans_a, int64_t m, double alpha, const double *a, int64_t lda, const struct vgpu_packed_b *b, double beta, double *c, int64_t ldc) {
    if (vgpu_pool_loaded.dgemm_packed == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.dgemm_packed(pool, trans_a, m, alpha, a, lda, b, beta, c, ldc);
}
void vgpu_packed_b_destroy(struct vgpu_packed_b *packed) {
    if (vgpu_pool_loaded.packed_b_destroy == NULL) { return; }
    vgpu_pool_loaded.packed_b_destroy(packed);
}
vgpu_status vgpu_sgemm_files(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const char *a, uint64_t offset_a, int64_t lda, const char *b, uint64_t offset_b, int64_t ldb, float beta, const char *c, size_t memory, vgpu_progress_fn progress, void *user_data) {
    if (vgpu_pool_loaded.sgemm_files == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.sgemm_files(pool, layout, trans_a, trans_b, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, memory, progress, user_data);
}
vgpu_status vgpu_dgemm_files(struct vgpu_pool *pool, int32_t layout, int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, double alpha, const char *a, uint64_t offset_a, int64_t lda, const char *b, uint64_t offset_b, int64_t ldb, double beta, const char *c, size_t memory, vgpu_progress_fn progress, void *user_data) {
    if (vgpu_pool_loaded.dgemm_files == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.dgemm_files(pool, layout, trans_a, trans_b, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, memory, progress, user_data);
}
uint32_t vgpu_fork_layout(void) {
    if (vgpu_pool_loaded.fork_layout == NULL) { return 0; }
    return vgpu_pool_loaded.fork_layout();
}
void vgpu_fork_promote(struct vgpu_worker *worker) {
    if (vgpu_pool_loaded.fork_promote == NULL) { return; }
    vgpu_pool_loaded.fork_promote(worker);
}
int32_t vgpu_fork_take_back(struct vgpu_worker *worker, struct vgpu_fork_job *job) {
    if (vgpu_pool_loaded.fork_take_back == NULL) { return 0; }
    return vgpu_pool_loaded.fork_take_back(worker, job);
}
void vgpu_fork_finish(struct vgpu_worker *worker, struct vgpu_fork_job *job) {
    if (vgpu_pool_loaded.fork_finish == NULL) { return; }
    vgpu_pool_loaded.fork_finish(worker, job);
}
vgpu_status vgpu_topology_get(struct vgpu_topology *topology, struct vgpu_cpu *cpus, uint32_t cpu_capacity, struct vgpu_node *nodes, uint32_t node_capacity, uint32_t *distances) {
    if (vgpu_pool_loaded.topology_get == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.topology_get(topology, cpus, cpu_capacity, nodes, node_capacity, distances);
}
void vgpu_micropool_init_sized(struct vgpu_micropool *micropool, uint32_t size) {
    if (vgpu_pool_loaded.micropool_init_sized == NULL) { return; }
    vgpu_pool_loaded.micropool_init_sized(micropool, size);
}
vgpu_status vgpu_micropools_create(const struct vgpu_pool_config *config, const struct vgpu_micropool *micropools, size_t count, struct vgpu_micropools **set) {
    if (vgpu_pool_loaded.micropools_create == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.micropools_create(config, micropools, count, set);
}
vgpu_status vgpu_micropools_destroy(struct vgpu_micropools *set) {
    if (vgpu_pool_loaded.micropools_destroy == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.micropools_destroy(set);
}
vgpu_status vgpu_micropools_find(const struct vgpu_micropools *set, const char *name, uint32_t *number) {
    if (vgpu_pool_loaded.micropools_find == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.micropools_find(set, name, number);
}
vgpu_status vgpu_micropools_submit(struct vgpu_micropools *set, uint32_t micropool, vgpu_micropool_task_fn function, void *user_data, vgpu_destroy_fn destroy) {
    if (vgpu_pool_loaded.micropools_submit == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.micropools_submit(set, micropool, function, user_data, destroy);
}
vgpu_status vgpu_micropools_wait_all(struct vgpu_micropools *set, int32_t *task_code) {
    if (vgpu_pool_loaded.micropools_wait_all == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.micropools_wait_all(set, task_code);
}
vgpu_status vgpu_micropool_task_hand_over(struct vgpu_micropool_task *task, uint32_t micropool, vgpu_micropool_task_fn function) {
    if (vgpu_pool_loaded.micropool_task_hand_over == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.micropool_task_hand_over(task, micropool, function);
}
uint32_t vgpu_micropool_task_micropool(const struct vgpu_micropool_task *task) {
    if (vgpu_pool_loaded.micropool_task_micropool == NULL) { return 0; }
    return vgpu_pool_loaded.micropool_task_micropool(task);
}
struct vgpu_worker *vgpu_micropool_task_worker(const struct vgpu_micropool_task *task) {
    if (vgpu_pool_loaded.micropool_task_worker == NULL) { return NULL; }
    return vgpu_pool_loaded.micropool_task_worker(task);
}
vgpu_status vgpu_node_numbers(uint32_t *numbers, size_t capacity, size_t *count) {
    if (vgpu_pool_loaded.node_numbers == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.node_numbers(numbers, capacity, count);
}
vgpu_status vgpu_node_alloc(size_t bytes, uint32_t node, uint32_t flags, void **memory) {
    if (vgpu_pool_loaded.node_alloc == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.node_alloc(bytes, node, flags, memory);
}
vgpu_status vgpu_node_alloc_interleaved(size_t bytes, uint32_t flags, void **memory) {
    if (vgpu_pool_loaded.node_alloc_interleaved == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.node_alloc_interleaved(bytes, flags, memory);
}
vgpu_status vgpu_node_free(void *memory) {
    if (vgpu_pool_loaded.node_free == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.node_free(memory);
}
vgpu_status vgpu_node_report_get(const void *memory, struct vgpu_node_report *report) {
    if (vgpu_pool_loaded.node_report_get == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.node_report_get(memory, report);
}
vgpu_status vgpu_node_bind(void *memory, size_t bytes, uint32_t node) {
    if (vgpu_pool_loaded.node_bind == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.node_bind(memory, bytes, node);
}
vgpu_status vgpu_numa_pool_create(struct vgpu_numa_pool **pool) {
    if (vgpu_pool_loaded.numa_pool_create == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.numa_pool_create(pool);
}
vgpu_status vgpu_numa_pool_destroy(struct vgpu_numa_pool *pool) {
    if (vgpu_pool_loaded.numa_pool_destroy == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.numa_pool_destroy(pool);
}
vgpu_status vgpu_numa_alloc(struct vgpu_numa_pool *pool, size_t bytes, uint32_t node, uint32_t flags, uint64_t timeout_ms, void **memory) {
    if (vgpu_pool_loaded.numa_alloc == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.numa_alloc(pool, bytes, node, flags, timeout_ms, memory);
}
vgpu_status vgpu_numa_node_of_slot(struct vgpu_numa_pool *pool, const char *address, uint32_t *node) {
    if (vgpu_pool_loaded.numa_node_of_slot == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.numa_node_of_slot(pool, address, node);
}
vgpu_status vgpu_pinned_create(struct vgpu_numa_pool *pool, size_t bytes, uint32_t gpu, uint32_t flags, uint64_t timeout_ms, struct vgpu_pinned **pinned) {
    if (vgpu_pool_loaded.pinned_create == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.pinned_create(pool, bytes, gpu, flags, timeout_ms, pinned);
}
void *vgpu_pinned_data(const struct vgpu_pinned *pinned) {
    if (vgpu_pool_loaded.pinned_data == NULL) { return NULL; }
    return vgpu_pool_loaded.pinned_data(pinned);
}
uint32_t vgpu_pinned_node(const struct vgpu_pinned *pinned) {
    if (vgpu_pool_loaded.pinned_node == NULL) { return 0; }
    return vgpu_pool_loaded.pinned_node(pinned);
}
void vgpu_pinned_release(struct vgpu_pinned *pinned) {
    if (vgpu_pool_loaded.pinned_release == NULL) { return; }
    vgpu_pool_loaded.pinned_release(pinned);
}
void vgpu_task_options_init_sized(struct vgpu_task_options *options, uint32_t size) {
    if (vgpu_pool_loaded.task_options_init_sized == NULL) { return; }
    vgpu_pool_loaded.task_options_init_sized(options, size);
}
vgpu_status vgpu_tiers_create(uint32_t node, uint64_t fast_bytes, uint64_t other_bytes, uint64_t disk_bytes, const char *folder, struct vgpu_tiers **tiers) {
    if (vgpu_pool_loaded.tiers_create == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.tiers_create(node, fast_bytes, other_bytes, disk_bytes, folder, tiers);
}
vgpu_status vgpu_tiers_destroy(struct vgpu_tiers *tiers) {
    if (vgpu_pool_loaded.tiers_destroy == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.tiers_destroy(tiers);
}
vgpu_status vgpu_tiers_alloc(struct vgpu_tiers *tiers, size_t bytes, struct vgpu_tier_memory **memory) {
    if (vgpu_pool_loaded.tiers_alloc == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.tiers_alloc(tiers, bytes, memory);
}
vgpu_status vgpu_tiers_used(const struct vgpu_tiers *tiers, uint32_t tier, uint64_t *bytes) {
    if (vgpu_pool_loaded.tiers_used == NULL) { return VGPU_ERROR_UNSUPPORTED; }
    return vgpu_pool_loaded.tiers_used(tiers, tier, bytes);
}
void *vgpu_tier_memory_data(const struct vgpu_tier_memory *memory) {
    if (vgpu_pool_loaded.tier_memory_data == NULL) { return NULL; }
    return vgpu_pool_loaded.tier_memory_data(memory);
}
uint32_t vgpu_tier_memory_tier(const struct vgpu_tier_memory *memory) {
    if (vgpu_pool_loaded.tier_memory_tier == NULL) { return 0; }
    return vgpu_pool_loaded.tier_memory_tier(memory);
}
uint32_t vgpu_tier_memory_node(const struct vgpu_tier_memory *memory) {
    if (vgpu_pool_loaded.tier_memory_node == NULL) { return 0; }
    return vgpu_pool_loaded.tier_memory_node(memory);
}
void vgpu_tier_memory_release(struct vgpu_tier_memory *memory) {
    if (vgpu_pool_loaded.tier_memory_release == NULL) { return; }
    vgpu_pool_loaded.tier_memory_release(memory);
}
#endif

#ifdef __cplusplus
}
#endif

#endif /* VGPU_POOL_LOADER_IMPLEMENTATION */
