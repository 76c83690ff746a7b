/*
 * The cycle structure of a linear feedback shift register over GF(q), from its characteristic polynomial.
 *
 *     lfsr 2 16 1,0,0,0,0,0,0,0,0,0,0,1,0,1,1,0,1      x^16 + x^5 + x^3 + x^2 + 1 over GF(2): primitive
 *     lfsr --compare 3 10 1,0,0,0,0,0,0,0,0,2,1        every mode of the inbox, and one thread without a pool
 *     lfsr --trace walk.json 2 20 ...                  what each worker did when, for https://ui.perfetto.dev
 *
 * The register's step is a permutation of its q^n states as long as the constant term is not 0. The whole state space is walked in
 * batches of states, one task each: a state that is the least of its cycle reports the cycle's length, and any other is left as
 * soon as its walk meets a lesser one. What comes out is checked against theory: the lengths add up to q^n, and the order of
 * x modulo the polynomial, found by exponentiation, is their least common multiple.
 */
#define _POSIX_C_SOURCE 200809L
#include <vgpu_pool.h>

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_DEGREE 40
#define MAX_STATES ((uint64_t)1 << 34)

/* A monic polynomial of this degree: x^degree + low[degree - 1] x^(degree - 1) + ... + low[0]. */
struct polynomial {
    uint64_t q;
    unsigned degree;
    uint64_t low[MAX_DEGREE];
    uint64_t states;
    uint64_t top; /* q^(degree - 1) */
    uint64_t mask; /* over GF(2), the coefficients as bits */
};

/* How many cycles there are of each length, the shortest first. */
struct lengths {
    size_t used, room;
    struct {
        uint64_t length, cycles;
    } *at;
};

struct batch {
    const struct polynomial *polynomial;
    uint64_t begin, end;
    atomic_ulong *done;
    struct lengths found;
};

struct options {
    uint32_t workers;
    uint64_t per_batch;
    uint32_t mode;
    const char *trace;
    int compare, quiet;
};

/* What the workers have done, all together. */
struct totals {
    uint64_t tasks, searching_ns, parks, steals, wakeups;
};

static const char *const MODES[] = {"nearest", "round-robin", "shared"};

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int wrong(const char *what, const char *instead) {
    fprintf(stderr, "lfsr: %s; %s\n", what, instead);
    return 2;
}

static int failed(const char *what, vgpu_status status) {
    fprintf(stderr, "lfsr: %s: %s: %s\n", what, vgpu_status_name(status), vgpu_last_error_message());
    return 1;
}

/* ---- the register ---- */

static uint64_t step(const struct polynomial *p, uint64_t state) {
    uint64_t sum = 0, rest = state;
    unsigned i;
    if (p->q == 2) {
        uint64_t bits = state & p->mask;
        bits ^= bits >> 32, bits ^= bits >> 16, bits ^= bits >> 8, bits ^= bits >> 4, bits ^= bits >> 2, bits ^= bits >> 1;
        return state >> 1 | (bits & 1) * p->top;
    }
    for (i = 0; i < p->degree; i++, rest /= p->q) sum += p->low[i] * (rest % p->q);
    return state / p->q + (p->q - sum % p->q) % p->q * p->top;
}

static int add_length(struct lengths *all, uint64_t length, uint64_t cycles) {
    size_t i;
    for (i = 0; i < all->used && all->at[i].length < length; i++) {}
    if (i < all->used && all->at[i].length == length) {
        all->at[i].cycles += cycles;
        return 0;
    }
    if (all->used == all->room) {
        const size_t room = all->room ? 2 * all->room : 4;
        void *larger = realloc(all->at, room * sizeof *all->at);
        if (!larger) return ENOMEM;
        all->at = larger;
        all->room = room;
    }
    memmove(all->at + i + 1, all->at + i, (all->used - i) * sizeof *all->at);
    all->at[i].length = length;
    all->at[i].cycles = cycles;
    all->used++;
    return 0;
}

static void forget(struct lengths *all) {
    free(all->at);
    memset(all, 0, sizeof *all);
}

static int walk(const struct polynomial *p, uint64_t begin, uint64_t end, struct lengths *found) {
    uint64_t start;
    for (start = begin; start < end; start++) {
        uint64_t length = 1, state = step(p, start);
        while (state > start) state = step(p, state), length++;
        if (state == start) {
            int error = add_length(found, length, 1);
            if (error) return error;
        }
    }
    return 0;
}

static int32_t walk_batch(vgpu_worker *worker, void *user_data) {
    struct batch *batch = user_data;
    int error = walk(batch->polynomial, batch->begin, batch->end, &batch->found);
    (void)worker;
    atomic_fetch_add(batch->done, 1);
    return error;
}

/* ---- theory ---- */

