/**
 * @file parallel.hpp
 * @brief Loops. Part of vgpu_pool.hpp.
 */
#ifndef VGPU_POOL_PARALLEL_HPP
#define VGPU_POOL_PARALLEL_HPP

#include <atomic>
#include <iterator>
#include <limits>

#include "pool.hpp"

namespace vgpu {
namespace detail {

/* The first exception of many calls, on its way to the one who waits for them all. */
class first_exception {
  public:
    /* Calls f. 1 if it threw, so that the library leaves out what has not begun. */
    template <typename F> std::int32_t watch(F &&f) noexcept {
#if VGPU_HAS_EXCEPTIONS
        try {
            f();
            return 0;
        } catch (...) {
            // It only says who was first. The exception itself is read after the calls have been waited for.
            if (!is_taken_.exchange(true, std::memory_order_relaxed)) {
                exception_ = std::current_exception();
            }
            return 1;
        }
#else
        f();
        return 0;
#endif
    }

    /* After the wait, which came to this. Throws what was kept, and is then as new. */
    void finish(vgpu_status status) {
#if VGPU_HAS_EXCEPTIONS
        if (is_taken_.load(std::memory_order_relaxed)) {
            is_taken_.store(false, std::memory_order_relaxed);
            std::rethrow_exception(std::exchange(exception_, nullptr));
        }
#endif
        check(status);
    }

