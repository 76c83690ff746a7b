/* What the ranks of mpi_summa.c have, and what its check needs of them. */
#ifndef MPI_SUMMA_H
#define MPI_SUMMA_H

#include <stdint.h>

#include <mpi.h>
#include <vgpu_pool.h>

#include "mpi_place.h"

struct options {
    int64_t m, n, k, panel;
    int is_double;
    int check;
};

/* What this rank has and does. Its block of A lies panel by panel, so that a panel goes out as it lies. */
struct summa {
    struct options options;
    size_t item;
    MPI_Datatype type;
    int rank, ranks;
    int rows, columns; /* of the grid */
    int row, column;   /* of this rank */
    MPI_Comm along_row, along_column;
    int64_t panels;
    int64_t first_m, first_n, local_m, local_n; /* this rank's block of C */
    struct place place;
    vgpu_pool *pool;
    void *a, *b, *c;
    void *panel_a[2], *panel_b[2]; /* what arrives: one pair is multiplied while the other is filled */
    double waited;                 /* seconds in which the pool had nothing to multiply */
};

/* Where part `i` of `parts` begins. */
int64_t cut(int64_t total, int parts, int i);

/* Makes rows of A (which = 1) or of B (which = 2). Any rank can make any of them. */
void fill(const struct summa *summa, void *to, uint64_t which, int64_t row, int64_t rows, int64_t column, int64_t columns);

/* Memory of the rank's node. Returns 0, or prints a sentence and returns -1. */
int take(const struct summa *summa, int64_t rows, int64_t columns, void **memory);

/* C = A * B + beta * C on the rank's pool, all without padding. */
vgpu_status multiply(const struct summa *summa, int64_t m, int64_t n, int64_t k, const void *a, const void *b, double beta, void *c);

/* Brings C together on rank 0, which computes it again, alone and in one call, and compares. All ranks call it, and get 0 if the two
 * agree. */
int check(const struct summa *summa);

#endif
