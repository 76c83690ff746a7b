/* The work that the benchmark programs do, without anything parallel.
 *
 * It is compiled once, by one compiler with one set of flags, and every implementation calls the same machine code. So what
 * a row compares is how the pools fork, steal and wait, not how well two compilers turn a leaf into vector instructions.
 */
#ifndef VGPU_BENCH_KERNELS_H
#define VGPU_BENCH_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- items.c: the bodies of loops and latency programs ---- */

/* A number mixed `rounds` times, each round waiting for the one before. */
uint32_t kernel_mix(uint64_t seed, uint32_t rounds);

/* Fills in one of `count` items: with two rounds, or with up to `longest` if that is not 0, the more the later the item is. */
void kernel_fill_item(uint32_t *items, size_t item, size_t count, uint32_t longest);

/* ---- queens.c ---- */

enum { KERNEL_QUEENS_MAX = 16 };

/* Writes the columns of row `row` that no queen of the rows above attacks; returns how many there are. */
uint32_t kernel_queens_moves(const uint8_t *board, uint32_t row, uint32_t size, uint8_t *moves);

/* ---- matmul.c ---- */

enum { KERNEL_MATMUL_LEAF = 32 };

/* C += A * B for blocks of KERNEL_MATMUL_LEAF rows and columns in matrices whose rows are `stride` apart. */
void kernel_matmul_leaf(const int32_t *a, const int32_t *b, int32_t *c, size_t stride);

/* ---- uts.c: unbalanced tree search; each node's children follow from a hash ---- */

enum kernel_uts_shape { KERNEL_UTS_GEOMETRIC, KERNEL_UTS_BINOMIAL };

struct kernel_uts_tree {
    uint32_t shape; /* enum kernel_uts_shape */
    uint32_t seed;
    double root_children;   /* both shapes: the expected, or exact, number at the root */
    uint32_t depth_limit;   /* geometric: no children from this depth on */
    uint32_t children;      /* binomial: how many an inner node has */
    double inner_fraction;  /* binomial: how likely a node is an inner one */
};

struct kernel_uts_node {
    uint8_t state[20];
    uint32_t depth;
};

void kernel_uts_root(const struct kernel_uts_tree *tree, struct kernel_uts_node *root);
uint32_t kernel_uts_children(const struct kernel_uts_tree *tree, const struct kernel_uts_node *node);
void kernel_uts_child(const struct kernel_uts_node *parent, uint32_t number, struct kernel_uts_node *child);

/* ---- integrate.c ---- */

/* The area under x^3 + x from `left` to `right` by one trapezium. */
double kernel_trapezium(double left, double right);

/* ---- sort.c ---- */

enum { KERNEL_SORT_LEAF = 2048 };

/* Fills `values` from a fixed seed. */
void kernel_sort_fill(uint32_t *values, size_t count);
void kernel_sort_leaf(uint32_t *values, size_t count);
void kernel_merge_leaf(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count, uint32_t *out);
/* How many of the sorted `values` are less than `pivot`. */
size_t kernel_lower_bound(const uint32_t *values, size_t count, uint32_t pivot);
/* The sum of value times place if `values` is sorted, 0 if not. */
uint64_t kernel_sort_check(const uint32_t *values, size_t count);

/* ---- cholesky.c: blocks of KERNEL_CHOLESKY_LEAF rows and columns, rows `stride` apart ---- */

enum { KERNEL_CHOLESKY_LEAF = 32 };

/* A = L * L' in place, lower triangle. */
void kernel_cholesky_leaf(double *a, size_t stride);
/* X * L' = B, in place of B. */
void kernel_solve_leaf(const double *l, double *b, size_t stride);
/* C -= A * B'. */
void kernel_subtract_leaf(const double *a, const double *b, double *c, size_t stride);

/* ---- clock.c ---- */

uint64_t kernel_now_ns(void);
/* Sleeps until shortly before `when_ns`, then spins up to it. */
void kernel_wait_until(uint64_t when_ns);
/* Arrivals `gap_ns` to 1.1 times `gap_ns` apart, from a fixed seed, as offsets from the first. */
void kernel_schedule(uint64_t *offsets_ns, size_t count, uint64_t gap_ns, uint32_t seed);
/* CPU time of the process, and of the calling thread. */
uint64_t kernel_process_cpu_ns(void);
uint64_t kernel_thread_cpu_ns(void);
/* The most memory that this program has had resident, and what it has now. */
uint64_t kernel_peak_rss_kib(void);
uint64_t kernel_rss_kib(void);

/* ---- tally.c: counting what runs on many threads, without one counter that all of them write ---- */

/* Adds one to the calling thread's own counter. */
void kernel_tally(void);
/* The sum of all threads' counters; exact while nobody counts. */
uint64_t kernel_tally_sum(void);
/* The calling thread's own counter. */
uint64_t kernel_tally_own(void);

/* ---- allocations.c ---- */

/* Begins or ends counting. */
void kernel_count_allocations(int on);
/* How many allocations there were while counting was on, on any thread. */
uint64_t kernel_allocations(void);

#ifdef __cplusplus
}
#endif
#endif
