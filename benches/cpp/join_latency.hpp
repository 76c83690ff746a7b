// A join of two bodies of 20 us each: with the other workers awake, and after they have slept. Beside each join one body alone
// is timed in the same way, so that the two can be compared.
#pragma once

#include "pool.hpp"
#include "request.hpp"

#include <chrono>
#include <optional>
#include <thread>

template <class F> std::uint64_t timed(F &&action) {
    std::uint64_t begin = kernel_now_ns();
    action();
    return kernel_now_ns() - begin;
}

// How many rounds of mixing take as long as a body should.
inline std::uint32_t calibrate(std::uint64_t body_ns) {
    constexpr std::uint32_t rounds = 10000;
    std::uint64_t best = UINT64_MAX;
    for (std::uint64_t seed = 0; seed < 50; seed++) {
        best = std::min(best, timed([&] { opaque(kernel_mix(opaque(seed), rounds)); }));
    }
    return std::uint32_t(body_ns * rounds / std::max<std::uint64_t>(best, 1));
}

template <class P> Sample measure_join_latency(const Request &request, bool asleep) {
    using Worker = typename P::Worker;
    constexpr int warm_up = 50;
    const std::uint32_t rounds = calibrate(20000);
    auto body = [=] {
        kernel_tally();
        opaque(kernel_mix(opaque(std::uint64_t(1)), rounds));
    };
    // The caller sleeps, on its worker, so that the other workers sleep too.
    auto rest = [=] {
        if (asleep) {
            std::this_thread::sleep_for(std::chrono::milliseconds(30));
        }
    };
    P pool(request.workers, request.stack);
    Sample sample;
    pool.run([&](Worker worker) {
        auto both = [&] { P::join(worker, [&](Worker) { body(); }, [&](Worker) { body(); }); };
        for (int i = 0; i < warm_up; i++) {
            both();
        }
        std::uint64_t tallied = kernel_tally_sum();
        std::vector<std::uint64_t> alone_ns;
        Stopwatch watch;
        for (std::uint64_t i = 0; i < request.size; i++) {
            rest();
            alone_ns.push_back(timed(body));
            rest();
            sample.latencies_ns.push_back(timed(both));
        }
        watch.stop(sample);
        std::sort(alone_ns.begin(), alone_ns.end());
        sample.extra["body_s"] = double(alone_ns[alone_ns.size() / 2]) * 1e-9;
        sample.check = std::to_string((kernel_tally_sum() - tallied) / 3);
    });
    return sample;
}

template <class P> std::optional<Sample> measure_joins(const Request &request) {
    if (request.program == "join-awake") {
        return measure_join_latency<P>(request, false);
    }
    if (request.program == "join-asleep") {
        return measure_join_latency<P>(request, true);
    }
    return std::nullopt;
}
