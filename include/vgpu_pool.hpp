/**
 * @file vgpu_pool.hpp
 * @brief The pool for C++17 and later, header-only over vgpu_pool.h: link as for C.
 *
 *     #include <vgpu_pool.hpp>
 *
 *     long fib(vgpu::worker w, long n) {
 *         if (n < 2) return n;
 *         auto [a, b] = vgpu::fork_join(w, [n](vgpu::worker w) { return fib(w, n - 1); },
 *                                          [n](vgpu::worker w) { return fib(w, n - 2); });
 *         return a + b;
 *     }
 *
 *     int main() {
 *         vgpu::pool pool;
 *         return pool.run([](vgpu::worker w) { return fib(w, 30); }) == 832040 ? 0 : 1;
 *     }
 *
 * ## Errors
 * A call that fails throws vgpu::error, which carries the status and the sentence. An exception thrown by a callable comes out
 * where its result is waited for. Without exceptions (-fno-exceptions) a failure ends the program with its sentence on stderr;
 * a program that wants to go on calls the functions of vgpu_pool.h, which return statuses. RTTI is not needed.
 *
 * ## Forks
 * A fork costs a few plain stores here, no call into the library: the header keeps the worker's private stack itself. It does so
 * for one layout, which the library names at run time; a pool refuses to be made when the two differ.
 * Forks are structured: fork_join() returns when both callables are done. Between a fork and its join a callable must not leave
 * its thread: no fibers, no suspension of a coroutine.
 */
#ifndef VGPU_POOL_HPP
#define VGPU_POOL_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

#include "vgpu_pool.h"

/* A condition that seldom holds. */
#define VGPU_RARELY(condition) (__builtin_expect(!!(condition), 0))

#if defined(__cpp_exceptions)
#include <exception>
#include <stdexcept>
#define VGPU_HAS_EXCEPTIONS 1
#else
#define VGPU_HAS_EXCEPTIONS 0
#endif

namespace vgpu {

/** What a callable that returns nothing gives. */
struct unit {};

#if VGPU_HAS_EXCEPTIONS
/** A failed call: what() is the sentence. */
class error : public std::runtime_error {
  public:
    error(vgpu_status status, const char *sentence) : std::runtime_error(sentence), status_(status) {}
    /** The status, such as VGPU_ERROR_CLOSED. */
    vgpu_status status() const noexcept { return status_; }

  private:
    vgpu_status status_;
};
#endif

namespace detail {

/* Ends a failed call: by an exception, or by the end of the program. */
[[noreturn]] inline void fail(vgpu_status status, const char *sentence) {
#if VGPU_HAS_EXCEPTIONS
    throw error(status, sentence);
#else
    std::fprintf(stderr, "%s: %s\n", vgpu_status_name(status), sentence);
    std::abort();
#endif
}

inline void check(vgpu_status status) {
    if (status != VGPU_OK) {
        fail(status, vgpu_last_error_message());
    }
}

} // namespace detail

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

