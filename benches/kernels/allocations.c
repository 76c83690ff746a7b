/* Counts allocations where that is asked for. Otherwise the C library's allocator behind one predictable branch. Being part of
 * the program, these definitions are what every library in the process calls, too; an allocator of a library's own is not seen. */
#include "kernels.h"

#include <errno.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

static int counting;
static uint64_t counted;

static void count(void) {
    if (__builtin_expect(__atomic_load_n(&counting, __ATOMIC_RELAXED), 0)) {
        __atomic_fetch_add(&counted, 1, __ATOMIC_RELAXED);
    }
}

void kernel_count_allocations(int on) { __atomic_store_n(&counting, on, __ATOMIC_RELAXED); }

uint64_t kernel_allocations(void) { return __atomic_load_n(&counted, __ATOMIC_RELAXED); }

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t many, size_t size) {
    count();
    return __libc_calloc(many, size);
}

void *realloc(void *memory, size_t size) {
    count();
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t align, size_t size) {
    count();
    return __libc_memalign(align, size);
}

int posix_memalign(void **memory, size_t align, size_t size) {
    count();
    *memory = __libc_memalign(align, size);
    return *memory == NULL ? ENOMEM : 0;
}
