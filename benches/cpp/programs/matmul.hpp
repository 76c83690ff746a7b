// A product of square matrices of integers: eight products of quarters, in two rounds of four.
#pragma once

#include "../pool.hpp"
#include "../request.hpp"

class Product {
    std::size_t size;
    std::vector<std::int32_t> a, b, c;

    // C += A * B for blocks of `size` rows and columns.
    template <class P>
    static void multiply(typename P::Worker worker, const std::int32_t *a, const std::int32_t *b, std::int32_t *c,
                         std::size_t size, std::size_t stride) {
        if (size == KERNEL_MATMUL_LEAF) {
            kernel_matmul_leaf(a, b, c, stride);
            return;
        }
        std::size_t half = size / 2;
        auto quarter = [=](auto *of, std::size_t row, std::size_t column) { return of + (row * stride + column) * half; };
        for (std::size_t k = 0; k < 2; k++) {
            P::fork_each(worker, 4, [&](typename P::Worker worker, std::size_t i) {
                std::size_t row = i / 2, column = i % 2;
                multiply<P>(worker, quarter(a, row, k), quarter(b, k, column), quarter(c, row, column), half, stride);
            });
        }
    }

  public:
    static constexpr std::uint64_t warm_up = 128;
    using Answer = int;

    explicit Product(std::uint64_t size) : size(size), a(size * size, 1), b(size * size, 1), c(size * size, 0) {}
    template <class P> Answer run(typename P::Worker worker) {
        multiply<P>(worker, a.data(), b.data(), c.data(), size, size);
        return 0;
    }
    // Every element is a row of ones times a column of ones.
    std::string check(Answer) {
        for (std::int32_t element : c) {
            if (element != std::int32_t(size)) {
                return std::to_string(element) + " in a product of " + std::to_string(size) + " ones";
            }
        }
        return std::to_string(size);
    }
};
