/* C = A * B for matrices in NumPy files, on all the CPUs this process may use.
 *
 *     npy_gemm A.npy B.npy -o C.npy [--workers N] [--trans-a] [--trans-b]
 *
 * A and B are both float or both double, in C or in Fortran order; C is of the same type and in C order.
 * A file that is not what it should be gives one sentence and exit code 2, and no output file.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vgpu_pool.h>

#include "npy.h"

enum { EXIT_FAILED = 1, EXIT_BAD_INPUT = 2 };

struct options {
    const char *a;
    const char *b;
    const char *output;
    uint32_t workers;
    int trans_a;
    int trans_b;
};

static int usage(FILE *stream) {
    fputs("usage: npy_gemm A.npy B.npy -o C.npy [--workers N] [--trans-a] [--trans-b]\n", stream);
    return EXIT_BAD_INPUT;
}

static int parse_options(int count, char **arguments, struct options *options) {
    int i;
    memset(options, 0, sizeof *options);
    for (i = 1; i < count; i++) {
        const char *argument = arguments[i];
        if (strcmp(argument, "--trans-a") == 0) {
            options->trans_a = 1;
        } else if (strcmp(argument, "--trans-b") == 0) {
            options->trans_b = 1;
        } else if (strcmp(argument, "-o") == 0 && i + 1 < count) {
            options->output = arguments[++i];
        } else if (strcmp(argument, "--workers") == 0 && i + 1 < count) {
            char *end = NULL;
            const long workers = strtol(arguments[++i], &end, 10);
            if (end == arguments[i] || *end != '\0' || workers < 1 || workers > 4096) {
                fprintf(stderr, "npy_gemm: --workers takes a number from 1 to 4096, not '%s'\n", arguments[i]);
                return -1;
            }
            options->workers = (uint32_t)workers;
        } else if (argument[0] == '-' && argument[1] != '\0') {
            fprintf(stderr, "npy_gemm: unknown or incomplete option '%s'\n", argument);
            return -1;
        } else if (options->a == NULL) {
            options->a = argument;
        } else if (options->b == NULL) {
            options->b = argument;
        } else {
            fprintf(stderr, "npy_gemm: one argument too many: '%s'\n", argument);
            return -1;
        }
    }
    if (options->a == NULL || options->b == NULL || options->output == NULL) {
        usage(stderr);
        return -1;
    }
    return 0;
}

/* How a matrix goes into a row-major product. A Fortran-order file is, byte for byte, the transpose in C order: instead of moving
 * the numbers we tell the product to read it transposed. */
struct operand {
    int64_t rows; /* of op(matrix) */
    int64_t cols;
    int64_t leading;
    int32_t trans;
};

