/* The headline: a 1000 x 1000 x 1000 matrix product, float and double, on 1 to N workers.
 *
 *     gemm [size] [rounds] [--workers N] [--compare libopenblas.so.0]
 *
 * For each number of workers it prints GFLOPS, the share of what this machine's multiply-add units can do at that moment
 * (measured right after each product, same instruction set, same number of threads), and the speed-up over one worker. The result is
 * checked against a plain triple loop. With --compare a CBLAS library runs in turn with ours, on as many threads.
 */
#define _POSIX_C_SOURCE 200809L

#include <dlfcn.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vgpu_pool.h>

#include "peak.h"

enum { MAX_POOLS = 64, MAX_ROUNDS = 1000 };

typedef void (*cblas_sgemm_fn)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
typedef void (*cblas_dgemm_fn)(int, int, int, int, int, int, double, const double *, int, const double *, int, double, double *,
                               int);

struct peer {
    const char *path; /* NULL: no comparison */
    cblas_sgemm_fn sgemm;
    cblas_dgemm_fn dgemm;
    void (*set_num_threads)(int);
};

struct options {
    int64_t size;
    int rounds;
    uint32_t workers;
    const char *compare;
};

/* The operands of one run. `bytes` is the size of one matrix. */
struct problem {
    int64_t size;
    int is_double;
    size_t bytes;
    void *a, *b, *c;
};

/* What the rounds gave for one number of workers. */
struct line {
    uint32_t workers;
    vgpu_pool *pool;
    double seconds[MAX_ROUNDS];
    double share[MAX_ROUNDS];
    double peer_seconds[MAX_ROUNDS];
    double worst_error;
    int same_as_first;
};

static int compare_doubles(const void *left, const void *right) {
    const double l = *(const double *)left;
    const double r = *(const double *)right;
    return (l > r) - (l < r);
}

static double median(const double *values, int count) {
    static double sorted[MAX_ROUNDS];
    memcpy(sorted, values, (size_t)count * sizeof *values);
    qsort(sorted, (size_t)count, sizeof *sorted, compare_doubles);
    return count % 2 != 0 ? sorted[count / 2] : 0.5 * (sorted[count / 2 - 1] + sorted[count / 2]);
}

/* dlsym gives an object pointer, ISO C has no cast from that to a function pointer; POSIX says the bytes are the same. */
static int find(void *library, const char *name, void *function, size_t size) {
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, size);
    return symbol != NULL;
}

/* OpenBLAS chooses its kernels by the processor's model number, and for one that it does not know, as virtual machines often show,
 * it takes those for SSE. Winning against that would mean nothing: we start again and tell it what the processor can do. */
static void insist_on_good_kernels(void *library, char **arguments) {
    const char *(*name_of_core)(void) = NULL;
    const char *wanted = strcmp(peak_instruction_set(), "AVX-512") == 0 ? "SKYLAKEX" : "HASWELL";
    const char *name;
    if (!find(library, "openblas_get_corename", &name_of_core, sizeof name_of_core)) {
        return;
    }
    name = name_of_core();
    printf("OpenBLAS uses its kernels for %s\n", name);
    if (strcmp(peak_instruction_set(), "portable") == 0 || getenv("OPENBLAS_CORETYPE") != NULL ||
        (strcmp(name, "Prescott") != 0 && strcmp(name, "Core2") != 0 && strcmp(name, "Nehalem") != 0)) {
        return;
    }
    printf("starting again with OPENBLAS_CORETYPE=%s\n", wanted);
    fflush(stdout);
    if (setenv("OPENBLAS_CORETYPE", wanted, 1) == 0) {
        execv("/proc/self/exe", arguments);
    }
    perror("gemm: could not start again");
}

static int open_peer(const char *path, char **arguments, struct peer *peer) {
    void *library;
    memset(peer, 0, sizeof *peer);
    if (path == NULL) {
        return 0;
    }
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "gemm: %s\n", dlerror());
        return -1;
    }
    if (!find(library, "cblas_sgemm", &peer->sgemm, sizeof peer->sgemm) ||
        !find(library, "cblas_dgemm", &peer->dgemm, sizeof peer->dgemm)) {
        fprintf(stderr, "gemm: %s has no cblas_sgemm and cblas_dgemm\n", path);
        return -1;
    }
    insist_on_good_kernels(library, arguments);
    if (!find(library, "openblas_set_num_threads", &peer->set_num_threads, sizeof peer->set_num_threads)) {
        printf("note: %s has no openblas_set_num_threads: it chooses its number of threads itself\n", path);
    }
    peer->path = path;
    return 0;
}

