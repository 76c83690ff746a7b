// Ten children at each level; a leaf returns its number.
#pragma once

#include "../pool.hpp"
#include "../request.hpp"

class Skynet {
    static constexpr std::size_t children = 10;
    std::uint64_t leaves = 1;

    template <class P> static std::uint64_t skynet(typename P::Worker worker, std::uint64_t first, std::uint64_t leaves) {
        if (leaves == 1) {
            return first;
        }
        std::uint64_t part = leaves / children;
        std::uint64_t sums[children];
        P::fork_each(worker, children, [&](typename P::Worker worker, std::size_t i) {
            sums[i] = skynet<P>(worker, first + i * part, part);
        });
        std::uint64_t sum = 0;
        for (std::uint64_t part_sum : sums) {
            sum += part_sum;
        }
        return sum;
    }

  public:
    static constexpr std::uint64_t warm_up = 4;
    using Answer = std::uint64_t;

    explicit Skynet(std::uint64_t depth) {
        while (depth-- > 0) {
            leaves *= children;
        }
    }
    template <class P> Answer run(typename P::Worker worker) { return skynet<P>(worker, 0, opaque(leaves)); }
    std::string check(Answer answer) { return std::to_string(answer); }
};
