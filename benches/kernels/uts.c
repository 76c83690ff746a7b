/* The trees of the Unbalanced Tree Search benchmark: a node is the SHA-1 hash of its parent's state and its own number, and the
 * hash's last word decides how many children it has. Trees are named and sized as in the benchmark's own list. */
#include "kernels.h"

#include <math.h>
#include <string.h>

enum { MOST_CHILDREN = 100 };

static uint32_t rotate(uint32_t x, unsigned by) { return (x << by) | (x >> (32 - by)); }

static uint32_t load_big_endian(const uint8_t *from) {
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void store_big_endian(uint8_t *to, uint32_t x) {
    to[0] = (uint8_t)(x >> 24);
    to[1] = (uint8_t)(x >> 16);
    to[2] = (uint8_t)(x >> 8);
    to[3] = (uint8_t)x;
}

/* SHA-1 of a message of `words` words, few enough for one block. */
static void hash(const uint32_t *message, unsigned words, uint8_t digest[20]) {
    uint32_t w[80] = {0};
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    memcpy(w, message, words * sizeof *w);
    w[words] = 0x80000000;
    w[15] = words * 32;
    for (unsigned t = 16; t < 80; t++) {
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (unsigned t = 0; t < 80; t++) {
        uint32_t mixed, constant;
        if (t < 20) {
            mixed = (b & c) | (~b & d);
            constant = 0x5a827999;
        } else if (t < 40) {
            mixed = b ^ c ^ d;
            constant = 0x6ed9eba1;
        } else if (t < 60) {
            mixed = (b & c) | (b & d) | (c & d);
            constant = 0x8f1bbcdc;
        } else {
            mixed = b ^ c ^ d;
            constant = 0xca62c1d6;
        }
        uint32_t next = rotate(a, 5) + mixed + e + constant + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    store_big_endian(digest, state[0] + a);
    store_big_endian(digest + 4, state[1] + b);
    store_big_endian(digest + 8, state[2] + c);
    store_big_endian(digest + 12, state[3] + d);
    store_big_endian(digest + 16, state[4] + e);
}

void kernel_uts_root(const struct kernel_uts_tree *tree, struct kernel_uts_node *root) {
    uint32_t message[5] = {0, 0, 0, 0, tree->seed};
    hash(message, 5, root->state);
    root->depth = 0;
}

void kernel_uts_child(const struct kernel_uts_node *parent, uint32_t number, struct kernel_uts_node *child) {
    uint32_t message[6];
    for (unsigned i = 0; i < 5; i++) {
        message[i] = load_big_endian(parent->state + 4 * i);
    }
    message[5] = number;
    hash(message, 6, child->state);
    child->depth = parent->depth + 1;
}

uint32_t kernel_uts_children(const struct kernel_uts_tree *tree, const struct kernel_uts_node *node) {
    double chance = (load_big_endian(node->state + 16) & 0x7fffffff) / 2147483648.0;
    if (tree->shape == KERNEL_UTS_BINOMIAL) {
        if (node->depth == 0) {
            return (uint32_t)tree->root_children;
        }
        return chance < tree->inner_fraction ? tree->children : 0;
    }
    if (node->depth >= tree->depth_limit) {
        return 0;
    }
    double stop = 1.0 / (1.0 + tree->root_children);
    double count = floor(log(1.0 - chance) / log(1.0 - stop));
    return count < MOST_CHILDREN ? (uint32_t)count : MOST_CHILDREN;
}