/* Numbers in [-1, 1), the same in every run. */
static void fill(void *matrix, int64_t count, int is_double, uint64_t seed) {
    int64_t i;
    for (i = 0; i < count; i++) {
        double value;
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        value = (double)(seed >> 40) / (double)(1 << 23) - 1.0;
        if (is_double) {
            ((double *)matrix)[i] = value;
        } else {
            ((float *)matrix)[i] = (float)value;
        }
    }
}

static vgpu_status multiply(const struct problem *problem, vgpu_pool *pool) {
    const int64_t n = problem->size;
    if (problem->is_double) {
        return vgpu_dgemm(pool, VGPU_ROW_MAJOR, VGPU_NO_TRANS, VGPU_NO_TRANS, n, n, n, 1.0, problem->a, n, problem->b, n, 0.0,
                          problem->c, n);
    }
    return vgpu_sgemm(pool, VGPU_ROW_MAJOR, VGPU_NO_TRANS, VGPU_NO_TRANS, n, n, n, 1.0F, problem->a, n, problem->b, n, 0.0F,
                      problem->c, n);
}

static void multiply_peer(const struct problem *problem, const struct peer *peer) {
    const int n = (int)problem->size;
    if (problem->is_double) {
        peer->dgemm(VGPU_ROW_MAJOR, VGPU_NO_TRANS, VGPU_NO_TRANS, n, n, n, 1.0, problem->a, n, problem->b, n, 0.0, problem->c, n);
    } else {
        peer->sgemm(VGPU_ROW_MAJOR, VGPU_NO_TRANS, VGPU_NO_TRANS, n, n, n, 1.0F, problem->a, n, problem->b, n, 0.0F, problem->c,
                    n);
    }
}

static double element(const void *matrix, int64_t index, int is_double) {
    return is_double ? ((const double *)matrix)[index] : (double)((const float *)matrix)[index];
}

/* Row `i` of the product by the plain triple loop, and beside it the sums of absolute values that bound the rounding error. */
static void reference_row(const struct problem *problem, int64_t i, double *row, double *magnitude) {
    const int64_t n = problem->size;
    int64_t j;
    int64_t p;
    for (j = 0; j < n; j++) {
        row[j] = 0.0;
        magnitude[j] = 0.0;
    }
    for (p = 0; p < n; p++) {
        const double a = element(problem->a, i * n + p, problem->is_double);
        for (j = 0; j < n; j++) {
            const double product = a * element(problem->b, p * n + j, problem->is_double);
            row[j] += product;
            magnitude[j] += fabs(product);
        }
    }
}

/* Computes the expected result once. Every row up to 1500, about a thousand rows beyond that. */
static void reference(const struct problem *problem, int64_t step, double *expected, double *magnitude) {
    int64_t i;
    for (i = 0; i < problem->size; i += step) {
        reference_row(problem, i, expected + i / step * problem->size, magnitude + i / step * problem->size);
    }
}

/* The largest error, as a part of what (k + 4) * eps * sum|a||b| allows: 1 is the bound. NaN counts as infinite. */
static double worst_error(const struct problem *problem, int64_t step, const double *expected, const double *magnitude) {
    const double eps = problem->is_double ? DBL_EPSILON : (double)FLT_EPSILON;
    const int64_t n = problem->size;
    double worst = 0.0;
    int64_t i;
    int64_t j;
    for (i = 0; i < n; i += step) {
        for (j = 0; j < n; j++) {
            const int64_t at = i / step * n + j;
            const double error = fabs(element(problem->c, i * n + j, problem->is_double) - expected[at]);
            const double bound = ((double)n + 4.0) * eps * magnitude[at];
            const double part = error == 0.0 ? 0.0 : error / bound;
            if (!(part <= worst)) {
                worst = part >= 0.0 ? part : HUGE_VAL;
            }
        }
    }
    return worst;
}

/* Other libraries' idle threads spin for some 30 ms. Wait until they sleep, so that nobody pays for his neighbour, then run
 * once untimed so that both start with warm caches and clocks. */