  private:
#if VGPU_HAS_EXCEPTIONS
    std::atomic<bool> is_taken_{false};
    std::exception_ptr exception_;
#endif
};

/* Calls f with the worker before the arguments if it takes one, or without. */
template <typename F, typename... Args> decltype(auto) call_with(F &f, worker w, Args &&...args) {
    if constexpr (std::is_invocable_v<F &, worker, Args...>) {
        return f(w, std::forward<Args>(args)...);
    } else {
        static_assert(std::is_invocable_v<F &, Args...>, "the callable takes none of the argument lists that its description names");
        return f(std::forward<Args>(args)...);
    }
}

template <typename F, typename... Args> constexpr bool takes = std::is_invocable_v<F &, Args...> || std::is_invocable_v<F &, worker, Args...>;
/* Whether f takes the two ends of a piece. What takes a worker and one index is not meant. */
template <typename F>
constexpr bool takes_pieces = std::is_invocable_v<F &, std::size_t, std::size_t> || std::is_invocable_v<F &, worker, std::size_t, std::size_t>;

template <typename Body> void call_piece(Body &body, worker w, std::size_t begin, std::size_t end) {
    if constexpr (takes_pieces<Body>) {
        call_with(body, w, begin, end);
    } else {
        for (; begin < end; begin++) {
            call_with(body, w, begin);
        }
    }
}

/* A loop's body as C calls it: a frame of the caller, who waits. */
template <typename Body> struct loop {
    Body &body;
    first_exception exception{};

    static std::int32_t piece(vgpu_worker *w, void *data, std::size_t begin, std::size_t end) noexcept {
        loop *const self = static_cast<loop *>(data);
        return self->exception.watch([&] { call_piece(self->body, worker(w), begin, end); });
    }
    static std::int32_t tile(vgpu_worker *w, void *data, std::size_t row, std::size_t row_end, std::size_t col, std::size_t col_end) noexcept {
        loop *const self = static_cast<loop *>(data);
        return self->exception.watch([&] { call_with(self->body, worker(w), row, row_end, col, col_end); });
    }
    static std::int32_t index(vgpu_worker *w, void *data, std::size_t i) noexcept {
        loop *const self = static_cast<loop *>(data);
        return self->exception.watch([&] { call_with(self->body, worker(w), i); });
    }
};

/* The indices of a number, last index fastest. */
template <std::size_t Rank> std::array<std::size_t, Rank> indices_of(std::size_t number, const std::array<std::size_t, Rank> &extents) noexcept {
    std::array<std::size_t, Rank> indices{};
    for (std::size_t d = Rank; d-- > 0;) {
        indices[d] = number % extents[d];
        number /= extents[d];
    }
    return indices;
}

template <std::size_t Rank> void next(std::array<std::size_t, Rank> &indices, const std::array<std::size_t, Rank> &extents) noexcept {
    for (std::size_t d = Rank; d-- > 0;) {
        if (++indices[d] < extents[d]) {
            return;
        }
        indices[d] = 0;
    }
}

template <typename Body, std::size_t Rank, std::size_t... D>
void call_at(Body &body, worker w, const std::array<std::size_t, Rank> &indices, std::index_sequence<D...>) {
    call_with(body, w, indices[D]...);
}

} // namespace detail

template <typename Body> void pool_ref::parallel_for(std::size_t n, Body &&body, std::size_t grain) const {
    using loop = detail::loop<std::remove_reference_t<Body>>;
    loop calls{body};
    calls.exception.finish(vgpu_parallel_for(handle_, n, grain, &loop::piece, &calls));
}

template <typename Body> void pool_ref::parallel_for_static(std::size_t n, Body &&body, std::size_t grain) const {
    using loop = detail::loop<std::remove_reference_t<Body>>;
    loop calls{body};
    calls.exception.finish(vgpu_parallel_for_static(handle_, n, grain, &loop::piece, &calls));
}

template <typename Body> void pool_ref::parallel_for(std::size_t begin, std::size_t end, Body &&body, std::size_t grain) const {
    if (begin >= end) {
        return;
    }
    parallel_for(
        end - begin, [&body, begin](worker w, std::size_t from, std::size_t to) { detail::call_piece(body, w, begin + from, begin + to); }, grain);
}

template <std::size_t Rank, typename Body>
void pool_ref::parallel_for(const std::array<std::size_t, Rank> &extents, Body &&body, std::size_t grain) const {
    static_assert(Rank > 0, "a loop has at least one index");
    std::size_t n = 1;
    for (const std::size_t extent : extents) {
        if (extent == 0) {
            return;
        }
        if (n > std::numeric_limits<std::size_t>::max() / extent) {
            detail::fail(VGPU_ERROR_OVERFLOW, "the extents of a loop have a product that does not fit std::size_t; cut the loop");
        }
        n *= extent;
    }
    parallel_for(
        n,
        [&body, &extents](worker w, std::size_t begin, std::size_t end) {
            std::array<std::size_t, Rank> indices = detail::indices_of(begin, extents);
            for (; begin < end; begin++) {
                detail::call_at(body, w, indices, std::make_index_sequence<Rank>());
                detail::next(indices, extents);
            }
        },
        grain);
}

template <typename Body>
void pool_ref::parallel_for_tiles(std::size_t rows, std::size_t cols, std::size_t tile_rows, std::size_t tile_cols, Body &&body) const {
    using loop = detail::loop<std::remove_reference_t<Body>>;
    loop calls{body};
    calls.exception.finish(vgpu_parallel_for_tiles(handle_, rows, cols, tile_rows, tile_cols, &loop::tile, &calls));
}

template <typename Range, typename Body> void pool_ref::parallel_for_each(Range &&range, Body &&body, std::size_t grain) const {
    using std::begin;
    using std::end;
    const auto first = begin(range);
    using difference = typename std::iterator_traits<std::decay_t<decltype(first)>>::difference_type;
    parallel_for(
        static_cast<std::size_t>(end(range) - first),
        [&body, &first](worker w, std::size_t from, std::size_t to) {
            for (; from < to; from++) {
                detail::call_with(body, w, first[static_cast<difference>(from)]);
            }
        },
        grain);
}

template <typename Body> void pool_ref::fork_all(std::size_t n, Body &&body) const {
    using loop = detail::loop<std::remove_reference_t<Body>>;
    loop calls{body};
    calls.exception.finish(vgpu_fork_all(handle_, n, &loop::index, &calls));
}

} // namespace vgpu

#endif
