#include "kernels.h"

void kernel_sort_fill(uint32_t *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        values[i] = kernel_mix(i, 3);
    }
}

enum { INSERTION = 20 };

static void insertion_sort(uint32_t *values, size_t count) {
    for (size_t i = 1; i < count; i++) {
        uint32_t value = values[i];
        size_t at = i;
        for (; at > 0 && values[at - 1] > value; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
}

static uint32_t median(uint32_t a, uint32_t b, uint32_t c) {
    if (a < b) {
        return b < c ? b : (a < c ? c : a);
    }
    return a < c ? a : (b < c ? c : b);
}

/* Quicksort with the median of three; the longer part is sorted by the loop, so that the stack stays short. */
void kernel_sort_leaf(uint32_t *values, size_t count) {
    while (count > INSERTION) {
        uint32_t pivot = median(values[0], values[count / 2], values[count - 1]);
        size_t low = 0, high = count - 1;
        for (;;) {
            while (values[low] < pivot) {
                low++;
            }
            while (values[high] > pivot) {
                high--;
            }
            if (low >= high) {
                break;
            }
            uint32_t swapped = values[low];
            values[low++] = values[high];
            values[high--] = swapped;
        }
        size_t left = high + 1;
        if (left < count - left) {
            kernel_sort_leaf(values, left);
            values += left;
            count -= left;
        } else {
            kernel_sort_leaf(values + left, count - left);
            count = left;
        }
    }
    insertion_sort(values, count);
}

void kernel_merge_leaf(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count, uint32_t *out) {
    const uint32_t *a_end = a + a_count, *b_end = b + b_count;
    while (a < a_end && b < b_end) {
        uint32_t from_b = *b < *a;
        *out++ = from_b ? *b : *a;
        b += from_b;
        a += 1 - from_b;
    }
    while (a < a_end) {
        *out++ = *a++;
    }
    while (b < b_end) {
        *out++ = *b++;
    }
}

size_t kernel_lower_bound(const uint32_t *values, size_t count, uint32_t pivot) {
    size_t from = 0;
    while (count > 0) {
        size_t half = count / 2;
        if (values[from + half] < pivot) {
            from += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return from;
}

uint64_t kernel_sort_check(const uint32_t *values, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && values[i - 1] > values[i]) {
            return 0;
        }
        sum += values[i] * (uint64_t)(i + 1);
    }
    return sum;
}
