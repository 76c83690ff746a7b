/* See peak.h. Each burst keeps twelve chains of multiply-adds in flight, more than latency times ports on any current core. */
#define _POSIX_C_SOURCE 200809L

#include "peak.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* Read where the compiler cannot look. Chains that begin alike would be computed once. */
static volatile double seed = 0.125;

#if defined(__x86_64__)
#include <immintrin.h>

#define CHAINS 12

#define START(SET1, SCALAR, NUMBER) SET1((SCALAR)(seed + (NUMBER)))

/* One burst of `iterations` rounds. x is below 1 and y small: the values settle, and never become slow denormals.
 * The sum is returned so that the compiler must do the work. */
#define DEFINE_BURST(NAME, TARGET, VECTOR, SCALAR, SET1, FMA, STORE)                                                   \
    __attribute__((target(TARGET), noinline)) static double NAME(long iterations) {                                    \
        const VECTOR x = SET1((SCALAR)0.875);                                                                          \
        const VECTOR y = SET1((SCALAR)0.125);                                                                          \
        VECTOR a0 = START(SET1, SCALAR, 0), a1 = START(SET1, SCALAR, 1), a2 = START(SET1, SCALAR, 2);                  \
        VECTOR a3 = START(SET1, SCALAR, 3), a4 = START(SET1, SCALAR, 4), a5 = START(SET1, SCALAR, 5);                  \
        VECTOR a6 = START(SET1, SCALAR, 6), a7 = START(SET1, SCALAR, 7), a8 = START(SET1, SCALAR, 8);                  \
        VECTOR a9 = START(SET1, SCALAR, 9), a10 = START(SET1, SCALAR, 10), a11 = START(SET1, SCALAR, 11);              \
        SCALAR lanes[sizeof(VECTOR) / sizeof(SCALAR)];                                                                 \
        double sum = 0.0;                                                                                              \
        long i;                                                                                                        \
        unsigned lane;                                                                                                 \
        for (i = 0; i < iterations; i++) {                                                                             \
            a0 = FMA(a0, x, y);                                                                                        \
            a1 = FMA(a1, x, y);                                                                                        \
            a2 = FMA(a2, x, y);                                                                                        \
            a3 = FMA(a3, x, y);                                                                                        \
            a4 = FMA(a4, x, y);                                                                                        \
            a5 = FMA(a5, x, y);                                                                                        \
            a6 = FMA(a6, x, y);                                                                                        \
            a7 = FMA(a7, x, y);                                                                                        \
            a8 = FMA(a8, x, y);                                                                                        \
            a9 = FMA(a9, x, y);                                                                                        \
            a10 = FMA(a10, x, y);                                                                                      \
            a11 = FMA(a11, x, y);                                                                                      \
        }                                                                                                              \
        a0 = FMA(FMA(a0, a1, a2), FMA(a3, a4, a5), FMA(FMA(a6, a7, a8), a9, FMA(a10, a11, x)));                        \
        STORE(lanes, a0);                                                                                              \
        for (lane = 0; lane < sizeof lanes / sizeof lanes[0]; lane++) {                                                \
            sum += (double)lanes[lane];                                                                                \
        }                                                                                                              \
        return sum;                                                                                                    \
    }

DEFINE_BURST(burst_avx512_f32, "avx512f", __m512, float, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_storeu_ps)
DEFINE_BURST(burst_avx512_f64, "avx512f", __m512d, double, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_storeu_pd)
DEFINE_BURST(burst_avx2_f32, "avx2,fma", __m256, float, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_storeu_ps)
DEFINE_BURST(burst_avx2_f64, "avx2,fma", __m256d, double, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_storeu_pd)
#endif

/* What any compiler makes of independent multiply-adds, for processors without a burst of their own. */
enum { PORTABLE_CHAINS = 48 };