static struct operand operand_of(const struct npy_matrix *matrix, int transpose) {
    struct operand operand;
    const int64_t stored_cols = matrix->fortran_order ? matrix->rows : matrix->cols;
    operand.rows = transpose ? matrix->cols : matrix->rows;
    operand.cols = transpose ? matrix->rows : matrix->cols;
    operand.leading = stored_cols > 0 ? stored_cols : 1;
    operand.trans = (transpose != 0) != (matrix->fortran_order != 0) ? VGPU_TRANS : VGPU_NO_TRANS;
    return operand;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static vgpu_status multiply(vgpu_pool *pool, const struct npy_matrix *a, const struct operand *left,
                            const struct npy_matrix *b, const struct operand *right, const struct npy_matrix *c) {
    const int64_t m = left->rows;
    const int64_t n = right->cols;
    const int64_t k = left->cols;
    const int64_t ldc = n > 0 ? n : 1;
    if (c->item_size == sizeof(float)) {
        return vgpu_sgemm(pool, VGPU_ROW_MAJOR, left->trans, right->trans, m, n, k, 1.0F, a->data, left->leading, b->data,
                          right->leading, 0.0F, c->data, ldc);
    }
    return vgpu_dgemm(pool, VGPU_ROW_MAJOR, left->trans, right->trans, m, n, k, 1.0, a->data, left->leading, b->data,
                      right->leading, 0.0, c->data, ldc);
}

static int check_operands(const struct options *options, const struct npy_matrix *a, const struct npy_matrix *b,
                          const struct operand *left, const struct operand *right) {
    if (a->item_size != b->item_size) {
        fprintf(stderr, "npy_gemm: %s holds '<f%d' and %s holds '<f%d': both must be of one type\n", options->a,
                (int)a->item_size, options->b, (int)b->item_size);
        return -1;
    }
    if (left->cols != right->rows) {
        fprintf(stderr, "npy_gemm: %s gives %lld x %lld and %s gives %lld x %lld: the inner dimensions %lld and %lld differ\n",
                options->a, (long long)left->rows, (long long)left->cols, options->b, (long long)right->rows,
                (long long)right->cols, (long long)left->cols, (long long)right->rows);
        return -1;
    }
    return 0;
}

/* Makes the pool, multiplies into `c`, and says how fast that was. */
static int run(const struct options *options, const struct npy_matrix *a, const struct operand *left,
               const struct npy_matrix *b, const struct operand *right, struct npy_matrix *c) {
    vgpu_pool_config config;
    vgpu_pool *pool = NULL;
    vgpu_status status;
    double start;
    double elapsed;

    vgpu_pool_config_init(&config);
    config.num_workers = options->workers;
    status = vgpu_pool_create(&config, &pool);
    if (status == VGPU_OK) {
        start = seconds_now();
        status = multiply(pool, a, left, b, right, c);
        elapsed = seconds_now() - start;
        if (status == VGPU_OK) {
            printf("%lld x %lld x %lld %s, %u workers: %.3f ms, %.2f GFLOPS\n", (long long)left->rows, (long long)right->cols,
                   (long long)left->cols, c->item_size == sizeof(float) ? "f32" : "f64",
                   (unsigned)vgpu_pool_num_workers(pool), elapsed * 1e3,
                   2e-9 * (double)left->rows * (double)right->cols * (double)left->cols / elapsed);
        }
    }
    if (status != VGPU_OK) {
        fprintf(stderr, "npy_gemm: %s: %s\n", vgpu_status_name(status), vgpu_last_error_message());
    }
    if (vgpu_pool_destroy(pool) != VGPU_OK) {
        return EXIT_FAILED;
    }
    return status == VGPU_OK ? 0 : EXIT_FAILED;
}

int main(int count, char **arguments) {
    struct options options;
    struct npy_matrix a = {0, 0, 0, 0, NULL};
    struct npy_matrix b = {0, 0, 0, 0, NULL};
    struct npy_matrix c = {0, 0, 0, 0, NULL};
    struct operand left;
    struct operand right;
    struct npy_error error;
    size_t bytes = 0;
    int result = EXIT_BAD_INPUT;

    if (count == 2 && (strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "-h") == 0)) {
        usage(stdout);
        return 0;
    }
    if (parse_options(count, arguments, &options) != 0) {
        return EXIT_BAD_INPUT;
    }
    if (npy_read(options.a, &a, &error) != 0 || npy_read(options.b, &b, &error) != 0) {
        fprintf(stderr, "npy_gemm: %s\n", error.text);
        goto done;
    }
    left = operand_of(&a, options.trans_a);
    right = operand_of(&b, options.trans_b);
    if (check_operands(&options, &a, &b, &left, &right) != 0) {
        goto done;
    }

    c.rows = left.rows;
    c.cols = right.cols;
    c.item_size = a.item_size;
    if (npy_byte_count(c.rows, c.cols, c.item_size, &bytes) != 0 || (c.data = malloc(bytes == 0 ? 1 : bytes)) == NULL) {
        fprintf(stderr, "npy_gemm: no memory for the result of %lld x %lld\n", (long long)c.rows, (long long)c.cols);
        goto done;
    }
    result = run(&options, &a, &left, &b, &right, &c);
    if (result == 0 && npy_write(options.output, &c, &error) != 0) {
        fprintf(stderr, "npy_gemm: %s\n", error.text);
        result = EXIT_BAD_INPUT;
    }
done:
    npy_free(&a);
    npy_free(&b);
    npy_free(&c);
    return result;
}
