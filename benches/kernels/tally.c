#include "kernels.h"

#include <pthread.h>
#include <stdlib.h>

struct counter {
    _Alignas(128) uint64_t value;
    struct counter *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct counter *counters;
static _Thread_local struct counter *mine;

/* Counters outlive their threads. */
static struct counter *join_in(void) {
    struct counter *counter = aligned_alloc(128, sizeof *counter);
    if (counter == NULL) {
        abort();
    }
    counter->value = 0;
    pthread_mutex_lock(&lock);
    counter->next = counters;
    counters = counter;
    pthread_mutex_unlock(&lock);
    return counter;
}

void kernel_tally(void) {
    if (mine == NULL) {
        mine = join_in();
    }
    uint64_t value = __atomic_load_n(&mine->value, __ATOMIC_RELAXED);
    __atomic_store_n(&mine->value, value + 1, __ATOMIC_RELAXED);
}

uint64_t kernel_tally_own(void) { return mine == NULL ? 0 : __atomic_load_n(&mine->value, __ATOMIC_RELAXED); }

uint64_t kernel_tally_sum(void) {
    uint64_t sum = 0;
    pthread_mutex_lock(&lock);
    for (struct counter *counter = counters; counter != NULL; counter = counter->next) {
        sum += __atomic_load_n(&counter->value, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&lock);
    return sum;
}
