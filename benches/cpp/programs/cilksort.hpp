// Cilk's merge sort: quarters are sorted at a time, pairs of them merged at a time, and a merge is cut in two as well.
#pragma once

#include "../pool.hpp"
#include "../request.hpp"

class Sort {
    std::vector<std::uint32_t> values, room;

    // Merges `a` and `b`, both sorted, into `out`.
    template <class P>
    static void merge(typename P::Worker worker, const std::uint32_t *a, std::size_t a_count, const std::uint32_t *b,
                      std::size_t b_count, std::uint32_t *out) {
        using Worker = typename P::Worker;
        if (a_count < b_count) {
            std::swap(a, b);
            std::swap(a_count, b_count);
        }
        if (a_count + b_count <= KERNEL_SORT_LEAF) {
            kernel_merge_leaf(a, a_count, b, b_count, out);
            return;
        }
        std::size_t middle = a_count / 2;
        std::size_t below = kernel_lower_bound(b, b_count, a[middle]);
        P::join(
            worker, [&](Worker worker) { merge<P>(worker, a, middle, b, below, out); },
            [&](Worker worker) {
                merge<P>(worker, a + middle, a_count - middle, b + below, b_count - below, out + middle + below);
            });
    }

    // Sorts the halves of `values` and merges them into `room`.
    template <class P>
    static void sort_halves_into_room(typename P::Worker worker, std::uint32_t *values, std::uint32_t *room,
                                      std::size_t count) {
        using Worker = typename P::Worker;
        std::size_t half = count / 2;
        P::join(
            worker, [&](Worker worker) { sort<P>(worker, values, room, half); },
            [&](Worker worker) { sort<P>(worker, values + half, room + half, count - half); });
        merge<P>(worker, values, half, values + half, count - half, room);
    }

    // Sorts `values`, with `room` of the same length to merge into.
    template <class P>
    static void sort(typename P::Worker worker, std::uint32_t *values, std::uint32_t *room, std::size_t count) {
        using Worker = typename P::Worker;
        if (count <= KERNEL_SORT_LEAF) {
            kernel_sort_leaf(values, count);
            return;
        }
        std::size_t half = count / 2;
        P::join(
            worker, [&](Worker worker) { sort_halves_into_room<P>(worker, values, room, half); },
            [&](Worker worker) { sort_halves_into_room<P>(worker, values + half, room + half, count - half); });
        merge<P>(worker, room, half, room + half, count - half, values);
    }

  public:
    static constexpr std::uint64_t warm_up = 1 << 14;
    using Answer = int;

    explicit Sort(std::uint64_t count) : values(count), room(count, 1) { kernel_sort_fill(values.data(), count); }
    template <class P> Answer run(typename P::Worker worker) {
        sort<P>(worker, values.data(), room.data(), values.size());
        return 0;
    }
    std::string check(Answer) { return std::to_string(kernel_sort_check(values.data(), values.size())); }
};
