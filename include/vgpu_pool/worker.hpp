/**
 * @file worker.hpp
 * @brief The worker that a callable runs on, and what came of a call. Part of vgpu_pool.hpp.
 */
#ifndef VGPU_POOL_WORKER_HPP
#define VGPU_POOL_WORKER_HPP

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "error.hpp"

namespace vgpu {

/** What a callable that returns nothing gives. */
struct unit {};

/** The worker that runs a callable. Valid during the call that it was passed to, on that thread. */
class worker {
  public:
    /** The worker that a C callback was passed. */
    explicit worker(vgpu_worker *handle) noexcept : handle_(handle) {}
    /** Its number in its pool; UINT32_MAX for a thread that is not a worker. */
    std::uint32_t index() const noexcept { return vgpu_worker_index(handle_); }
    /** For functions of vgpu_pool.h. */
    vgpu_worker *handle() const noexcept { return handle_; }

  private:
    vgpu_worker *handle_;
};

namespace detail {

/* Calls f with the worker if it takes one, or without. */
template <typename F> decltype(auto) call(F &f, worker w) {
    if constexpr (std::is_invocable_v<F &, worker>) {
        return f(w);
    } else {
        return f();
    }
}

template <typename F> using result_of = decltype(call(std::declval<F &>(), std::declval<worker>()));
template <typename F> using value_of = std::conditional_t<std::is_void_v<result_of<F>>, unit, std::decay_t<result_of<F>>>;

/* As call, with a value for those that return nothing. */
template <typename F> value_of<F> value(F &f, worker w) {
    if constexpr (std::is_void_v<result_of<F>>) {
        call(f, w);
        return {};
    } else {
        return call(f, w);
    }
}

/* Room for a value, or for the exception that came instead, written by one thread and read by another after it. */
template <typename T> class outcome {
  public:
    outcome() noexcept {}
    outcome(const outcome &) = delete;
    outcome &operator=(const outcome &) = delete;
    ~outcome() {
        if (is_set_) {
            value_.~T();
        }
    }

    /* Calls f and keeps what comes of it. False if that is an exception. */
    template <typename F> bool set(F &f, worker w) noexcept {
#if VGPU_HAS_EXCEPTIONS
        try {
            ::new (static_cast<void *>(&value_)) T(value(f, w));
            is_set_ = true;
        } catch (...) {
            exception_ = std::current_exception();
        }
#else
        ::new (static_cast<void *>(&value_)) T(value(f, w));
        is_set_ = true;
#endif
        return is_set_;
    }

    T take() {
#if VGPU_HAS_EXCEPTIONS
        if (exception_) {
            std::rethrow_exception(std::move(exception_));
        }
#endif
        return std::move(value_);
    }

  private:
    union {
        T value_;
    };
    bool is_set_ = false;
#if VGPU_HAS_EXCEPTIONS
    std::exception_ptr exception_;
#endif
};

} // namespace detail
} // namespace vgpu

#endif
