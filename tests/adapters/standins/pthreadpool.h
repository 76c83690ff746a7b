/* What adapters/pthreadpool.h uses of pthreadpool, as its documentation says it. */
#ifndef PTHREADPOOL_STANDIN_H
#define PTHREADPOOL_STANDIN_H
struct pthreadpool_executor {
    int (*num_threads)(void *executor_context);
    void (*schedule)(void *executor_context, void *context, void (*task)(void *context));
};
#endif