typedef struct {
    uint64_t at[MAX_DEGREE];
} element;

/* The product of two polynomials, modulo the third. */
static element multiplied(const struct polynomial *p, const element *a, const element *b) {
    uint64_t wide[2 * MAX_DEGREE] = {0};
    element result;
    unsigned i, j;
    for (i = 0; i < p->degree; i++)
        for (j = 0; j < p->degree; j++) wide[i + j] = (wide[i + j] + a->at[i] * b->at[j]) % p->q;
    for (i = 2 * p->degree - 2; i >= p->degree; i--)
        for (j = 0; j < p->degree; j++)
            wide[i - p->degree + j] = (wide[i - p->degree + j] + (p->q - p->low[j]) % p->q * wide[i]) % p->q;
    for (i = 0; i < p->degree; i++) result.at[i] = wide[i];
    return result;
}

/* Whether x to this power is 1 modulo the polynomial. */
static int is_one(const struct polynomial *p, uint64_t power) {
    element base = {{0}}, result = {{0}};
    unsigned i;
    result.at[0] = 1;
    if (p->degree == 1) base.at[0] = (p->q - p->low[0]) % p->q;
    else base.at[1] = 1;
    for (; power; power >>= 1) {
        if (power & 1) result = multiplied(p, &result, &base);
        base = multiplied(p, &base, &base);
    }
    for (i = 1; i < p->degree; i++)
        if (result.at[i]) return 0;
    return result.at[0] == 1;
}

static uint64_t divisor(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b, b = rest;
    }
    return a;
}

/* Whether the lengths add up to the state space, and their least common multiple is the order of x. */
static int agrees_with_theory(const struct polynomial *p, const struct lengths *found, uint64_t *order) {
    uint64_t sum = 0, multiple = 1, rest, prime;
    size_t i;
    for (i = 0; i < found->used; i++) {
        sum += found->at[i].length * found->at[i].cycles;
        multiple = multiple / divisor(multiple, found->at[i].length) * found->at[i].length;
    }
    *order = multiple;
    if (sum != p->states || !is_one(p, multiple)) return 0;
    for (rest = multiple, prime = 2; rest > 1; prime++) {
        if (prime * prime > rest) prime = rest;
        if (rest % prime) continue;
        if (is_one(p, multiple / prime)) return 0;
        while (rest % prime == 0) rest /= prime;
    }
    return 1;
}

/* ---- the walk on a pool ---- */

static void show_progress(const char *name, unsigned long done, unsigned long all) {
    const int width = 40, filled = all ? (int)(done * (unsigned long)width / all) : width;
    int i;
    fprintf(stderr, "\r%-12s [", name);
    for (i = 0; i < width; i++) fputc(i < filled ? '#' : '.', stderr);
    fprintf(stderr, "] %3lu %%", all ? done * 100 / all : 100);
    if (done == all) fprintf(stderr, "\r%*s\r", width + 22, "");
    fflush(stderr);
}

static vgpu_status on_pool(vgpu_pool *pool, void **batches, size_t count, atomic_ulong *done, const char *name, int quiet) {
    const struct timespec moment = {0, 20000000};
    vgpu_group *group = NULL;
    vgpu_status status = vgpu_group_create(pool, &group), ended;
    if (status != VGPU_OK) return status;
    status = vgpu_group_submit_batch(group, walk_batch, batches, count, NULL, NULL);
    while (!quiet && status == VGPU_OK && atomic_load(done) < count) {
        show_progress(name, atomic_load(done), (unsigned long)count);
        nanosleep(&moment, NULL);
    }
    if (!quiet) show_progress(name, 1, 1);
    ended = vgpu_group_wait(group, NULL);
    vgpu_group_destroy(group);
    return status != VGPU_OK ? status : ended;
}

/* ---- the trace ---- */

static vgpu_status total(const vgpu_pool *pool, struct totals *all) {
    vgpu_stats stats = {sizeof stats, sizeof(vgpu_worker_stats), 0, 0, 0, 0};
    const uint32_t workers = vgpu_pool_num_workers(pool);
    vgpu_worker_stats *each = calloc(workers, sizeof *each);
    vgpu_status status = each ? vgpu_pool_stats(pool, &stats, each, workers) : VGPU_ERROR_OUT_OF_MEMORY;
    uint32_t i, j;
    memset(all, 0, sizeof *all);
    for (i = 0; status == VGPU_OK && i < workers; i++) {
        all->tasks += each[i].executed;
        all->searching_ns += each[i].searching_ns;
        all->parks += each[i].parks;
        all->wakeups += each[i].wakeups;
        for (j = 0; j < VGPU_DISTANCES; j++) all->steals += each[i].steals_done[j];
    }
    free(each);
    return status;
}

