// oneTBB: a task group for each fork, the last child inline; parallel_for with the automatic partitioner; flow graphs.

#include "fork_join.hpp"
#include "graph.hpp"
#include "idle.hpp"
#include "join_latency.hpp"
#include "loops.hpp"
#include "peer.hpp"
#include "submit.hpp"

#include <deque>
#include <tbb/blocked_range.h>
#include <tbb/flow_graph.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

namespace {

using Control = tbb::global_control;

// The caller is one of the workers.
class Forking {
    Control workers, stack;
    tbb::task_arena arena;

  public:
    struct Worker {};

    Forking(unsigned workers, std::size_t stack)
        : workers(Control::max_allowed_parallelism, workers), stack(Control::thread_stack_size, stack),
          arena(int(workers)) {}

    template <class F> void run(F &&work) {
        arena.execute([&] { work(Worker{}); });
    }

    template <class A, class B> static void join(Worker worker, A &&a, B &&b) {
        tbb::task_group group;
        group.run([&] { b(worker); });
        a(worker);
        group.wait();
    }

    template <class F> static void fork_each(Worker worker, std::size_t count, F &&child) {
        tbb::task_group group;
        for (std::size_t i = 0; i + 1 < count; i++) {
            group.run([&child, worker, i] { child(worker, i); });
        }
        child(worker, count - 1);
        group.wait();
    }
};

// The caller is a thread more, which helps only while it waits.
class Submitting {
    Control threads;
    tbb::task_arena arena;

  public:
    explicit Submitting(unsigned workers)
        : threads(Control::max_allowed_parallelism, workers + 1), arena(int(workers + 1)) {}

    void submit_and_wait(std::uint64_t count) {
        arena.execute([&] {
            tbb::task_group group;
            for (std::uint64_t i = 0; i < count; i++) {
                group.run([] { kernel_tally(); });
            }
            group.wait();
        });
    }

    void spawn(std::atomic<std::uint64_t> *stamp) {
        arena.enqueue([stamp] { set_stamp(stamp); });
    }
};

class Looping {
    Control workers;
    tbb::task_arena arena;

  public:
    Looping(unsigned workers, const std::string &) : workers(Control::max_allowed_parallelism, workers), arena(int(workers)) {}

    template <class F> void inside(F &&work) { arena.execute(work); }

    void two_empty() {
        tbb::parallel_for(
            tbb::blocked_range<std::size_t>(0, 2, 1), [](const auto &) { kernel_tally(); }, tbb::simple_partitioner());
    }

    template <class F> void each(std::size_t count, F &&item) {
        tbb::parallel_for(tbb::blocked_range<std::size_t>(0, count), [&](const auto &piece) {
            for (std::size_t i = piece.begin(); i != piece.end(); i++) {
                item(i);
            }
        });
    }
};

// A flow graph of nodes that wait for their predecessors. With the lightweight policy a node runs where its last predecessor did, as
// part of the call.
template <class Policy> class Flowing {
    Control workers;
    tbb::task_arena arena;

  public:
    Flowing(unsigned workers, const std::string &) : workers(Control::max_allowed_parallelism, workers), arena(int(workers)) {}

    template <class F> void inside(F &&work) { arena.execute(work); }

    template <class B> class Graph {
        using Message = tbb::flow::continue_msg;
        using Node = tbb::flow::continue_node<Message, Policy>;
        tbb::flow::graph graph;
        std::deque<Node> nodes;
        std::vector<Node *> roots;

      public:
        Graph(Flowing &, const Shape &shape, const B &body) {
            for (std::uint32_t i = 0; i < shape.size(); i++) {
                Node &node = nodes.emplace_back(graph, [&body, i](const Message &) { body(i); });
                for (std::uint32_t before : shape[i]) {
                    tbb::flow::make_edge(nodes[before], node);
                }
                if (shape[i].count == 0) {
                    roots.push_back(&node);
                }
            }
        }

        void run() {
            for (Node *root : roots) {
                root->try_put(Message());
            }
            graph.wait_for_all();
        }
    };
};

std::optional<Sample> measure_flows(const Request &request) {
    return request.implementation == "tbb-light" ? measure_graphs<Flowing<tbb::flow::lightweight>>(request)
                                                 : measure_graphs<Flowing<tbb::flow::queueing>>(request);
}

} // namespace

int main(int argc, char **argv) {
    std::string version = std::string("oneTBB ") + TBB_runtime_version() + ", " + __VERSION__;
    return Peer(argc, argv, version,
                {measure_forks<Forking>, measure_joins<Forking>, measure_submitting<Submitting>, measure_idle<Submitting>,
                 measure_loops<Looping>, measure_flows})
        .run();
}
