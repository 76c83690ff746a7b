/**
 * @file pool.hpp
 * @brief Pools, and what they do. Part of vgpu_pool.hpp.
 */
#ifndef VGPU_POOL_POOL_HPP
#define VGPU_POOL_POOL_HPP

#include <array>

#include "config.hpp"
#include "fork_join.hpp"
#include "future.hpp"

namespace vgpu {
namespace detail {

/* A callable of a run, with the place of its outcome, on the frame of the caller who waits. */
template <typename F> struct visit {
    F &callable;
    outcome<value_of<F>> result;

    static std::int32_t run(vgpu_worker *w, void *data, std::size_t) noexcept {
        visit *const self = static_cast<visit *>(data);
        self->result.set(self->callable, worker(w));
        return 0;
    }
};

/* A callable that nobody waits for. */
template <typename F> struct posted {
    F callable;

    static std::int32_t run(vgpu_worker *w, void *data) noexcept {
        call(static_cast<posted *>(data)->callable, worker(w));
        return 0;
    }
    static void end(void *data) noexcept { delete static_cast<posted *>(data); }
};

class scheduled;

} // namespace detail

/**
 * A pool that somebody else owns: a handle, passed by value. Any thread may use it, tasks of the pool included, as long as the
 * pool is there.
 *
 * Loops, reductions, scans, sorts and products also work without a pool, `vgpu::pool_ref()`: they then do everything in order on
 * the calling thread. Submitting and running need one.
 *
 * Callables are called with what their description says, and may take a vgpu::worker before it. What they throw comes out of the
 * call that waits for them. Those of loops are called by several workers at a time.
 */
class pool_ref {
  public:
    /** No pool: the calling thread. */
    pool_ref() noexcept = default;
    /** A pool of vgpu_pool.h. */
    explicit pool_ref(vgpu_pool *handle) noexcept : handle_(handle) {}

    /** How many workers there are; 0 without a pool. */
    std::uint32_t num_workers() const noexcept { return vgpu_pool_num_workers(handle_); }
    /** For functions of vgpu_pool.h. */
    vgpu_pool *handle() const noexcept { return handle_; }

    /**
     * Calls f on a worker and returns its result; what f throws is thrown here. Inside a task of the pool the calling worker
     * does it at once. Blocks until f is done. Nothing is allocated. @throws error as vgpu_fork_all() fails
     */
    template <typename F> detail::value_of<std::remove_reference_t<F>> run(F &&f) const {
        using callable = std::remove_reference_t<F>;
        need_pool();
        detail::visit<callable> visit{f, {}};
        detail::check(vgpu_fork_all(handle_, 1, &detail::visit<callable>::run, &visit));
        return visit.result.take();
    }

    /**
     * Submits f, which is moved or copied: it runs once on some worker, and its result comes out of the future. Does not block,
     * unless the pool was told to when its inbox is full. @throws error as vgpu_pool_submit() fails; std::bad_alloc
     */
    template <typename F> [[nodiscard]] auto submit(F &&f) const {
        need_pool();
        vgpu_status status = VGPU_OK;
        auto result = submitted(std::forward<F>(f), status);
        detail::check(status);
        return result;
    }
    /** The same with a future that is not valid() where submit() throws an error. @throws std::bad_alloc */
    template <typename F> [[nodiscard]] auto try_submit(F &&f) const {
        vgpu_status status = VGPU_OK;
        return submitted(std::forward<F>(f), status);
    }
    /**
     * Submits f without a future: nobody learns when it is done. An exception that leaves it ends the program, as on a
     * std::thread. @throws error as vgpu_pool_submit() fails; std::bad_alloc
     */
    template <typename F> void post(F &&f) const { detail::check(posted(std::forward<F>(f))); }
    /** The same, but false where post() throws an error. @throws std::bad_alloc */
    template <typename F> [[nodiscard]] bool try_post(F &&f) const { return posted(std::forward<F>(f)) == VGPU_OK; }

    /** The worker of this pool that the calling thread is; on any other thread one whose handle() is NULL. */
    worker current_worker() const noexcept { return worker(vgpu_pool_current_worker(handle_)); }

    /**
     * Runs queued tasks of a pool made by config::on_caller(), on the thread that made it: at most max_tasks, 0 for any number, and
     * none more when budget_ns have passed, 0 for any time. Does not wait for tasks. @return how many were run
     * @throws error as vgpu_pool_pump() fails
     */
    std::size_t pump(std::size_t max_tasks = 0, std::uint64_t budget_ns = 0) const {
        std::size_t ran = 0;
        detail::check(vgpu_pool_pump(handle_, max_tasks, budget_ns, &ran));
        return ran;
    }