/* Waits until all workers sleep, so that no search is under way, and says what they have done until then. */
static vgpu_status settle(const vgpu_pool *pool, struct totals *all) {
    const struct timespec moment = {0, 5000000};
    struct totals before;
    vgpu_status status = total(pool, all);
    do {
        before = *all;
        nanosleep(&moment, NULL);
        if (status == VGPU_OK) status = total(pool, all);
    } while (status == VGPU_OK && memcmp(&before, all, sizeof before) != 0);
    return status;
}

static vgpu_status begin_trace(vgpu_pool *pool, size_t batches, struct totals *before) {
    vgpu_status status = settle(pool, before);
    /* A worker may run all the batches, and search and sleep before each. */
    return status == VGPU_OK ? vgpu_pool_trace_start(pool, 4 * batches + 1024) : status;
}

static vgpu_status end_trace(vgpu_pool *pool, const char *path, const struct totals *before) {
    struct totals after;
    vgpu_status status = settle(pool, &after);
    vgpu_pool_trace_stop(pool);
    if (status == VGPU_OK) status = vgpu_pool_trace_write(pool, path);
    if (status == VGPU_OK)
        printf("traced: %" PRIu64 " tasks, %" PRIu64 " ns of searching, %" PRIu64 " steals, %" PRIu64 " wake-ups\n", after.tasks - before->tasks,
               after.searching_ns - before->searching_ns, after.steals - before->steals, after.wakeups - before->wakeups);
    return status;
}

/* Walks all states in one mode; says how long it took. */
static int run_mode(const struct polynomial *p, const struct options *options, uint32_t mode, struct lengths *found, double *seconds) {
    const size_t count = (size_t)((p->states + options->per_batch - 1) / options->per_batch);
    struct batch *batches = calloc(count, sizeof *batches);
    void **pointers = calloc(count, sizeof *pointers);
    atomic_ulong done = 0;
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    struct totals before;
    vgpu_status status = VGPU_ERROR_OUT_OF_MEMORY;
    size_t i, j;
    int result = 0;
    for (i = 0; batches && pointers && i < count; i++) {
        batches[i].polynomial = p;
        batches[i].begin = i * options->per_batch;
        batches[i].end = i + 1 == count ? p->states : (i + 1) * options->per_batch;
        batches[i].done = &done;
        pointers[i] = &batches[i];
    }
    vgpu_pool_config_init(&config);
    config.num_workers = options->workers;
    config.inbox_mode = mode;
    config.inbox_full = VGPU_INBOX_FULL_BLOCK;
    if (batches && pointers) status = vgpu_pool_create(&config, &pool);
    if (status == VGPU_OK && options->trace) status = begin_trace(pool, count, &before);
    if (status == VGPU_OK) {
        *seconds = seconds_now();
        status = on_pool(pool, pointers, count, &done, MODES[mode], options->quiet);
        *seconds = seconds_now() - *seconds;
    }
    if (status == VGPU_OK && options->trace) status = end_trace(pool, options->trace, &before);
    if (status != VGPU_OK) result = failed("the walk", status);
    vgpu_pool_destroy(pool);
    forget(found);
    for (i = 0; batches && i < count; i++) {
        for (j = 0; j < batches[i].found.used; j++)
            if (add_length(found, batches[i].found.at[j].length, batches[i].found.at[j].cycles)) result = 1;
        forget(&batches[i].found);
    }
    free(batches);
    free(pointers);
    return result;
}

/* ---- the command line ---- */

static int is_prime(uint64_t q) {
    uint64_t i;
    for (i = 2; i * i <= q; i++)
        if (q % i == 0) return 0;
    return q > 1;
}

static int number(const char *text, uint64_t *value) {
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == 0 && errno == 0;
}

static int read_polynomial(struct polynomial *p, const char *q, const char *degree, const char *coefficients) {
    const char *at = coefficients;
    uint64_t value;
    unsigned i;
    memset(p, 0, sizeof *p);
    if (!number(q, &p->q) || !is_prime(p->q) || p->q > 65521) return wrong("q must be a prime below 65536", "over other fields this program does not compute");
    if (!number(degree, &value) || value < 1 || value > MAX_DEGREE) return wrong("the degree must be 1 to 40", "the polynomial has one coefficient more");
    p->degree = (unsigned)value;
    for (p->states = 1, i = 0; i < p->degree; i++) {
        p->top = p->states;
        if (p->states > MAX_STATES / p->q) return wrong("there are more than 2^34 states", "choose a smaller degree or field");
        p->states *= p->q;
    }
    for (i = 0; i <= p->degree; i++) {
        char *end;
        errno = 0;
        value = strtoull(at, &end, 10);
        if (end == at || *at < '0' || *at > '9' || errno) return wrong("the coefficients are numbers with commas between them", "from that of x^degree down to the constant one");
        if (value >= p->q) return wrong("a coefficient is not below q", "reduce it modulo q");
        if (*end != (i == p->degree ? 0 : ',')) return wrong("the polynomial does not have one coefficient more than its degree", "from that of x^degree down to the constant one");
        at = end + 1;
        if (i == 0 && value != 1) return wrong("the first coefficient is not 1", "divide the polynomial by it");
        if (i > 0) p->low[p->degree - i] = value;
    }
    if (p->low[0] == 0) return wrong("the constant coefficient is 0, so states run together and there are not only cycles", "divide the polynomial by x");
    for (i = 0; p->q == 2 && i < p->degree; i++) p->mask |= p->low[i] << i;
    return 0;
}

