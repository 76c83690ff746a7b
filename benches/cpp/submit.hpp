// Tasks from one thread outside the pool: how fast empty ones come in and are done, and how soon one starts on a pool that has
// slept.
//
//     struct Pool {
//         explicit Pool(unsigned workers);
//         void submit_and_wait(std::uint64_t count);      // tasks that only count themselves
//         void spawn(std::atomic<std::uint64_t> *stamp);  // a task that writes when it started; nobody waits for it
//     };
#pragma once

#include "request.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

template <class S> Sample measure_submit(const Request &request) {
    constexpr std::uint64_t warm_up = 10000;
    S pool(request.workers);
    pool.submit_and_wait(std::min(warm_up, request.size));
    std::uint64_t before = kernel_tally_sum(), own_before = kernel_tally_own();
    Sample sample;
    if (request.count) {
        std::uint64_t allocations = kernel_allocations();
        kernel_count_allocations(1);
        pool.submit_and_wait(request.size);
        kernel_count_allocations(0);
        sample.extra["allocations_per_task"] = double(kernel_allocations() - allocations) / double(request.size);
    } else {
        Stopwatch watch;
        pool.submit_and_wait(request.size);
        watch.stop(sample);
    }
    sample.extra["share_run_by_submitter"] = double(kernel_tally_own() - own_before) / double(request.size);
    sample.units = request.size;
    sample.check = std::to_string(kernel_tally_sum() - before);
    return sample;
}

// Arrivals follow a schedule made beforehand; a latency counts from the intended moment, so the generator's own lateness is in
// it, and is told beside.
template <class S> Sample measure_wake(const Request &request) {
    constexpr std::uint64_t gap_ns = 30000000;
    constexpr std::uint32_t seed = 7;
    constexpr std::uint64_t warm_up = 100;
    S pool(request.workers);
    pool.submit_and_wait(warm_up);

    std::vector<std::atomic<std::uint64_t>> stamps(request.size);
    std::vector<std::uint64_t> offsets(request.size);
    kernel_schedule(offsets.data(), offsets.size(), gap_ns, seed);
    auto cpu_ns = [] { return kernel_process_cpu_ns() - kernel_thread_cpu_ns(); };
    std::uint64_t cpu_before = cpu_ns();
    std::uint64_t begin = kernel_now_ns() + gap_ns;
    Sample sample;
    for (std::size_t i = 0; i < stamps.size(); i++) {
        kernel_wait_until(begin + offsets[i]);
        sample.lateness_ns.push_back(kernel_now_ns() - (begin + offsets[i]));
        pool.spawn(&stamps[i]);
    }
    for (std::size_t i = 0; i < stamps.size(); i++) {
        while (stamps[i].load(std::memory_order_acquire) == 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        sample.latencies_ns.push_back(stamps[i].load(std::memory_order_relaxed) - (begin + offsets[i]));
    }
    // The generator spins before each arrival; that is not the pool's.
    sample.cpu_s = double(cpu_ns() - cpu_before) * 1e-9;
    sample.seconds = double(kernel_now_ns() - begin) * 1e-9;
    sample.check = std::to_string(sample.latencies_ns.size());
    return sample;
}

inline void set_stamp(std::atomic<std::uint64_t> *stamp) { stamp->store(kernel_now_ns(), std::memory_order_release); }

template <class S> std::optional<Sample> measure_submitting(const Request &request) {
    if (request.program == "submit") {
        return measure_submit<S>(request);
    }
    if (request.program == "wake") {
        return measure_wake<S>(request);
    }
    return std::nullopt;
}
