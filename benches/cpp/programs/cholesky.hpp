// The Cholesky factor of a dense matrix by quarters: factor the first, solve for the one below it, subtract its square from the
// last, factor that.
#pragma once

#include "../pool.hpp"
#include "../request.hpp"

class Factor {
    std::size_t size;
    std::vector<double> matrix;

    // A square block of the matrix.
    struct Block {
        double *at;
        std::size_t size, stride;

        Block quarter(std::size_t row, std::size_t column) const {
            std::size_t half = size / 2;
            return {at + (row * stride + column) * half, half, stride};
        }
        bool is_leaf() const { return size == KERNEL_CHOLESKY_LEAF; }
    };

    // A = L * L', in place of A.
    template <class P> static void factor(typename P::Worker worker, Block a) {
        if (a.is_leaf()) {
            kernel_cholesky_leaf(a.at, a.stride);
            return;
        }
        factor<P>(worker, a.quarter(0, 0));
        solve<P>(worker, a.quarter(0, 0), a.quarter(1, 0));
        subtract_square<P>(worker, a.quarter(1, 0), a.quarter(1, 1));
        factor<P>(worker, a.quarter(1, 1));
    }

    // X * L' = B, in place of B. Rows of B do not depend on each other.
    template <class P> static void solve(typename P::Worker worker, Block l, Block b) {
        if (b.is_leaf()) {
            kernel_solve_leaf(l.at, b.at, b.stride);
            return;
        }
        P::fork_each(worker, 2, [&](typename P::Worker worker, std::size_t row) {
            Block left = b.quarter(row, 0), right = b.quarter(row, 1);
            solve<P>(worker, l.quarter(0, 0), left);
            subtract<P>(worker, left, l.quarter(1, 0), right);
            solve<P>(worker, l.quarter(1, 1), right);
        });
    }

    // C -= A * A', lower triangle.
    template <class P> static void subtract_square(typename P::Worker worker, Block a, Block c) {
        if (c.is_leaf()) {
            kernel_subtract_leaf(a.at, a.at, c.at, c.stride);
            return;
        }
        for (std::size_t k = 0; k < 2; k++) {
            P::fork_each(worker, 3, [&](typename P::Worker worker, std::size_t i) {
                if (i == 0) {
                    subtract_square<P>(worker, a.quarter(0, k), c.quarter(0, 0));
                } else if (i == 1) {
                    subtract<P>(worker, a.quarter(1, k), a.quarter(0, k), c.quarter(1, 0));
                } else {
                    subtract_square<P>(worker, a.quarter(1, k), c.quarter(1, 1));
                }
            });
        }
    }

    // C -= A * B'.
    template <class P> static void subtract(typename P::Worker worker, Block a, Block b, Block c) {
        if (c.is_leaf()) {
            kernel_subtract_leaf(a.at, b.at, c.at, c.stride);
            return;
        }
        for (std::size_t k = 0; k < 2; k++) {
            P::fork_each(worker, 4, [&](typename P::Worker worker, std::size_t i) {
                std::size_t row = i / 2, column = i % 2;
                subtract<P>(worker, a.quarter(row, k), b.quarter(column, k), c.quarter(row, column));
            });
        }
    }

  public:
    static constexpr std::uint64_t warm_up = 128;
    using Answer = int;

    // The matrix whose factor is all ones: its elements count the ones that two rows have in common.
    explicit Factor(std::uint64_t size) : size(size), matrix(size * size) {
        for (std::size_t i = 0; i < matrix.size(); i++) {
            matrix[i] = double(std::min(i / size, i % size) + 1);
        }
    }
    template <class P> Answer run(typename P::Worker worker) {
        factor<P>(worker, {matrix.data(), size, size});
        return 0;
    }
    std::string check(Answer) {
        for (std::size_t i = 0; i < matrix.size(); i++) {
            if (i % size <= i / size && matrix[i] != 1.0) {
                return std::to_string(matrix[i]) + " at " + std::to_string(i) + ", not 1";
            }
        }
        return std::to_string(size) + ": exact";
    }
};