    /**
     * Waits until no task of the pool is queued or running. Not on a worker of the pool.
     * @throws error as vgpu_pool_wait_all() fails
     */
    void wait_all() const { detail::check(vgpu_pool_wait_all(handle_)); }

    /**
     * A loop: `body(i)` for each i below n, or `body(begin, end)` for pieces that together cover 0 to n exactly once. A piece has
     * at most grain indices; with a grain of 0 the library chooses, and adapts. When a call throws, pieces not yet begun are left
     * out, and the first exception comes out here. Serial equivalent: `for (std::size_t i = 0; i < n; i++) body(i);`
     */
    template <typename Body> void parallel_for(std::size_t n, Body &&body, std::size_t grain = 0) const;
    /** The same for begin <= i < end. */
    template <typename Body> void parallel_for(std::size_t begin, std::size_t end, Body &&body, std::size_t grain = 0) const;
    /**
     * The same in any number of dimensions: `body(i, j, k)` for each i < extents[0], j < extents[1] and k < extents[2]. The last
     * index runs fastest. @throws error with VGPU_ERROR_OVERFLOW for more indices than can be counted
     */
    template <std::size_t Rank, typename Body>
    void parallel_for(const std::array<std::size_t, Rank> &extents, Body &&body, std::size_t grain = 0) const;
    /**
     * A loop whose indices go to the same workers each time, for passing over the same data again and again: `body` as in
     * parallel_for(). Of n indices on w workers, worker i gets those from n * i / w on; with a grain of 0 they are one piece.
     * See vgpu_parallel_for_static().
     */
    template <typename Body> void parallel_for_static(std::size_t n, Body &&body, std::size_t grain = 0) const;
    /**
     * A loop over tiles of at most tile_rows x tile_cols: `body(row_begin, row_end, col_begin, col_end)` for tiles that together
     * cover rows x cols exactly once.
     */
    template <typename Body>
    void parallel_for_tiles(std::size_t rows, std::size_t cols, std::size_t tile_rows, std::size_t tile_cols, Body &&body) const;
    /** `body(element)` for each element of a range with random access, such as a std::vector, an array or a std::span. */
    template <typename Range, typename Body> void parallel_for_each(Range &&range, Body &&body, std::size_t grain = 0) const;
    /** `body(i)` for each i below n, each call a fork of its own, which may fork again. For few and heavy calls. */
    template <typename Body> void fork_all(std::size_t n, Body &&body) const;

    /**
     * One value out of n indices. `map(i)` gives the value of an index, or `map(begin, end, value)` the given value with the
     * indices of a piece added; `combine(left, right)` gives two neighbouring values as one.
     *
     * The pieces and the order of combinations depend on n and grain alone, not on the pool: the result is the same to the last bit
     * for any number of workers, floating-point sums included. combine must be associative as far as one cares, and need not be
     * commutative. identity must be neutral; it is copied once for each piece. T is moved, and need not be trivial.
     */
    template <typename T, typename Map, typename Combine>
    T parallel_reduce(std::size_t n, T identity, Map &&map, Combine &&combine, std::size_t grain = 0) const;

    /**
     * Running values: out[i] becomes in[0] combined with all up to and with in[i]. out may be in. Both have random access. Pieces
     * and order are those of parallel_reduce(). @return the end of the output. @throws std::bad_alloc
     */
    template <typename In, typename Out, typename Combine>
    Out inclusive_scan(In begin, In end, Out out, Combine &&combine, std::size_t grain = 0) const;
    /** The same without in[i] itself: out[0] becomes initial, out[1] is initial combined with in[0], and so on. */
    template <typename In, typename Out, typename T, typename Combine>
    Out exclusive_scan(In begin, In end, Out out, T initial, Combine &&combine, std::size_t grain = 0) const;

    /**
     * Sorts a range with random access in place, in the order of `less(a, b)`. Elements that compare equal may change places, in
     * the same way for any number of workers. They are moved, and need not be trivial. Nothing is allocated. When less throws,
     * the elements are left in some order, each of them once, as far as moving them does not throw.
     */
    template <typename Iterator, typename Less> void sort(Iterator begin, Iterator end, Less &&less) const;
    /** The same by operator<. */
    template <typename Iterator> void sort(Iterator begin, Iterator end) const;

    /** C++20: `co_await pool.schedule()` goes on as a task of the pool. See coroutine.hpp. */
    detail::scheduled schedule() const noexcept;

