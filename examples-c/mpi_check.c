#include "mpi_summa.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double value_at(const struct summa *summa, const void *matrix, int64_t i) {
    return summa->options.is_double ? ((const double *)matrix)[i] : (double)((const float *)matrix)[i];
}

/* Brings the blocks of C together on rank 0, in `whole`. */
static void gather(const struct summa *summa, void *whole) {
    const struct options *options = &summa->options;
    int64_t i;
    int from;
    if (summa->rank != 0) {
        for (i = 0; i < summa->local_m; i++) {
            const char *line = (const char *)summa->c + (size_t)(i * summa->local_n) * summa->item;
            MPI_Send(line, (int)summa->local_n, summa->type, 0, 0, MPI_COMM_WORLD);
        }
        return;
    }
    for (from = 0; from < summa->ranks; from++) {
        const int row = from / summa->columns, column = from % summa->columns;
        const int64_t left = cut(options->n, summa->columns, column);
        const int64_t width = cut(options->n, summa->columns, column + 1) - left;
        for (i = cut(options->m, summa->rows, row); i < cut(options->m, summa->rows, row + 1); i++) {
            char *to = (char *)whole + (size_t)(i * options->n + left) * summa->item;
            if (from == 0) {
                memcpy(to, (const char *)summa->c + (size_t)(i * width) * summa->item, (size_t)width * summa->item);
            } else {
                MPI_Recv(to, (int)width, summa->type, from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            }
        }
    }
}

static void magnitudes(const struct summa *summa, void *matrix, int64_t count) {
    int64_t i;
    for (i = 0; i < count; i++) {
        if (summa->options.is_double) {
            ((double *)matrix)[i] = fabs(((double *)matrix)[i]);
        } else {
            ((float *)matrix)[i] = fabsf(((float *)matrix)[i]);
        }
    }
}

/* Two sums of k products in any order differ by at most k * eps * (|A| * |B|), to the first order. */
int check(const struct summa *summa) {
    const struct options *options = &summa->options;
    const double eps = options->is_double ? 2.220446049250313e-16 : 1.1920928955078125e-07;
    const int64_t elements = options->m * options->n;
    void *matrix[5] = {NULL, NULL, NULL, NULL, NULL}; /* A, B, C as gathered, C as it should be, |A| * |B| */
    uint64_t bits = 14695981039346656037u;
    double worst = 0.0;
    int64_t i;
    int bad = 0;
    if (summa->rank == 0) {
        bad = take(summa, options->m, options->k, &matrix[0]) != 0 || take(summa, options->k, options->n, &matrix[1]) != 0;
        for (i = 2; i < 5 && !bad; i++) {
            bad = take(summa, options->m, options->n, &matrix[i]) != 0;
        }
    }
    MPI_Bcast(&bad, 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (!bad) {
        gather(summa, matrix[2]);
    }
    if (!bad && summa->rank == 0) {
        fill(summa, matrix[0], 1, 0, options->m, 0, options->k);
        fill(summa, matrix[1], 2, 0, options->k, 0, options->n);
        bad = multiply(summa, options->m, options->n, options->k, matrix[0], matrix[1], 0.0, matrix[3]) != VGPU_OK;
        magnitudes(summa, matrix[0], options->m * options->k);
        magnitudes(summa, matrix[1], options->k * options->n);
        bad |= multiply(summa, options->m, options->n, options->k, matrix[0], matrix[1], 0.0, matrix[4]) != VGPU_OK;
        if (bad) {
            fprintf(stderr, "summa: the product to compare with failed: %s\n", vgpu_last_error_message());
        }
        for (i = 0; i < elements && !bad; i++) {
            const double bound = (double)options->k * eps * value_at(summa, matrix[4], i);
            const double error = fabs(value_at(summa, matrix[2], i) - value_at(summa, matrix[3], i));
            /* Written so that a NaN is the worst. */
            worst = error <= worst * bound ? worst : (error == 0.0 ? 0.0 : error / bound);
        }
        for (i = 0; i < elements * (int64_t)summa->item; i++) {
            bits = (bits ^ ((const unsigned char *)matrix[2])[i]) * 1099511628211u;
        }
        if (!bad) {
            bad = !(worst <= 1.0);
            printf("result %016llx, largest error %.1e of the bound: %s\n", (unsigned long long)bits, worst, bad ? "WRONG" : "right");
        }
    }
    for (i = 0; i < 5; i++) {
        (void)vgpu_node_free(matrix[i]);
    }
    MPI_Bcast(&bad, 1, MPI_INT, 0, MPI_COMM_WORLD);
    return bad ? -1 : 0;
}
