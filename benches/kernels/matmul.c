#include "kernels.h"

void kernel_matmul_leaf(const int32_t *a, const int32_t *b, int32_t *c, size_t stride) {
    for (size_t i = 0; i < KERNEL_MATMUL_LEAF; i++) {
        for (size_t k = 0; k < KERNEL_MATMUL_LEAF; k++) {
            int32_t factor = a[i * stride + k];
            for (size_t j = 0; j < KERNEL_MATMUL_LEAF; j++) {
                c[i * stride + j] += factor * b[k * stride + j];
            }
        }
    }
}
