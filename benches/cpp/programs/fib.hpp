// The price of a fork: nothing else is in it.
#pragma once

#include "../pool.hpp"
#include "../request.hpp"

#include <type_traits>

// Whether a pool's joins return what both children return. Then the program need not give them places to write to.
template <class P, class = void> struct JoinsValues : std::false_type {};
template <class P> struct JoinsValues<P, std::enable_if_t<P::joins_values>> : std::true_type {};

class Fib {
    std::uint64_t n;

    template <class P> static std::uint64_t fib(typename P::Worker worker, std::uint64_t n) {
        using Worker = typename P::Worker;
        if (n < 2) {
            return n;
        }
        if constexpr (JoinsValues<P>::value) {
            auto [a, b] = P::join_values(
                worker, [n](Worker worker) { return fib<P>(worker, n - 1); },
                [n](Worker worker) { return fib<P>(worker, n - 2); });
            return a + b;
        } else {
            std::uint64_t a, b;
            P::join(
                worker, [&](Worker worker) { a = fib<P>(worker, n - 1); },
                [&](Worker worker) { b = fib<P>(worker, n - 2); });
            return a + b;
        }
    }

  public:
    static constexpr std::uint64_t warm_up = 22;
    using Answer = std::uint64_t;

    explicit Fib(std::uint64_t n) : n(n) {}
    template <class P> Answer run(typename P::Worker worker) { return fib<P>(worker, opaque(n)); }
    std::string check(Answer answer) { return std::to_string(answer); }
};
