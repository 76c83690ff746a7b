/* Reading and writing matrices as NumPy .npy files: what npy_gemm.c needs of the format, and nothing trusted.
 *
 * The format: the six bytes \x93NUMPY, a major and a minor version byte, the header's length (2 bytes little-endian in
 * version 1, 4 in versions 2 and 3), the header (a Python dictionary written out, such as
 * {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }, padded with blanks, a newline last), then the numbers.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
#ifndef NPY_H
#define NPY_H

#include <stddef.h>
#include <stdint.h>

struct npy_matrix {
    int64_t rows;
    int64_t cols;
    int fortran_order; /* columns are contiguous instead of rows */
    size_t item_size;  /* 4: float, 8: double */
    void *data;        /* from malloc; never NULL after npy_read */
};

/* Room for a sentence that names a file. */
struct npy_error {
    char text[512];
};

/* Reads a two-dimensional float or double matrix. On failure returns -1 and leaves one sentence in `error`. */
int npy_read(const char *path, struct npy_matrix *matrix, struct npy_error *error);

/* Writes the matrix so that `path` holds either what it held before or the whole new file, never a part of one. */
int npy_write(const char *path, const struct npy_matrix *matrix, struct npy_error *error);

void npy_free(struct npy_matrix *matrix);

/* rows * cols * item_size, or -1 when that does not fit in memory's arithmetic. */
int npy_byte_count(int64_t rows, int64_t cols, size_t item_size, size_t *bytes);

#endif
