#define _GNU_SOURCE
#include "kernels.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t kernel_now_ns(void) { return read_clock(CLOCK_MONOTONIC); }
uint64_t kernel_process_cpu_ns(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }
uint64_t kernel_thread_cpu_ns(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

void kernel_wait_until(uint64_t when_ns) {
    /* A sleeper is late by tens of microseconds. */
    const uint64_t early = 200000;
    if (kernel_now_ns() + early < when_ns) {
        struct timespec until = {(time_t)((when_ns - early) / 1000000000u), (long)((when_ns - early) % 1000000000u)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
        }
    }
    while (kernel_now_ns() < when_ns) {
    }
}

void kernel_schedule(uint64_t *offsets_ns, size_t count, uint64_t gap_ns, uint32_t seed) {
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        offsets_ns[i] = at;
        at += gap_ns + (gap_ns / 10) * kernel_mix((uint64_t)seed << 32 | i, 3) / UINT32_MAX;
    }
}

static uint64_t status_kib(const char *name) {
    char line[256];
    unsigned long long value = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL) {
        return 0;
    }
    while (fgets(line, sizeof line, status) != NULL) {
        size_t length = strlen(name);
        if (strncmp(line, name, length) == 0 && sscanf(line + length, ": %llu", &value) == 1) {
            break;
        }
    }
    fclose(status);
    return value;
}

/* Not getrusage(): its peak survives exec, so that a small child of a large parent would look large. */
uint64_t kernel_peak_rss_kib(void) { return status_kib("VmHWM"); }
uint64_t kernel_rss_kib(void) { return status_kib("VmRSS"); }
