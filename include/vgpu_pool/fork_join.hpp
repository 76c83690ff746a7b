/**
 * @file fork_join.hpp
 * @brief Two callables, perhaps at the same time. Part of vgpu_pool.hpp.
 *
 * A fork costs a few plain stores here, no call into the library: the header keeps the worker's private stack itself. It does so
 * for one layout, which the library names at run time; a pool refuses to be made when the two differ.
 */
#ifndef VGPU_POOL_FORK_JOIN_HPP
#define VGPU_POOL_FORK_JOIN_HPP

#include "worker.hpp"

/* A condition that seldom holds. */
#define VGPU_RARELY(condition) (__builtin_expect(!!(condition), 0))

namespace vgpu {
namespace detail {

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

} // namespace vgpu

#endif
