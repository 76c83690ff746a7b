/**
 * @file algorithm.hpp
 * @brief Reductions, scans and sorting, over values of any type. Part of vgpu_pool.hpp.
 *
 * They are trees of forks, so that the callables are inlined and values are moved as C++ moves them. The pieces are those of
 * vgpu_parallel_reduce() and vgpu_parallel_scan().
 */
#ifndef VGPU_POOL_ALGORITHM_HPP
#define VGPU_POOL_ALGORITHM_HPP

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "parallel.hpp"

namespace vgpu {
namespace detail {

/* The grain of pieces that depend on the length alone: at most 1024 of them, and fewer where the range is short. */
inline std::size_t fixed_grain(std::size_t n, std::size_t grain) noexcept {
    if (grain != 0) {
        return grain;
    }
    std::size_t root = static_cast<std::size_t>(std::sqrt(static_cast<double>(n)));
    while (root > 0 && root > n / root) {
        root--;
    }
    while (root + 1 <= n / (root + 1)) {
        root++;
    }
    return std::max({root / 4, n / 1024 + (n % 1024 != 0), std::size_t{1}});
}

/* Both, perhaps at the same time; one after the other where there is no worker. */
template <typename A, typename B> auto both(worker w, A &&a, B &&b) {
    using pair = std::pair<value_of<std::remove_reference_t<A>>, value_of<std::remove_reference_t<B>>>;
    if (w.handle() == nullptr) {
        auto left = value(a, w);
        return pair(std::move(left), value(b, w));
    }
    return pair(fork_join(w, a, b));
}

/* Calls f with a worker of the pool, or on the caller without one. */
template <typename F> value_of<F> on_pool(pool_ref pool, F &&f) {
    return pool.handle() == nullptr ? value(f, worker(nullptr)) : pool.run(f);
}

/* The tree of a reduction. */
template <typename T, typename Map, typename Combine> struct reduction {
    Map &map;
    Combine &combine;
    const T &identity;
    std::size_t grain;

    T operator()(worker w, std::size_t begin, std::size_t end) const {
        const std::size_t n = end - begin;
        if (n <= grain) {
            return piece(w, begin, end);
        }
        const std::size_t middle = begin + (n / grain + (n % grain != 0)) / 2 * grain;
        auto halves = both(
            w, [&](worker on) { return (*this)(on, begin, middle); }, [&](worker on) { return (*this)(on, middle, end); });
        return combine(std::move(halves.first), std::move(halves.second));
    }

    T piece(worker w, std::size_t begin, std::size_t end) const {
        T value = identity;
        if constexpr (takes<Map, std::size_t, std::size_t, T>) {
            return call_with(map, w, begin, end, std::move(value));
        } else {
            for (; begin < end; begin++) {
                value = combine(std::move(value), call_with(map, w, begin));
            }
            return value;
        }
    }
};

/* The values that the pieces of a scan begin with. */
template <typename T> struct before {
    std::optional<T> value;
};

/* Both kinds of scan: the pieces' sums at the same time, then what comes before each, then the pieces again. */
template <bool Inclusive, typename T, typename In, typename Out, typename Combine>
Out scan(pool_ref pool, In begin, In end, Out out, std::optional<T> initial, Combine &combine, std::size_t grain) {
    using difference = typename std::iterator_traits<In>::difference_type;
    using out_difference = typename std::iterator_traits<Out>::difference_type;
    const std::size_t n = static_cast<std::size_t>(end - begin);
    if (n == 0) {
        return out;
    }
    grain = fixed_grain(n, grain);
    const std::size_t pieces = n / grain + (n % grain != 0);
    std::vector<before<T>> befores(pieces);
    const auto in = [&begin](std::size_t i) -> decltype(auto) { return begin[static_cast<difference>(i)]; };
    pool.parallel_for(pieces - 1, [&](std::size_t p) {
        std::size_t i = p * grain;
        T sum = in(i++);
        for (; i < (p + 1) * grain; i++) {
            sum = combine(std::move(sum), in(i));
        }
        befores[p + 1].value.emplace(std::move(sum));
    });
    befores[0].value = std::move(initial);
    for (std::size_t p = 1; p < pieces; p++) {
        if (befores[p - 1].value) {
            befores[p].value.emplace(combine(T(*befores[p - 1].value), std::move(*befores[p].value)));
        }
    }
    pool.parallel_for(pieces, [&](std::size_t p) {
        std::size_t i = p * grain;
        const std::size_t stop = std::min(n, i + grain);
        std::optional<T> sum = std::move(befores[p].value);
        for (; i < stop; i++) {
            // The input may be the output: it is read first.
            T next = sum ? combine(T(*sum), in(i)) : T(in(i));
            out[static_cast<out_difference>(i)] = Inclusive ? next : std::move(*sum);
            sum.emplace(std::move(next));
        }
    });
    return out + static_cast<out_difference>(n);
}

/* Shorter ranges are sorted by one worker. */
constexpr std::size_t serial_sort_length = 4096;

/* Moves the median of three to the front. */
template <typename Iterator, typename Less> void median_to_front(Iterator front, Iterator a, Iterator b, Iterator c, Less &less) {
    const Iterator median = less(*a, *b) ? (less(*b, *c) ? b : less(*a, *c) ? c : a) : (less(*a, *c) ? a : less(*b, *c) ? c : b);
    std::iter_swap(front, median);
}

/*
 * A quicksort whose two sides are a fork. After too many bad pivots std::sort does the rest, so that the worst case is n log n.
 * Hoare 1962; the bound on bad pivots as in Musser, Introspective sorting and selection algorithms, 1997.
 */
template <typename Iterator, typename Less> void quicksort(worker w, Iterator begin, Iterator end, Less &less, unsigned levels) {
    while (static_cast<std::size_t>(end - begin) > serial_sort_length && levels-- > 0) {
        const auto n = end - begin;
        median_to_front(begin + n / 4, begin + n / 4 - 1, begin + n / 4, begin + n / 4 + 1, less);
        median_to_front(begin + n / 2, begin + n / 2 - 1, begin + n / 2, begin + n / 2 + 1, less);
        median_to_front(begin + n / 4 * 3, begin + n / 4 * 3 - 1, begin + n / 4 * 3, begin + n / 4 * 3 + 1, less);
        median_to_front(begin, begin + n / 4, begin + n / 2, begin + n / 4 * 3, less);
        Iterator middle = std::partition(begin + 1, end, [&](const auto &item) { return less(item, *begin); });
        std::iter_swap(begin, middle - 1);
        const Iterator pivot = middle - 1;
        // What equals the pivot is in its place: with many equal elements that is most of them.
        if (pivot - begin < n / 8) {
            middle = std::partition(middle, end, [&](const auto &item) { return !less(*pivot, item); });
        }
        both(
            w, [&](worker on) { quicksort(on, begin, pivot, less, levels); }, [&](worker on) { quicksort(on, middle, end, less, levels); });
        return;
    }
    std::sort(begin, end, [&less](const auto &a, const auto &b) { return static_cast<bool>(less(a, b)); });
}

} // namespace detail

template <typename T, typename Map, typename Combine>
T pool_ref::parallel_reduce(std::size_t n, T identity, Map &&map, Combine &&combine, std::size_t grain) const {
    if (n == 0) {
        return identity;
    }
    const detail::reduction<T, std::remove_reference_t<Map>, std::remove_reference_t<Combine>> tree{map, combine, identity, detail::fixed_grain(n, grain)};
    return detail::on_pool(*this, [&tree, n](worker w) { return tree(w, 0, n); });
}

template <typename In, typename Out, typename Combine>
Out pool_ref::inclusive_scan(In begin, In end, Out out, Combine &&combine, std::size_t grain) const {
    using T = typename std::iterator_traits<In>::value_type;
    return detail::scan<true, T>(*this, begin, end, out, std::nullopt, combine, grain);
}

template <typename In, typename Out, typename T, typename Combine>
Out pool_ref::exclusive_scan(In begin, In end, Out out, T initial, Combine &&combine, std::size_t grain) const {
    return detail::scan<false, T>(*this, begin, end, out, std::optional<T>(std::move(initial)), combine, grain);
}

template <typename Iterator, typename Less> void pool_ref::sort(Iterator begin, Iterator end, Less &&less) const {
    unsigned levels = 0;
    for (auto n = end - begin; n > 0; n /= 2) {
        levels += 2;
    }
    detail::on_pool(*this, [&](worker w) { detail::quicksort(w, begin, end, less, levels); });
}

template <typename Iterator> void pool_ref::sort(Iterator begin, Iterator end) const {
    sort(begin, end, [](const auto &a, const auto &b) { return a < b; });
}

} // namespace vgpu

#endif
