/**
 * @file coroutine.hpp
 * @brief Pools and futures in coroutines, from C++20 on. Part of vgpu_pool.hpp.
 *
 *     vgpu::worker w = co_await pool.schedule();                        // from here on a task of the pool
 *     int sum = co_await pool.submit([] { return 1 + 1; });             // suspended meanwhile, not waiting
 *
 * A coroutine goes on as a task of the pool. A worker is valid until the coroutine is suspended again. It must not be suspended
 * between a fork and its join, and must be done before its pool is destroyed.
 */
#ifndef VGPU_POOL_COROUTINE_HPP
#define VGPU_POOL_COROUTINE_HPP

#include "pool.hpp"

#if defined(__cpp_impl_coroutine) && defined(__has_include)
#if __has_include(<coroutine>)
#include <coroutine>
#define VGPU_HAS_COROUTINES 1
#endif
#endif
#ifndef VGPU_HAS_COROUTINES
#define VGPU_HAS_COROUTINES 0
#endif

#if VGPU_HAS_COROUTINES
namespace vgpu {
namespace detail {

/* What `co_await pool.schedule()` waits with. It lives in the coroutine, which nobody may touch once it was submitted. */
class scheduled {
  public:
    explicit scheduled(vgpu_pool *pool) noexcept : pool_(pool) {}
    bool await_ready() const noexcept { return false; }
    /* Throws into the coroutine if the pool refuses. */
    void await_suspend(std::coroutine_handle<> waiting) {
        waiting_ = waiting;
        check(vgpu_pool_submit(pool_, &scheduled::go_on, this, nullptr, nullptr));
    }
    worker await_resume() const noexcept { return worker(worker_); }

  private:
    static std::int32_t go_on(vgpu_worker *w, void *data) noexcept {
        scheduled *const self = static_cast<scheduled *>(data);
        self->worker_ = w;
        self->waiting_.resume();
        return 0;
    }

    vgpu_pool *pool_;
    vgpu_worker *worker_ = nullptr;
    std::coroutine_handle<> waiting_;
};

/* What `co_await future` waits with. */
template <typename T> class awaited {
  public:
    explicit awaited(future<T> &&source) noexcept : future_(std::move(source)) {}
    bool await_ready() const noexcept { return future_.is_ready(); }
    /* Throws into the coroutine if there is no memory for the callback. */
    void await_suspend(std::coroutine_handle<> waiting) {
        waiting_ = waiting;
        check(vgpu_future_on_complete(future_.handle(), &awaited::done, this));
    }
    T await_resume() { return future_.get(); }

  private:
    /* Called by the thread that completes the task, which has other things to do: the coroutine goes on as a task of its own. */
    static void done(void *data, vgpu_status) noexcept {
        awaited *const self = static_cast<awaited *>(data);
        if (vgpu_pool_submit(self->future_.pool_handle(), &awaited::go_on, data, nullptr, nullptr) != VGPU_OK) {
            // A full inbox or none any more. Nobody else would resume it.
            self->waiting_.resume();
        }
    }
    static std::int32_t go_on(vgpu_worker *, void *data) noexcept {
        static_cast<awaited *>(data)->waiting_.resume();
        return 0;
    }

    future<T> future_;
    std::coroutine_handle<> waiting_;
};

} // namespace detail

inline detail::scheduled pool_ref::schedule() const noexcept {
    return detail::scheduled(handle_);
}

/** Awaits a future's result; what the task threw is thrown in the coroutine. The future is used up. */
template <typename T> detail::awaited<T> operator co_await(future<T> &&source) noexcept {
    return detail::awaited<T>(std::move(source));
}

} // namespace vgpu
#endif

#endif