    friend bool operator==(pool_ref a, pool_ref b) noexcept { return a.handle_ == b.handle_; }
    friend bool operator!=(pool_ref a, pool_ref b) noexcept { return a.handle_ != b.handle_; }

  protected:
    vgpu_pool *handle_ = nullptr;

  private:
    /* The future of f; if the pool refuses, the status why and a future that is not valid(). */
    template <typename F> auto submitted(F &&f, vgpu_status &status) const {
        using callable = std::decay_t<F>;
        using task = detail::submitted<callable>;
        task *const shared = new task(std::forward<F>(f));
        future<std::decay_t<detail::result_of<callable>>> result(handle_, nullptr, shared);
        status = vgpu_pool_submit(handle_, &task::run, shared, &task::end, &result.handle_);
        if (status != VGPU_OK) {
            result.shared_ = nullptr;
            task::refuse(shared);
        }
        return result;
    }
    template <typename F> vgpu_status posted(F &&f) const {
        using task = detail::posted<std::decay_t<F>>;
        task *const data = new task{std::forward<F>(f)};
        const vgpu_status status = vgpu_pool_submit(handle_, &task::run, data, &task::end, nullptr);
        if (status != VGPU_OK) {
            delete data;
        }
        return status;
    }
    void need_pool() const {
        if (handle_ == nullptr) {
            detail::fail(VGPU_ERROR_INVALID_ARGUMENT, "pool is NULL; tasks need one, other than loops");
        }
    }
};

/** A pool of one's own. Not copied; destroyed with its object, which runs what was accepted and joins the threads. */
class pool : public pool_ref {
  public:
    /** A pool with the defaults: as many pinned workers as the process may use. @throws error as vgpu_pool_create() fails */
    pool() : pool(nullptr) {}
    /** A pool with these settings. @throws error as vgpu_pool_create() fails */
    explicit pool(const config &settings) : pool(settings.get()) {}
    /** The same with settings as C has them. */
    explicit pool(const vgpu_pool_config &settings) : pool(&settings) {}
    /** Takes over a pool of vgpu_pool.h, to be destroyed with the object. */
    static pool adopt(vgpu_pool *handle) noexcept { return pool(adopted{handle}); }
    pool(const pool &) = delete;
    pool &operator=(const pool &) = delete;
    pool(pool &&other) noexcept : pool_ref(std::exchange(other.handle_, nullptr)) {}
    pool &operator=(pool &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    /** Runs what was accepted, and joins the threads. Not from inside a task. */
    ~pool() { static_cast<void>(vgpu_pool_destroy(handle_)); }

    /** Gives the pool up: it is the caller's to destroy with vgpu_pool_destroy(). */
    [[nodiscard]] vgpu_pool *release() noexcept { return std::exchange(handle_, nullptr); }

  private:
    struct adopted {
        vgpu_pool *handle;
    };
    explicit pool(adopted other) noexcept : pool_ref(other.handle) {}
    explicit pool(const vgpu_pool_config *settings) {
        if (vgpu_fork_layout() != VGPU_FORK_LAYOUT) {
            detail::fail(VGPU_ERROR_UNSUPPORTED, "this program was compiled for another layout of forks than the library has; compile it again");
        }
        detail::check(vgpu_pool_create(settings, &handle_));
    }
};

/**
 * How long threads of the program are lent to a pool that was made with config::host_seats(). Not copied or moved, since threads refer to
 * it, and not to go while a thread is in run().
 */
class lease {
  public:
    /** A lease of threads to a pool. @throws error as vgpu_lease_create() fails */
    explicit lease(pool_ref pool) { detail::check(vgpu_lease_create(pool.handle(), &handle_)); }
    lease(const lease &) = delete;
    lease &operator=(const lease &) = delete;
    ~lease() { vgpu_lease_destroy(handle_); }

    /**
     * Lends the calling thread: it is a worker until the lease is ended, the time is up, in nanoseconds, or the pool is destroyed.
     * Several threads may be lent on one lease. @return VGPU_OK, VGPU_ERROR_TIMED_OUT or VGPU_ERROR_CLOSED, in this order, or
     * why the thread could not be lent, as vgpu_lease_run()
     */
    vgpu_status run(std::uint64_t timeout_ns = UINT64_MAX) noexcept { return vgpu_lease_run(handle_, timeout_ns); }
    /** Ends the lease, from any thread: those in run() return. */
    void end() noexcept { static_cast<void>(vgpu_lease_end(handle_)); }

  private:
    vgpu_lease *handle_ = nullptr;
};

} // namespace vgpu

#endif