static void print_lengths(const struct polynomial *p, const struct lengths *found, uint64_t order) {
    size_t i;
    printf("%20s %20s\n", "cycle length", "cycles");
    for (i = 0; i < found->used; i++) printf("%20" PRIu64 " %20" PRIu64 "\n", found->at[i].length, found->at[i].cycles);
    printf("order of x: %" PRIu64 ", of %" PRIu64 " states: %s\n", order, p->states, order == p->states - 1 ? "the polynomial is primitive" : "the polynomial is not primitive");
}

static int same(const struct lengths *a, const struct lengths *b) {
    return a->used == b->used && memcmp(a->at, b->at, a->used * sizeof *a->at) == 0;
}

/* The serial walk, and every mode of the inbox: all find the same. */
static int compare(const struct polynomial *p, const struct options *options, const struct lengths *found) {
    struct lengths other = {0, 0, NULL};
    double serial = seconds_now(), seconds = 0;
    uint32_t mode;
    int result = walk(p, 0, p->states, &other);
    serial = seconds_now() - serial;
    printf("%-12s %10.3f ms\n", "serial", serial * 1e3);
    for (mode = 0; result == 0 && mode < 3; mode++) {
        if (!same(found, &other)) result = wrong("two walks disagree", "that is a fault of this program or of the pool");
        else result = run_mode(p, options, mode, &other, &seconds);
        if (result == 0) printf("%-12s %10.3f ms, %.2f of the serial walk\n", MODES[mode], seconds * 1e3, seconds / serial);
    }
    if (result == 0 && !same(found, &other)) result = wrong("two walks disagree", "that is a fault of this program or of the pool");
    forget(&other);
    return result;
}

int main(int argc, char **argv) {
    struct lengths found = {0, 0, NULL};
    struct options options = {0, 0, VGPU_INBOX_NEAREST, NULL, 0, 0};
    struct polynomial polynomial;
    const char *rest[3];
    double seconds = 0;
    uint64_t value, order;
    uint32_t mode;
    int i, given = 0, result;
    options.quiet = !isatty(2);
    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--compare")) options.compare = 1;
        else if (!strcmp(argv[i], "--workers") && i + 1 < argc && number(argv[i + 1], &value) && value <= 4096) options.workers = (uint32_t)value, i++;
        else if (!strcmp(argv[i], "--batch") && i + 1 < argc && number(argv[i + 1], &value) && value > 0) options.per_batch = value, i++;
        else if (!strcmp(argv[i], "--trace") && i + 1 < argc) options.trace = argv[++i];
        else if (!strcmp(argv[i], "--mode") && i + 1 < argc) {
            for (mode = 0; mode < 3 && strcmp(argv[i + 1], MODES[mode]); mode++) {}
            if (mode == 3) return wrong("that is no mode", "the modes are nearest, round-robin and shared");
            options.mode = mode, i++;
        } else if (argv[i][0] != '-' && given < 3) rest[given++] = argv[i];
        else given = 4;
    }
    if (given != 3) {
        fprintf(stderr, "usage: lfsr [--workers N] [--batch STATES] [--mode nearest|round-robin|shared] [--compare] [--trace FILE] Q DEGREE COEFFICIENTS\n"
                        "Q is a prime, the coefficients go from that of x^DEGREE, which is 1, down to the constant one: lfsr 2 4 1,0,0,1,1\n");
        return 2;
    }
    if ((result = read_polynomial(&polynomial, rest[0], rest[1], rest[2])) != 0) return result;
    if (options.per_batch == 0) {
        options.per_batch = polynomial.states / 1024;
        if (options.per_batch < 64) options.per_batch = 64;
    }
    if ((result = run_mode(&polynomial, &options, options.mode, &found, &seconds)) != 0) return result;
    if (!agrees_with_theory(&polynomial, &found, &order)) {
        fprintf(stderr, "lfsr: what was found disagrees with theory\n");
        return 1;
    }
    print_lengths(&polynomial, &found, order);
    options.trace = NULL;
    result = options.compare ? compare(&polynomial, &options, &found) : 0;
    forget(&found);
    return result;
}
