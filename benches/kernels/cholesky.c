#include "kernels.h"

#include <math.h>

enum { LEAF = KERNEL_CHOLESKY_LEAF };

void kernel_cholesky_leaf(double *a, size_t stride) {
    for (size_t j = 0; j < LEAF; j++) {
        double *row = a + j * stride;
        for (size_t k = 0; k < j; k++) {
            row[j] -= row[k] * row[k];
        }
        row[j] = sqrt(row[j]);
        for (size_t i = j + 1; i < LEAF; i++) {
            double *below = a + i * stride;
            for (size_t k = 0; k < j; k++) {
                below[j] -= below[k] * row[k];
            }
            below[j] /= row[j];
        }
    }
}

void kernel_solve_leaf(const double *l, double *b, size_t stride) {
    for (size_t i = 0; i < LEAF; i++) {
        double *row = b + i * stride;
        for (size_t j = 0; j < LEAF; j++) {
            for (size_t k = 0; k < j; k++) {
                row[j] -= row[k] * l[j * stride + k];
            }
            row[j] /= l[j * stride + j];
        }
    }
}

void kernel_subtract_leaf(const double *a, const double *b, double *c, size_t stride) {
    /* B turned once, so that the inner loop runs along rows. */
    double turned[LEAF * LEAF];
    for (size_t j = 0; j < LEAF; j++) {
        for (size_t k = 0; k < LEAF; k++) {
            turned[k * LEAF + j] = b[j * stride + k];
        }
    }
    for (size_t i = 0; i < LEAF; i++) {
        for (size_t k = 0; k < LEAF; k++) {
            double factor = a[i * stride + k];
            for (size_t j = 0; j < LEAF; j++) {
                c[i * stride + j] -= factor * turned[k * LEAF + j];
            }
        }
    }
}
