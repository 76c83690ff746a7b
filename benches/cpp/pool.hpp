// What the programs ask of a pool. Each program is a template over it, so that a pool's own calls are inlined.
//
//     struct Pool {
//         struct Worker;                                  // what running work is passed
//         Pool(unsigned workers, std::size_t stack);
//         template <class F> void run(F &&work);          // calls work(Worker) on a worker
//         template <class A, class B>
//         static void join(Worker, A &&a, B &&b);         // calls both, perhaps at the same time
//         template <class F>
//         static void fork_each(Worker, std::size_t count, F &&child);   // calls child(Worker, i) for each i < count
//     };
#pragma once

#include "../kernels/kernels.h"

#include <cstddef>
#include <utility>

// fork_each for pools that only join: halves are forked, and the last child of a half runs inline.
template <class P, class F>
void fork_halves(typename P::Worker worker, std::size_t from, std::size_t to, F &child) {
    if (to - from == 1) {
        child(worker, from);
        return;
    }
    std::size_t middle = from + (to - from) / 2;
    P::join(
        worker, [&](typename P::Worker worker) { fork_halves<P>(worker, from, middle, child); },
        [&](typename P::Worker worker) { fork_halves<P>(worker, middle, to, child); });
}

// Another pool, whose forks are counted.
template <class P> struct Counting : P {
    using P::P;
    using Worker = typename P::Worker;

    template <class A, class B> static void join(Worker worker, A &&a, B &&b) {
        kernel_tally();
        P::join(worker, std::forward<A>(a), std::forward<B>(b));
    }

    template <class A, class B> static auto join_values(Worker worker, A &&a, B &&b) {
        kernel_tally();
        return P::join_values(worker, std::forward<A>(a), std::forward<B>(b));
    }

    template <class F> static void fork_each(Worker worker, std::size_t count, F &&child) {
        for (std::size_t i = 1; i < count; i++) {
            kernel_tally();
        }
        P::fork_each(worker, count, std::forward<F>(child));
    }
};
