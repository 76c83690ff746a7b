#include "kernels.h"

uint32_t kernel_mix(uint64_t seed, uint32_t rounds) {
    uint64_t x = seed + 0x9e3779b97f4a7c15u;
    for (uint32_t i = 0; i < rounds; i++) {
        x ^= x >> 29;
        x *= 0xbf58476d1ce4e5b9u;
    }
    return (uint32_t)(x >> 32);
}

void kernel_fill_item(uint32_t *items, size_t item, size_t count, uint32_t longest) {
    uint32_t rounds = longest ? 1 + (uint32_t)((uint64_t)item * longest / count) : 2;
    items[item] = kernel_mix(item, rounds);
}
