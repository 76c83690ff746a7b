// Ours through the C ABI, as a C or C++ program calls it: functions and pointers, across the border of a shared library.

#include "fork_join.hpp"
#include "graph.hpp"
#include "idle.hpp"
#include "join_latency.hpp"
#include "loops.hpp"
#include "peer.hpp"
#include "submit.hpp"

#include <memory>
#include <vgpu_pool.h>

namespace {

void require(vgpu_status status) {
    if (status != VGPU_OK) {
        std::fprintf(stderr, "%s: %s\n", vgpu_status_name(status), vgpu_last_error_message());
        std::exit(1);
    }
}

using Handle = std::unique_ptr<vgpu_pool, decltype(&vgpu_pool_destroy)>;

Handle make_pool(unsigned workers, std::size_t stack = 0) {
    vgpu_pool_config config;
    vgpu_pool_config_init(&config);
    config.num_workers = workers;
    config.stack_size = stack;
    config.inbox_full = VGPU_INBOX_FULL_BLOCK;
    vgpu_pool *pool = nullptr;
    require(vgpu_pool_create(&config, &pool));
    return Handle(pool, vgpu_pool_destroy);
}

// A function and a pointer for something to call.
template <class F> std::int32_t call(vgpu_worker *, void *function) {
    (*static_cast<F *>(function))();
    return 0;
}

// Calls `work` on a worker and waits for it.
template <class F> void run_on(const Handle &pool, F work) {
    vgpu_future *done = nullptr;
    require(vgpu_pool_submit(pool.get(), call<F>, &work, nullptr, &done));
    require(vgpu_future_get(done, nullptr));
    require(vgpu_future_release(done));
}

class Forking {
    Handle pool;

  public:
    using Worker = vgpu_pool *;

    Forking(unsigned workers, std::size_t stack) : pool(make_pool(workers, stack)) {}

    template <class F> void run(F &&work) {
        run_on(pool, [&] { work(pool.get()); });
    }

    template <class A, class B> static void join(Worker pool, A &&a, B &&b) {
        auto first = [&] { a(pool); };
        auto second = [&] { b(pool); };
        require(vgpu_join(pool, call<decltype(first)>, &first, call<decltype(second)>, &second));
    }

    template <class F> static void fork_each(Worker pool, std::size_t count, F &&child) {
        fork_halves<Forking>(pool, 0, count, child);
    }
};

class Submitting {
    Handle pool;

    static std::int32_t count_self(vgpu_worker *, void *) {
        kernel_tally();
        return 0;
    }
    static std::int32_t stamp_self(vgpu_worker *, void *stamp) {
        set_stamp(static_cast<std::atomic<std::uint64_t> *>(stamp));
        return 0;
    }

  public:
    explicit Submitting(unsigned workers) : pool(make_pool(workers)) {}

    void submit_and_wait(std::uint64_t count) {
        vgpu_group *group = nullptr;
        require(vgpu_group_create(pool.get(), &group));
        for (std::uint64_t i = 0; i < count; i++) {
            require(vgpu_group_submit(group, count_self, nullptr, nullptr));
        }
        require(vgpu_group_wait(group, nullptr));
        require(vgpu_group_destroy(group));
    }

    // Each task lies in storage of ours, which is used again when its task is done.
    void submit_stored_and_wait(std::uint64_t count) {
        constexpr std::size_t places = 4096;
        static vgpu_task_storage storage[places];
        static vgpu_future *futures[places];
        for (std::uint64_t i = 0; i < count; i++) {
            std::size_t place = i % places;
            if (futures[place] != nullptr) {
                require(vgpu_future_release(futures[place]));
            }
            require(vgpu_pool_submit_in(pool.get(), &storage[place], count_self, nullptr, nullptr, &futures[place]));
        }
        for (vgpu_future *&future : futures) {
            if (future != nullptr) {
                require(vgpu_future_release(future));
                future = nullptr;
            }
        }
    }

    void spawn(std::atomic<std::uint64_t> *stamp) {
        require(vgpu_pool_submit(pool.get(), stamp_self, stamp, nullptr, nullptr));
    }
};

struct SubmittingStored : Submitting {
    using Submitting::Submitting;
    void submit_and_wait(std::uint64_t count) { submit_stored_and_wait(count); }
};

std::optional<Sample> measure_stored(const Request &request) {
    if (request.implementation != "vgpu-c-storage") {
        return std::nullopt;
    }
    return measure_submitting<SubmittingStored>(request);
}

class Looping {
    Handle pool;

    template <class F> void each_grain(std::size_t count, std::size_t grain, F &item) {
        auto piece = [](vgpu_worker *, void *item, std::size_t begin, std::size_t end) -> std::int32_t {
            for (std::size_t i = begin; i < end; i++) {
                (*static_cast<F *>(item))(i);
            }
            return 0;
        };
        require(vgpu_parallel_for(pool.get(), count, grain, piece, &item));
    }

  public:
    Looping(unsigned workers, const std::string &) : pool(make_pool(workers)) {}

    template <class F> void inside(F &&work) { run_on(pool, [&] { work(); }); }

    void two_empty() {
        auto item = [](std::size_t) { kernel_tally(); };
        each_grain(2, 1, item);
    }

    template <class F> void each(std::size_t count, F &item) { each_grain(count, 0, item); }
};

class Graphing {
    Handle pool;

  public:
    Graphing(unsigned workers, const std::string &) : pool(make_pool(workers)) {}

    template <class F> void inside(F &&work) { run_on(pool, [&] { work(); }); }

    template <class B> class Graph {
        struct Vertex {
            const B *body;
            std::uint32_t number;
            vgpu_vertex handle;
        };
        vgpu_pool *pool;
        std::unique_ptr<vgpu_graph, decltype(&vgpu_graph_destroy)> graph{nullptr, vgpu_graph_destroy};
        std::vector<Vertex> vertices;

        static std::int32_t call(vgpu_worker *, void *vertex) {
            (*static_cast<Vertex *>(vertex)->body)(static_cast<Vertex *>(vertex)->number);
            return 0;
        }

      public:
        Graph(Graphing &graphing, const Shape &shape, const B &body) : pool(graphing.pool.get()), vertices(shape.size()) {
            vgpu_graph *made = nullptr;
            require(vgpu_graph_create(nullptr, &made));
            graph.reset(made);
            for (std::uint32_t i = 0; i < shape.size(); i++) {
                vertices[i] = {&body, i, 0};
                require(vgpu_graph_add(made, nullptr, call, &vertices[i], nullptr, &vertices[i].handle));
                for (std::uint32_t before : shape[i]) {
                    require(vgpu_graph_precede(made, vertices[before].handle, vertices[i].handle));
                }
            }
            require(vgpu_graph_build(made));
        }

        void run() { require(vgpu_graph_run(graph.get(), pool, nullptr)); }
    };
};

} // namespace

int main(int argc, char **argv) {
    std::string version = std::string("vgpu-pool ") + vgpu_version_string() + ", " + __VERSION__;
    return Peer(argc, argv, version,
                {measure_stored, measure_forks<Forking>, measure_joins<Forking>, measure_submitting<Submitting>,
                 measure_idle<Submitting>, measure_loops<Looping>, measure_graphs<Graphing>})
        .run();
}
