// Loops over a range: empty ones for the price of starting a loop, and two with work of even and of uneven length.
//
//     struct Pool {
//         Pool(unsigned workers, const std::string &implementation);
//         template <class F> void inside(F &&work);              // calls work() where loops are called from
//         void two_empty();                                      // two pieces that only count themselves
//         template <class F> void each(std::size_t count, F &&item);   // calls item(i) for each i < count
//     };
#pragma once

#include "request.hpp"

#include <optional>

template <class L> Sample measure_empty_loops(const Request &request) {
    L pool(request.workers, request.implementation);
    Sample sample;
    pool.inside([&] {
        for (std::uint64_t i = 0; i < request.size / 10; i++) {
            pool.two_empty();
        }
        std::uint64_t tallied = kernel_tally_sum();
        Stopwatch watch;
        for (std::uint64_t i = 0; i < request.size; i++) {
            pool.two_empty();
        }
        watch.stop(sample);
        sample.units = request.size;
        sample.check = std::to_string(kernel_tally_sum() - tallied);
    });
    return sample;
}

template <class L> Sample measure_filling(const Request &request, std::uint32_t longest) {
    L pool(request.workers, request.implementation);
    std::size_t count = request.size;
    std::vector<std::uint32_t> items(count);
    auto item = [longest, count, items = items.data()](std::size_t i) { kernel_fill_item(items, i, count, longest); };
    Sample sample;
    pool.inside([&] {
        pool.each(count / 10, item);
        Stopwatch watch;
        pool.each(count, item);
        watch.stop(sample);
    });
    std::uint64_t sum = 0;
    for (std::uint32_t value : items) {
        sum += value;
    }
    sample.units = request.size;
    sample.check = std::to_string(sum);
    return sample;
}

template <class L> std::optional<Sample> measure_loops(const Request &request) {
    if (request.program == "for-empty") {
        return measure_empty_loops<L>(request);
    }
    if (request.program == "for-cheap") {
        return measure_filling<L>(request, 0);
    }
    if (request.program == "for-skewed") {
        return measure_filling<L>(request, 100);
    }
    return std::nullopt;
}