#define DEFINE_PORTABLE(NAME, SCALAR)                                                                                  \
    static double NAME(long iterations) {                                                                              \
        SCALAR chain[PORTABLE_CHAINS];                                                                                 \
        double sum = 0.0;                                                                                              \
        long i;                                                                                                        \
        int j;                                                                                                         \
        for (j = 0; j < PORTABLE_CHAINS; j++) {                                                                        \
            chain[j] = (SCALAR)(seed + j);                                                                             \
        }                                                                                                              \
        for (i = 0; i < iterations; i++) {                                                                             \
            for (j = 0; j < PORTABLE_CHAINS; j++) {                                                                    \
                chain[j] = chain[j] * (SCALAR)0.875 + (SCALAR)0.125;                                                   \
            }                                                                                                          \
        }                                                                                                              \
        for (j = 0; j < PORTABLE_CHAINS; j++) {                                                                        \
            sum += (double)chain[j];                                                                                   \
        }                                                                                                              \
        return sum;                                                                                                    \
    }

DEFINE_PORTABLE(burst_portable_f32, float)
DEFINE_PORTABLE(burst_portable_f64, double)

struct burst {
    double (*run)(long iterations);
    double flops_per_iteration;
    const char *name;
};

static struct burst choose(int double_precision) {
    struct burst burst;
    burst.run = double_precision ? burst_portable_f64 : burst_portable_f32;
    burst.flops_per_iteration = 2.0 * PORTABLE_CHAINS;
    burst.name = "portable";
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        burst.run = double_precision ? burst_avx512_f64 : burst_avx512_f32;
        burst.flops_per_iteration = 2.0 * CHAINS * (double_precision ? 8 : 16);
        burst.name = "AVX-512";
    } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        burst.run = double_precision ? burst_avx2_f64 : burst_avx2_f32;
        burst.flops_per_iteration = 2.0 * CHAINS * (double_precision ? 4 : 8);
        burst.name = "AVX2";
    }
#endif
    return burst;
}

const char *peak_instruction_set(void) {
    return choose(0).name;
}

static double seconds_on(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double peak_seconds(void) {
    return seconds_on(CLOCK_MONOTONIC);
}

/* Holds the threads back until all are there, or sends them home when one could not be made. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum { GATE_SHUT, GATE_OPEN, GATE_CANCELLED } state;
};

struct participant {
    pthread_t thread;
    struct gate *gate;
    struct burst burst;
    double gflops;
};

static volatile double sink;

/* The best of several short bursts, by the thread's own CPU time: a preempted burst must not make the limit look low,
 * and with it our share of the limit look high. */
static double measure(const struct burst *burst) {
    const long iterations = 16000;
    double best = 0.0;
    int i;
    for (i = 0; i < 4; i++) {
        const double begin = seconds_on(CLOCK_MONOTONIC);
        double elapsed;
        double gflops;
        sink = burst->run(iterations);
        elapsed = seconds_on(CLOCK_MONOTONIC) - begin;
        gflops = elapsed > 0.0 ? 1e-9 * burst->flops_per_iteration * (double)iterations / elapsed : 0.0;
        best = gflops > best ? gflops : best;
    }
    return best;
}

static void *participate(void *argument) {
    struct participant *self = argument;
    int cancelled;
    pthread_mutex_lock(&self->gate->lock);
    while (self->gate->state == GATE_SHUT) {
        pthread_cond_wait(&self->gate->changed, &self->gate->lock);
    }
    cancelled = self->gate->state == GATE_CANCELLED;
    pthread_mutex_unlock(&self->gate->lock);
    if (!cancelled) {
        self->gflops = measure(&self->burst);
    }
    return NULL;
}

double peak_gflops(int threads, int double_precision) {
    const struct burst burst = choose(double_precision);
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, GATE_SHUT};
    struct participant *participants;
    double sum = 0.0;
    int made;
    int i;
    if (threads <= 1) {
        return measure(&burst);
    }
    participants = calloc((size_t)threads, sizeof *participants);
    if (participants == NULL) {
        return 0.0;
    }
    for (made = 0; made < threads; made++) {
        participants[made].gate = &gate;
        participants[made].burst = burst;
        if (pthread_create(&participants[made].thread, NULL, participate, &participants[made]) != 0) {
            break;
        }
    }
    pthread_mutex_lock(&gate.lock);
    gate.state = made == threads ? GATE_OPEN : GATE_CANCELLED;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    for (i = 0; i < made; i++) {
        pthread_join(participants[i].thread, NULL);
        sum += participants[i].gflops;
    }
    free(participants);
    return sum;
}
