// Every way to place n queens: the board is copied for each child, and each legal move is a child.
#pragma once

#include "../pool.hpp"
#include "../request.hpp"

#include <array>

class Queens {
    using Board = std::array<std::uint8_t, KERNEL_QUEENS_MAX>;
    std::uint32_t size;

    template <class P>
    static std::uint64_t solutions(typename P::Worker worker, const Board &board, std::uint32_t row, std::uint32_t size) {
        if (row == size) {
            return 1;
        }
        Board moves;
        std::size_t count = kernel_queens_moves(board.data(), row, size, moves.data());
        if (count == 0) {
            return 0;
        }
        std::array<std::uint64_t, KERNEL_QUEENS_MAX> found;
        P::fork_each(worker, count, [&](typename P::Worker worker, std::size_t i) {
            Board next = board;
            next[row] = moves[i];
            found[i] = solutions<P>(worker, next, row + 1, size);
        });
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < count; i++) {
            sum += found[i];
        }
        return sum;
    }

  public:
    static constexpr std::uint64_t warm_up = 8;
    using Answer = std::uint64_t;

    explicit Queens(std::uint64_t size) : size(std::uint32_t(size)) {}
    template <class P> Answer run(typename P::Worker worker) { return solutions<P>(worker, Board{}, 0, opaque(size)); }
    std::string check(Answer answer) { return std::to_string(answer); }
};
