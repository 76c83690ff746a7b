/**
 * @file pthreadpool.h
 * @brief An executor for pthreadpool, and so for XNNPACK: its threads are workers of a pool of ours.
 *
 *     pthreadpool_t threads = pthreadpool_create_v2(vgpu_pthreadpool_executor(), pool, 0);
 *
 * For versions of pthreadpool with struct pthreadpool_executor. Untested: Debian's is older. It is compiled and run against a
 * stand-in for the interface.
 */
#ifndef VGPU_POOL_ADAPTERS_PTHREADPOOL_H
#define VGPU_POOL_ADAPTERS_PTHREADPOOL_H

#include <stdlib.h>

#include <pthreadpool.h>

#include "../../vgpu_pool.h"

struct vgpu_pthreadpool_task {
    void (*function)(void *context);
    void *context;
};

static inline int32_t vgpu_pthreadpool_run(vgpu_worker *worker, void *data) {
    struct vgpu_pthreadpool_task *const task = (struct vgpu_pthreadpool_task *)data;
    (void)worker;
    task->function(task->context);
    return 0;
}

static inline int vgpu_pthreadpool_num_threads(void *pool) {
    return (int)vgpu_pool_num_workers((const vgpu_pool *)pool);
}

/* What the pool refuses is run at once. */
static inline void vgpu_pthreadpool_schedule(void *pool, void *context, void (*function)(void *context)) {
    struct vgpu_pthreadpool_task *const task = (struct vgpu_pthreadpool_task *)malloc(sizeof *task);
    if (task != NULL) {
        task->function = function;
        task->context = context;
        if (vgpu_pool_submit((vgpu_pool *)pool, vgpu_pthreadpool_run, task, free, NULL) == VGPU_OK) {
            return;
        }
        free(task);
    }
    function(context);
}

/** The executor; its context is the vgpu_pool, which must outlive the pthreadpool. */
static inline struct pthreadpool_executor *vgpu_pthreadpool_executor(void) {
    static struct pthreadpool_executor executor = {vgpu_pthreadpool_num_threads, vgpu_pthreadpool_schedule};
    return &executor;
}

#endif
