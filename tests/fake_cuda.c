/* A CUDA driver without a GPU: it keeps count of what is pinned and of who holds the context, and refuses what a driver would. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 64 };
static void *pinned[SLOTS];
static int owned[SLOTS];
static int references;
static int current;
static int fail_next;

int fake_pinned(void) {
    int i, count = 0;
    for (i = 0; i < SLOTS; i++) count += pinned[i] != NULL;
    return count;
}
int fake_references(void) { return references; }
int fake_current(void) { return current; }
void fake_fail_next(int code) { fail_next = code; }

static int refuse(void) {
    int code = fail_next;
    fail_next = 0;
    if (code == 0 && current != 1) return 201; /* no context */
    return code;
}
static int add(void *memory, int own) {
    int i;
    for (i = 0; i < SLOTS; i++) {
        if (pinned[i] == NULL) {
            pinned[i] = memory;
            owned[i] = own;
            return 0;
        }
    }
    return 2;
}
static int take(void *memory, int own) {
    int i;
    for (i = 0; i < SLOTS; i++) {
        if (pinned[i] == memory && owned[i] == own) {
            pinned[i] = NULL;
            return 0;
        }
    }
    return 1;
}

int cuInit(unsigned flags) { return flags == 0 ? 0 : 1; }
int cuGetErrorName(int code, const char **name) {
    *name = code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : code == 201 ? "CUDA_ERROR_INVALID_CONTEXT" : NULL;
    return *name == NULL;
}
int cuDeviceGetCount(int *count) {
    *count = 2;
    return 0;
}
int cuDeviceGet(int *device, int ordinal) {
    *device = 40 + ordinal;
    return 0;
}
int cuDeviceGetPCIBusId(char *text, int size, int device) {
    snprintf(text, (size_t)size, "00000000:fe:1f.%d", device - 40);
    return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
    *context = (void *)(size_t)device;
    references++;
    return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
    references--;
    return device < 40;
}
int cuCtxPushCurrent_v2(void *context) {
    current++;
    return context == NULL;
}
int cuCtxPopCurrent_v2(void **context) {
    current--;
    *context = NULL;
    return 0;
}
int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
    int code = refuse();
    if (code != 0 || flags != 1) return code != 0 ? code : 1;
    *memory = calloc(1, bytes);
    return add(*memory, 1);
}
int cuMemFreeHost(void *memory) {
    int code = current == 1 ? take(memory, 1) : 201;
    if (code == 0) free(memory);
    return code;
}
int cuMemHostRegister_v2(void *memory, size_t bytes, unsigned flags) {
    int code = refuse();
    if (code != 0 || flags != 1) return code != 0 ? code : 1;
    /* A driver reads what it pins. */
    return ((volatile char *)memory)[bytes - 1] == 0 ? add(memory, 0) : 1;
}
int cuMemHostUnregister(void *memory) { return current == 1 ? take(memory, 0) : 201; }