    template <typename F> void set(F &f, worker w) noexcept {
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

/* The second callable of a fork, as a job on the frame that forked it. B is a reference for a callable that stays where it is. */
template <typename B> struct job {
    using result = outcome<value_of<std::remove_reference_t<B>>>;

    vgpu_fork_job base;
    B callable;
    /* Where a worker that takes the job leaves what came of it. There is nothing here until then. */
    alignas(result) unsigned char place[sizeof(result)];

    explicit job(B &&b) : callable(std::forward<B>(b)) { base.run = &job::run; }

    /* What another worker left here. */
    result &stolen() noexcept { return *std::launder(reinterpret_cast<result *>(place)); }

    /* The job on the worker that took it. The frame stays until vgpu_fork_finish. */
    static void run(vgpu_fork_job *self, vgpu_worker *w) noexcept {
        job *const mine = reinterpret_cast<job *>(self);
        (::new (static_cast<void *>(mine->place)) result())->set(mine->callable, worker(w));
        vgpu_fork_finish(w, self);
    }
};

inline vgpu_fork_words *words(worker w) noexcept { return reinterpret_cast<vgpu_fork_words *>(w.handle()); }

/* Puts a job on the private stack, and has one published if there is nothing for others to steal. */
inline void push(worker w, vgpu_fork_job *job) {
    vgpu_fork_words *const own = words(w);
    if (VGPU_RARELY(reinterpret_cast<std::uintptr_t>(job) < own->stack_limit)) {
        fail(VGPU_ERROR_STACK_LIMIT, "a fork found its worker's stack almost used up; give the pool's workers a larger stack_size");
    }
    vgpu_fork_link *const older = own->newest;
    older->newer = &job->link;
    job->link.older = older;
    own->newest = &job->link;
    if (VGPU_RARELY(__atomic_load_n(own->ends + 1, __ATOMIC_RELAXED) <= __atomic_load_n(own->ends, __ATOMIC_RELAXED))) {
        vgpu_fork_promote(w.handle());
    }
}

/* Takes the newest job off. True if it is the caller's to run, false if another worker has run it. */
inline bool pop(worker w, vgpu_fork_job *job) {
    vgpu_fork_words *const own = words(w);
    vgpu_fork_link *const newest = own->newest;
    own->newest = job->link.older;
    if (VGPU_RARELY(own->last_public == newest)) {
        own->last_public = job->link.older;
        return vgpu_fork_take_back(w.handle(), job) != 0;
    }
    return true;
}

/* The first callable of a fork. If it throws, the second is seen to before the exception goes on. */
template <typename A, typename Job> value_of<A> first(A &a, Job &job, worker w) {
#if VGPU_HAS_EXCEPTIONS
    try {
        return value(a, w);
    } catch (...) {
        if (!pop(w, &job.base)) {
            using result = typename Job::result;
            job.stolen().~result();
        }
        throw;
    }
#else
    static_cast<void>(job);
    return value(a, w);
#endif
}

template <typename F> int32_t run_task(vgpu_worker *w, void *data) noexcept;

template <typename F> struct task {
    F &callable;
    outcome<value_of<F>> result;
};

template <typename F> int32_t run_task(vgpu_worker *w, void *data) noexcept {
    task<F> *const self = static_cast<task<F> *>(data);
    self->result.set(self->callable, worker(w));
    return 0;
}

} // namespace detail

/**
 * Calls a and b, perhaps at the same time, and returns both results when both are done: a std::pair, with vgpu::unit for a callable
 * that returns nothing.
 *
 * Each is called with the worker it runs on, or without arguments. An exception of either comes out here, that of a before that of
 * b; when a throws before anybody has started b, then b is not called. Serial equivalent: `{a(w), b(w)}`.
 *
 * Blocks until both are done; the worker runs other work meanwhile. Throws vgpu::error with VGPU_ERROR_STACK_LIMIT when the
 * worker's stack is too short for another fork.
 */
template <typename A, typename B>
std::pair<detail::value_of<std::remove_reference_t<A>>, detail::value_of<std::remove_reference_t<B>>> fork_join(worker w, A &&a, B &&b) {
    detail::job<B> job(std::forward<B>(b));
    detail::push(w, &job.base);
    detail::value_of<std::remove_reference_t<A>> left = detail::first(a, job, w);
    if (VGPU_RARELY(!detail::pop(w, &job.base))) {
        struct ending {
            typename detail::job<B>::result &result;
            ~ending() { result.~outcome(); }
        } end{job.stolen()};
        return {std::move(left), end.result.take()};
    }
    return {std::move(left), detail::value(job.callable, w)};
}

/** A pool. Not copied; destroyed with its object, which drains it and joins its threads. Any thread may use it. */
class pool {
  public:
    /** A pool with the defaults: as many pinned workers as the process may use. */
    pool() : pool(nullptr) {}
    /** A pool with these settings. @throws vgpu::error as vgpu_pool_create() fails */
    explicit pool(const vgpu_pool_config &config) : pool(&config) {}
    pool(const pool &) = delete;
    pool &operator=(const pool &) = delete;
    pool(pool &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    pool &operator=(pool &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    /** Runs what was accepted, and joins the threads. Not from inside a task. */
    ~pool() { static_cast<void>(vgpu_pool_destroy(handle_)); }

    /** How many workers there are. */
    std::uint32_t num_workers() const noexcept { return vgpu_pool_num_workers(handle_); }
    /** For functions of vgpu_pool.h. */
    vgpu_pool *handle() const noexcept { return handle_; }

    /**
     * Calls f on a worker and returns its result; what f throws is thrown here. From any thread; inside a task of the pool it may
     * be called too. Blocks until f is done.
     */
    template <typename F> detail::value_of<F> run(F &&f) {
        using callable = std::remove_reference_t<F>;
        detail::task<callable> task{f, {}};
        vgpu_future *future = nullptr;
        detail::check(vgpu_pool_submit(handle_, &detail::run_task<callable>, &task, nullptr, &future));
        const vgpu_status status = vgpu_future_get(future, nullptr);
        static_cast<void>(vgpu_future_release(future));
        detail::check(status);
        return task.result.take();
    }

  private:
    explicit pool(const vgpu_pool_config *config) : handle_(nullptr) {
        if (vgpu_fork_layout() != VGPU_FORK_LAYOUT) {
            detail::fail(VGPU_ERROR_UNSUPPORTED, "this program was compiled for another layout of forks than the library has; compile it again");
        }
        detail::check(vgpu_pool_create(config, &handle_));
    }
    vgpu_pool *handle_;
};

} // namespace vgpu

#endif
