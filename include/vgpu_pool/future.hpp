/**
 * @file future.hpp
 * @brief The outcome of a submitted callable. Part of vgpu_pool.hpp.
 */
#ifndef VGPU_POOL_FUTURE_HPP
#define VGPU_POOL_FUTURE_HPP

#include <atomic>
#include <chrono>

#include "worker.hpp"

namespace vgpu {
namespace detail {

/* What a future and its task share: the place of the outcome, freed by whichever of the two lets go last. */
template <typename T> class shared_outcome {
  public:
    using free_fn = void (*)(shared_outcome *) noexcept;
    explicit shared_outcome(free_fn free) noexcept : free_(free) {}

    void let_go() noexcept {
        // The last to let go must see what the other did, and frees it.
        if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            free_(this);
        }
    }

    outcome<T> result;

  private:
    std::atomic<unsigned> holders_{2};
    free_fn free_;
};

/* A submitted callable, which is gone when it has run or was cancelled: the future may live on. */
template <typename F> class submitted : public shared_outcome<value_of<F>> {
  public:
    template <typename G> explicit submitted(G &&callable) : shared_outcome<value_of<F>>(&submitted::free), callable_(std::forward<G>(callable)) {}
    submitted(const submitted &) = delete;
    submitted &operator=(const submitted &) = delete;
    ~submitted() {}

    static std::int32_t run(vgpu_worker *w, void *data) noexcept {
        submitted *const self = static_cast<submitted *>(data);
        const bool done = self->result.set(self->callable_, worker(w));
        if (!done) {
            static_cast<void>(vgpu_task_set_error("the task threw a C++ exception, which its future's get() throws again"));
        }
        return done ? 0 : 1;
    }

    /* Called once, after the task has run or was cancelled. */
    static void end(void *data) noexcept {
        submitted *const self = static_cast<submitted *>(data);
        self->callable_.~F();
        self->let_go();
    }

    /* Called instead when it was not accepted. */
    static void refuse(submitted *self) noexcept {
        self->callable_.~F();
        delete self;
    }

  private:
    static void free(shared_outcome<value_of<F>> *self) noexcept { delete static_cast<submitted *>(self); }

    union {
        F callable_;
    };
};

} // namespace detail

/**
 * The outcome of a submitted callable. Moved, not copied. Dropping it leaves the task alone; an exception that nobody fetched is
 * dropped with it. Must not outlive its pool.
 *
 * A wait inside a task of the same pool helps: the worker runs the awaited task itself if nobody has begun it, and other tasks
 * meanwhile. Any other thread sleeps. In C++20 a future may also be awaited by a coroutine: see coroutine.hpp.
 */
template <typename T> class future {
    using value = std::conditional_t<std::is_void_v<T>, unit, T>;

  public:
    /** None: only good for being assigned to. */
    future() noexcept = default;
    future(future &&other) noexcept
        : pool_(other.pool_), handle_(std::exchange(other.handle_, nullptr)), shared_(std::exchange(other.shared_, nullptr)) {}
    future &operator=(future &&other) noexcept {
        if (this != &other) {
            drop();
            pool_ = other.pool_;
            handle_ = std::exchange(other.handle_, nullptr);
            shared_ = std::exchange(other.shared_, nullptr);
        }
        return *this;
    }
    ~future() { drop(); }

    /** Whether there is a task behind it: not after get(), nor after it was moved from. */
    bool valid() const noexcept { return handle_ != nullptr; }
    /** Whether the task is done: finished, failed or cancelled. Any thread; does not block. */
    bool is_ready() const noexcept { return vgpu_future_is_ready(handle_) != 0; }
    /** Waits until the task is done. @throws error with VGPU_ERROR_FORKED, or VGPU_ERROR_INVALID_ARGUMENT if not valid() */
    void wait() const { detail::check(vgpu_future_wait(handle_)); }
    /** Waits for at most so long; true if the task is done. @throws as wait() does */
    template <typename Rep, typename Period> bool wait_for(std::chrono::duration<Rep, Period> timeout) const {
        const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(timeout).count();
        const vgpu_status status = vgpu_future_wait_for(handle_, ns < 0 ? 0 : static_cast<std::uint64_t>(ns));
        if (status == VGPU_ERROR_TIMED_OUT) {
            return false;
        }
        detail::check(status);
        return true;
    }
    /**
     * Cancels the task unless it has begun. True if it will not run: get() then throws an error with VGPU_ERROR_CANCELLED. Any
     * thread; does not block.
     */
    bool cancel() const {
        const vgpu_status status = vgpu_future_cancel(handle_);
        if (status == VGPU_ERROR_ALREADY_STARTED) {
            return false;
        }
        detail::check(status);
        return true;
    }
    /**
     * Waits until the task is done and gives its result, once; what the task threw is thrown here. The future is then not valid()
     * any more.
     */
    T get() {
        const vgpu_status status = vgpu_future_get(handle_, nullptr);
        struct ending {
            future &self;
            ~ending() { self.drop(); }
        } end{*this};
        // A task that failed has left its exception.
        if (status != VGPU_ERROR_TASK_FAILED) {
            detail::check(status);
        }
        if constexpr (std::is_void_v<T>) {
            static_cast<void>(shared_->result.take());
        } else {
            return shared_->result.take();
        }
    }
    /** For functions of vgpu_pool.h. Stays this object's. */
    vgpu_future *handle() const noexcept { return handle_; }
    /** The pool that it was submitted to. */
    vgpu_pool *pool_handle() const noexcept { return pool_; }

  private:
    friend class pool_ref;
    future(vgpu_pool *pool, vgpu_future *handle, detail::shared_outcome<value> *shared) noexcept : pool_(pool), handle_(handle), shared_(shared) {}

    void drop() noexcept {
        if (handle_ != nullptr) {
            static_cast<void>(vgpu_future_release(std::exchange(handle_, nullptr)));
            std::exchange(shared_, nullptr)->let_go();
        }
    }

    vgpu_pool *pool_ = nullptr;
    vgpu_future *handle_ = nullptr;
    detail::shared_outcome<value> *shared_ = nullptr;
};

} // namespace vgpu

#endif
