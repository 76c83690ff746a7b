// What a pool takes that has nothing to do: CPU time and memory. The clock runs from the end of a little work, so a pool that
// spins on for a while pays for it.
#pragma once

#include "request.hpp"

#include <chrono>
#include <optional>
#include <thread>

template <class S> std::optional<Sample> measure_idle(const Request &request) {
    if (request.program != "idle") {
        return std::nullopt;
    }
    std::uint64_t rss_before = kernel_rss_kib();
    S pool(request.workers);
    pool.submit_and_wait(100);
    Sample sample;
    Stopwatch watch;
    std::this_thread::sleep_for(std::chrono::milliseconds(request.size));
    watch.stop(sample);
    sample.extra["pool_rss_kib"] = double(kernel_rss_kib()) - double(rss_before);
    sample.units = request.size;
    sample.check = "idle";
    return sample;
}
