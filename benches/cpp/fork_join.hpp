// Runs a fork-join program on a pool and keeps the time, or counts its forks.
#pragma once

#include "programs/cholesky.hpp"
#include "programs/cilksort.hpp"
#include "programs/fib.hpp"
#include "programs/integrate.hpp"
#include "programs/matmul.hpp"
#include "programs/nqueens.hpp"
#include "programs/skynet.hpp"
#include "programs/uts.hpp"

#include <optional>

template <class P, class Program> void run_on(P &pool, Program &program, std::optional<typename Program::Answer> &answer) {
    pool.run([&](typename P::Worker worker) { answer = program.template run<P>(worker); });
}

template <class P, class Program> Sample time_program(const Request &request) {
    constexpr std::uint64_t warm_up_ns = 30000000;
    P pool(request.workers, request.stack);
    std::optional<typename Program::Answer> answer;
    Program small(std::min(Program::warm_up, request.size));
    for (std::uint64_t begin = kernel_now_ns(); kernel_now_ns() - begin < warm_up_ns;) {
        run_on(pool, small, answer);
    }
    Program program(request.size);
    Sample sample;
    Stopwatch watch;
    run_on(pool, program, answer);
    watch.stop(sample);
    sample.check = program.check(*answer);
    return sample;
}

template <class P, class Program> Sample count_forks(const Request &request) {
    Counting<P> pool(request.workers, request.stack);
    std::optional<typename Program::Answer> answer;
    Program program(request.size);
    run_on(pool, program, answer);
    Sample sample;
    sample.units = kernel_tally_sum();
    sample.check = program.check(*answer);
    return sample;
}

template <class P, class Program> Sample measure_program(const Request &request) {
    return request.count ? count_forks<P, Program>(request) : time_program<P, Program>(request);
}

// The sample of the program that the request names, if it is one that forks.
template <class P> std::optional<Sample> measure_forks(const Request &request) {
    const std::string &name = request.program;
    if (name == "fib") {
        return measure_program<P, Fib>(request);
    }
    if (name == "skynet") {
        return measure_program<P, Skynet>(request);
    }
    if (name == "nqueens") {
        return measure_program<P, Queens>(request);
    }
    if (name == "matmul") {
        return measure_program<P, Product>(request);
    }
    if (name == "uts-t1") {
        return measure_program<P, Search<T1>>(request);
    }
    if (name == "uts-t3") {
        return measure_program<P, Search<T3>>(request);
    }
    if (name == "uts-t3l") {
        return measure_program<P, Search<T3L>>(request);
    }
    if (name == "integrate") {
        return measure_program<P, Integral>(request);
    }
    if (name == "cilksort") {
        return measure_program<P, Sort>(request);
    }
    if (name == "cholesky") {
        return measure_program<P, Factor>(request);
    }
    return std::nullopt;
}