static void settle(void) {
    struct timespec pause = {0, 40000000};
    nanosleep(&pause, NULL);
}

static int run_round(const struct problem *problem, struct line *line, const struct peer *peer, int round) {
    vgpu_status status;
    double start;
    double gflops;
    double peak;
    if (peer->path != NULL) {
        if (peer->set_num_threads != NULL) {
            peer->set_num_threads((int)line->workers);
        }
        settle();
        multiply_peer(problem, peer);
        start = peak_seconds();
        multiply_peer(problem, peer);
        line->peer_seconds[round] = peak_seconds() - start;
    }
    settle();
    status = multiply(problem, line->pool);
    if (status == VGPU_OK) {
        start = peak_seconds();
        status = multiply(problem, line->pool);
        line->seconds[round] = peak_seconds() - start;
    }
    if (status != VGPU_OK) {
        fprintf(stderr, "gemm: %s: %s\n", vgpu_status_name(status), vgpu_last_error_message());
        return -1;
    }
    gflops = 2e-9 * pow((double)problem->size, 3.0) / line->seconds[round];
    peak = peak_gflops((int)line->workers, problem->is_double);
    line->share[round] = peak > 0.0 ? gflops / peak : 0.0;
    return 0;
}

static void print_lines(const struct problem *problem, const struct line *lines, int count, int rounds, const struct peer *peer) {
    const double flops = 2e-9 * pow((double)problem->size, 3.0);
    static double ratios[MAX_ROUNDS];
    int i;
    int round;
    printf("\n%s, %lld x %lld x %lld, medians of %d rounds\n", problem->is_double ? "f64" : "f32", (long long)problem->size,
           (long long)problem->size, (long long)problem->size, rounds);
    printf("workers     ms    GFLOPS   of %s peak   speed-up   error/bound   bits as 1 worker%s\n", peak_instruction_set(),
           peer->path != NULL ? "   peer GFLOPS   ours/peer" : "");
    for (i = 0; i < count; i++) {
        const struct line *line = &lines[i];
        const double seconds = median(line->seconds, rounds);
        for (round = 0; round < rounds; round++) {
            ratios[round] = lines[0].seconds[round] / line->seconds[round];
        }
        printf("%7u %6.2f %9.1f %12.1f %% %12.2f %13.3f   %16s", (unsigned)line->workers, seconds * 1e3, flops / seconds,
               100.0 * median(line->share, rounds), median(ratios, rounds), line->worst_error,
               line->same_as_first ? "same" : "DIFFERENT");
        if (peer->path != NULL) {
            for (round = 0; round < rounds; round++) {
                ratios[round] = line->peer_seconds[round] / line->seconds[round];
            }
            printf(" %13.1f %11.3f", flops / median(line->peer_seconds, rounds), median(ratios, rounds));
        }
        printf("\n");
    }
}

/* Runs one type on all pools and checks every result. */
static int run_type(const struct options *options, int is_double, struct line *lines, int count, const struct peer *peer) {
    const size_t item = is_double ? sizeof(double) : sizeof(float);
    const size_t numbers = (size_t)options->size * (size_t)options->size;
    const int64_t step = options->size <= 1500 ? 1 : options->size / 1000;
    const size_t checked = (size_t)((options->size + step - 1) / step) * (size_t)options->size;
    struct problem problem;
    double *expected = malloc(checked * sizeof(double));
    double *magnitude = malloc(checked * sizeof(double));
    void *first = malloc(numbers * item);
    int result = -1;
    int round;
    int i;
    problem.size = options->size;
    problem.is_double = is_double;
    problem.bytes = numbers * item;
    problem.a = malloc(problem.bytes);
    problem.b = malloc(problem.bytes);
    problem.c = malloc(problem.bytes);
    if (expected == NULL || magnitude == NULL || first == NULL || problem.a == NULL || problem.b == NULL || problem.c == NULL) {
        fprintf(stderr, "gemm: no memory for matrices of %lld x %lld\n", (long long)options->size, (long long)options->size);
        goto done;
    }
    fill(problem.a, (int64_t)numbers, is_double, 1);
    fill(problem.b, (int64_t)numbers, is_double, 2);
    reference(&problem, step, expected, magnitude);

    for (round = 0; round < options->rounds; round++) {
        for (i = 0; i < count; i++) {
            if (round == 0) {
                memset(problem.c, 0xff, problem.bytes); /* NaN: beta = 0 must not read it */
            }
            if (run_round(&problem, &lines[i], peer, round) != 0) {
                goto done;
            }
            if (round == 0) {
                lines[i].worst_error = worst_error(&problem, step, expected, magnitude);
                if (i == 0) {
                    memcpy(first, problem.c, problem.bytes);
                }
                lines[i].same_as_first = memcmp(first, problem.c, problem.bytes) == 0;
            }
        }
    }
    print_lines(&problem, lines, count, options->rounds, peer);
    result = 0;
    for (i = 0; i < count; i++) {
        if (!(lines[i].worst_error <= 1.0) || !lines[i].same_as_first) {
            fprintf(stderr, "gemm: the result on %u workers is wrong\n", (unsigned)lines[i].workers);
            result = -1;
        }
    }
done:
    free(problem.a);
    free(problem.b);
    free(problem.c);
    free(expected);
    free(magnitude);
    free(first);
    return result;
}

