/**
 * @file graph.hpp
 * @brief Task graphs, built once and run often. Part of vgpu_pool.hpp.
 */
#ifndef VGPU_POOL_GRAPH_HPP
#define VGPU_POOL_GRAPH_HPP

#include "parallel.hpp"

namespace vgpu {

/** Which of its successors a condition chooses, numbered in the order of their edges. */
class choice {
  public:
    /** None of them. */
    constexpr choice() noexcept = default;
    /** The successor of this number. One that is not there makes the condition fail. */
    template <typename Integer, typename = std::enable_if_t<std::is_integral_v<Integer>>>
    constexpr choice(Integer successor) noexcept
        : bits_(std::uint64_t(1) << (static_cast<std::uint64_t>(successor) < 63 ? static_cast<std::uint64_t>(successor) : 63)) {}
    /** Both. */
    friend constexpr choice operator|(choice a, choice b) noexcept {
        a.bits_ |= b.bits_;
        return a;
    }
    /** Bit i stands for successor i. */
    constexpr std::uint64_t bits() const noexcept { return bits_; }

  private:
    std::uint64_t bits_ = 0;
};

/**
 * Callables that run when those before them have, as often as the program likes. Belongs to no pool.
 *
 *     vgpu::graph graph;
 *     auto load = graph.add("load", [&] { ... });
 *     auto draw = graph.add("draw", [&](vgpu::worker w) { ... });
 *     graph.precede(load, draw);
 *     graph.build();
 *     graph.run(pool);
 *
 * Vertices and edges are added, and the graph is built and waited for, by one thread at a time; any thread may run and cancel it. A
 * run allocates nothing. Neither copied nor moved. Ends with its object, which waits for a launched run.
 */
class graph {
  public:
    /** A vertex of one graph. */
    using vertex = vgpu_vertex;

    /** A graph without vertices. @throws error as vgpu_graph_create() fails */
    graph() : graph(0) {}
    /** The same with flags, such as VGPU_GRAPH_SKIP_SUCCESSORS. */
    explicit graph(std::uint32_t flags) {
        vgpu_graph_config settings;
        vgpu_graph_config_init(&settings);
        settings.flags = flags;
        detail::check(vgpu_graph_create(&settings, &handle_));
    }
    graph(const graph &) = delete;
    graph &operator=(const graph &) = delete;
    /** Waits for a launched run. An exception that no wait() has fetched is dropped. */
    ~graph() { static_cast<void>(vgpu_graph_destroy(handle_)); }

    /**
     * Adds f, which is moved or copied: each run calls it once, when all vertices before it have returned. An exception fails the
     * run. The name is what errors tell it by. @throws error as vgpu_graph_add() fails; std::bad_alloc
     */
    template <typename F> vertex add(const char *name, F &&f) { return add_as<plain<std::decay_t<F>>>(vgpu_graph_add, name, std::forward<F>(f)); }
    /** The same without a name. */
    template <typename F> vertex add(F &&f) { return add(nullptr, std::forward<F>(f)); }
    /**
     * Adds a condition: f returns a choice, or the number of one successor. An edge from a condition is weak: see
     * vgpu_graph_add_condition(), which says how choices run. @throws error as that fails; std::bad_alloc
     */
    template <typename F> vertex add_condition(const char *name, F &&f) {
        return add_as<choosing<std::decay_t<F>>>(vgpu_graph_add_condition, name, std::forward<F>(f));
    }

    /** Adds an edge: after does not start before `before` has returned. @throws error as vgpu_graph_precede() fails */
    void precede(vertex before, vertex after) { detail::check(vgpu_graph_precede(handle_, before, after)); }
    /** Makes the graph ready to run. @throws error as vgpu_graph_build() fails; its sentence names the vertices of a cycle */
    void build() { detail::check(vgpu_graph_build(handle_)); }

    /**
     * Runs the graph, and returns when every vertex has run or was skipped. The first exception of a vertex is thrown here.
     * Blocks; inside a task it helps. @throws error as vgpu_graph_run() fails
     */
    void run(pool_ref pool) {
        const vgpu_status status = vgpu_graph_run(handle_, pool.handle(), nullptr);
        if (status == VGPU_ERROR_ALREADY_STARTED) {
            // What is kept is the other run's.
            detail::check(status);
        }
        exception_.finish(status);
    }
    /** Begins to run the graph; wait() is to be called before it runs again. @throws error as vgpu_graph_launch() fails */
    void launch(pool_ref pool) { detail::check(vgpu_graph_launch(handle_, pool.handle())); }
    /** Waits for the run that launch() began, and throws what it failed with. */
    void wait() { exception_.finish(vgpu_graph_wait(handle_, nullptr)); }
    /** Cancels the run in progress: what has not started is skipped. Any thread, vertices included. */
    void cancel() { detail::check(vgpu_graph_cancel(handle_)); }
    /** How many vertices the last run has skipped. */
    std::size_t skipped() const noexcept { return vgpu_graph_skipped(handle_); }

    /** For functions of vgpu_pool.h. */
    vgpu_graph *handle() const noexcept { return handle_; }

  private:
    template <typename F> struct plain {
        graph *owner;
        F callable;

        static std::int32_t run(vgpu_worker *w, void *data) noexcept {
            plain *const self = static_cast<plain *>(data);
            return self->owner->exception_.watch([self, w] { detail::call(self->callable, worker(w)); });
        }
        static void end(void *data) noexcept { delete static_cast<plain *>(data); }
    };

    template <typename F> struct choosing {
        graph *owner;
        F callable;

        static std::int32_t run(vgpu_worker *w, void *data, std::uint64_t *chosen) noexcept {
            choosing *const self = static_cast<choosing *>(data);
            return self->owner->exception_.watch([=] { *chosen = choice(detail::call(self->callable, worker(w))).bits(); });
        }
        static void end(void *data) noexcept { delete static_cast<choosing *>(data); }
    };

    template <typename Body, typename Add, typename F> vertex add_as(Add add_to, const char *name, F &&f) {
        Body *const body = new Body{this, std::forward<F>(f)};
        vertex made = 0;
        const vgpu_status status = add_to(handle_, name, &Body::run, body, &Body::end, &made);
        if (status != VGPU_OK) {
            delete body;
            detail::check(status);
        }
        return made;
    }

    vgpu_graph *handle_ = nullptr;
    detail::first_exception exception_;
};

} // namespace vgpu

#endif
