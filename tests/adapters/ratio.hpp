// Times two ways to do the same, taking turns, and prints the ratio of their best times.
#ifndef RATIO_HPP
#define RATIO_HPP

#include <algorithm>
#include <chrono>
#include <cstdio>

template <typename F> double seconds(F &&f) {
    const auto begin = std::chrono::steady_clock::now();
    f();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template <typename Ours, typename Theirs> void print_ratio(const char *what, Ours &&ours, Theirs &&theirs) {
    double best_ours = 1e9, best_theirs = 1e9;
    for (int i = 0; i < 7; i++) {
        best_theirs = std::min(best_theirs, seconds(theirs));
        best_ours = std::min(best_ours, seconds(ours));
    }
    std::printf("   %s: %.2f ms on the pool, %.2f ms on its own threads, ratio %.2f\n", what, best_ours * 1e3, best_theirs * 1e3,
                best_ours / best_theirs);
}

#endif