/* 1, 2, 3, 4, then 6, 8, 12, 16, 24 ... and the largest. */
static uint32_t next_count(uint32_t workers, uint32_t largest) {
    uint32_t power = 1;
    uint32_t next;
    while (power * 2 <= workers) {
        power *= 2;
    }
    next = workers < 4 ? workers + 1 : (workers == power ? power + power / 2 : power * 2);
    return workers < largest && next > largest ? largest : next;
}

static int make_pools(uint32_t largest, struct line *lines) {
    uint32_t workers;
    int count = 0;
    for (workers = 1; workers <= largest && count < MAX_POOLS; workers = next_count(workers, largest)) {
        vgpu_pool_config config;
        vgpu_status status;
        vgpu_pool_config_init(&config);
        config.num_workers = workers;
        lines[count].workers = workers;
        status = vgpu_pool_create(&config, &lines[count].pool);
        if (status != VGPU_OK) {
            fprintf(stderr, "gemm: %s: %s\n", vgpu_status_name(status), vgpu_last_error_message());
            return -1;
        }
        count++;
    }
    return count;
}

static int parse_options(int count, char **arguments, struct options *options) {
    int positional = 0;
    int i;
    options->size = 1000;
    options->rounds = 15;
    options->workers = vgpu_available_cpus();
    options->compare = NULL;
    for (i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--compare") == 0 && i + 1 < count) {
            options->compare = arguments[++i];
        } else {
            const int is_workers = strcmp(arguments[i], "--workers") == 0 && i + 1 < count;
            char *end = NULL;
            const char *text = is_workers ? arguments[++i] : arguments[i];
            const long value = strtol(text, &end, 10);
            if (end == text || *end != '\0' || value < 1 || value > 30000) {
                return -1;
            }
            if (is_workers) {
                options->workers = (uint32_t)value;
            } else if (positional++ == 0) {
                options->size = value;
            } else {
                options->rounds = value < MAX_ROUNDS ? (int)value : MAX_ROUNDS;
            }
        }
    }
    return positional <= 2 ? 0 : -1;
}

int main(int count, char **arguments) {
    static struct line lines[MAX_POOLS];
    struct options options;
    struct peer peer;
    int pools;
    int failed;
    int i;
    if (parse_options(count, arguments, &options) != 0) {
        fputs("usage: gemm [size] [rounds] [--workers N] [--compare libopenblas.so.0]\n", stderr);
        return 2;
    }
    if (open_peer(options.compare, arguments, &peer) != 0) {
        return 2;
    }
    pools = make_pools(options.workers, lines);
    failed = pools < 0;
    printf("vgpu_pool %s, %u CPUs, %s, checked against a plain triple loop%s\n", vgpu_version_string(),
           (unsigned)vgpu_available_cpus(), peak_instruction_set(), options.size > 1500 ? " (about a thousand rows)" : "");
    for (i = 0; i < 2 && !failed; i++) {
        failed = run_type(&options, i, lines, pools, &peer) != 0;
    }
    for (i = 0; i < MAX_POOLS; i++) {
        failed |= vgpu_pool_destroy(lines[i].pool) != VGPU_OK;
    }
    return failed ? 1 : 0;
}
