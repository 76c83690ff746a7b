// Task graphs: order, exceptions, choices, cancelling, and who frees what.
#include "check.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

void vertices_run_in_order() {
    vgpu::pool pool(workers(2));
    vgpu::graph graph;
    std::vector<int> runs(10, 0);
    std::vector<vgpu::graph::vertex> vertices;
    for (std::size_t i = 0; i < runs.size(); i++) {
        vertices.push_back(graph.add([&runs, i](vgpu::worker w) {
            CHECK(w.index() < 2);
            CHECK(i == 0 || runs[i - 1] == runs[i] + 1);
            runs[i]++;
        }));
        if (i > 0) {
            graph.precede(vertices[i - 1], vertices[i]);
        }
    }
    graph.build();
    for (int run = 1; run <= 100; run++) {
        if (run % 2 == 0) {
            graph.run(pool);
        } else {
            graph.launch(pool);
            graph.wait();
        }
        CHECK(runs == std::vector<int>(10, run));
    }
    pool.run([&] { graph.run(pool); });
    CHECK(runs.back() == 101 && graph.skipped() == 0);
}

void exceptions_come_out() {
    vgpu::pool pool(workers(2));
    vgpu::graph graph(VGPU_GRAPH_SKIP_SUCCESSORS);
    bool throws = true;
    int beside = 0, after = 0;
    const auto first = graph.add("first", [&] {
        if (throws) {
            throw std::runtime_error("as asked");
        }
    });
    graph.precede(first, graph.add([&] { after++; }));
    graph.add([&] { beside++; });
    graph.build();
    CHECK(thrown_by([&] { graph.run(pool); }) == "as asked");
    CHECK(after == 0 && beside == 1 && graph.skipped() == 1);
    graph.launch(pool);
    CHECK(thrown_by([&] { graph.wait(); }) == "as asked");
    throws = false;
    graph.run(pool);
    CHECK(after == 1 && beside == 3);
}

void conditions_choose() {
    vgpu::pool pool(workers(2));
    vgpu::graph graph;
    int rounds = 0, even = 0, odd = 0;
    const auto start = graph.add_condition("start", [] { return 0u; });
    const auto body = graph.add("body", [&] { rounds++; });
    const auto again = graph.add_condition("again", [&](vgpu::worker) {
        const vgpu::choice parity(rounds % 2 == 0 ? 1 : 2);
        return rounds % 10 == 0 ? parity : parity | vgpu::choice(0);
    });
    graph.precede(start, body);
    graph.precede(body, again);
    graph.precede(again, body);
    graph.precede(again, graph.add([&] { even++; }));
    graph.precede(again, graph.add([&] { odd++; }));
    graph.build();
    graph.run(pool);
    graph.run(pool);
    CHECK(rounds == 20 && even == 10 && odd == 10);
}

void a_condition_may_fail() {
    vgpu::pool pool(workers(1));
    vgpu::graph graph;
    bool throws = true;
    const auto condition = graph.add_condition("condition", [&]() -> vgpu::choice {
        if (throws) {
            throw std::runtime_error("cannot choose");
        }
        return 1;
    });
    graph.precede(condition, graph.add([] { CHECK(false); }));
    graph.build();
    CHECK(thrown_by([&] { graph.run(pool); }) == "cannot choose");
    throws = false;
    CHECK(status_of([&] { graph.run(pool); }) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(vgpu::choice(3).bits() == 8 && vgpu::choice(std::size_t(0)).bits() == 1);
    CHECK(vgpu::choice(-1).bits() == vgpu::choice(100u).bits()); // neither is ever there
}

void what_is_wrong_is_refused() {
    vgpu::pool pool(workers(1));
    vgpu::graph graph;
    const auto token = std::make_shared<int>(0);
    const auto chicken = graph.add("chicken", [token] {});
    const auto egg = graph.add("egg", [token] {});
    CHECK(status_of([&] { graph.run(pool); }) == VGPU_ERROR_INVALID_ARGUMENT);
    graph.precede(chicken, egg);
    graph.precede(egg, chicken);
    CHECK(thrown_by([&] { graph.build(); }).find("chicken -> egg") != std::string::npos);
    vgpu::graph other;
    CHECK(status_of([&] { other.precede(chicken, egg); }) == VGPU_ERROR_INVALID_ARGUMENT);
    other.build();
    CHECK(status_of([&] { other.add([token] {}); }) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(status_of([&] { vgpu::graph(77); }) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(token.use_count() == 3); // that of the refused vertex is gone
}

void a_run_can_be_cancelled() {
    vgpu::pool pool(workers(2));
    vgpu::graph graph;
    std::atomic<bool> open{false};
    std::atomic<int> ran{0};
    const auto first = graph.add([&] {
        ran++;
        while (!open) {
            std::this_thread::yield();
        }
    });
    graph.precede(first, graph.add([&] { ran++; }));
    graph.build();
    graph.launch(pool);
    while (ran == 0) {
        std::this_thread::yield();
    }
    CHECK(status_of([&] { graph.run(pool); }) == VGPU_ERROR_ALREADY_STARTED);
    graph.cancel();
    open = true;
    CHECK(status_of([&] { graph.wait(); }) == VGPU_ERROR_CANCELLED);
    CHECK(ran == 1 && graph.skipped() == 1);
    graph.run(pool);
    CHECK(ran == 3);
}

void callables_live_as_long_as_their_graph() {
    vgpu::pool pool(workers(2));
    const auto token = std::make_shared<int>(0);
    {
        vgpu::graph graph;
        graph.add([token] { ++*token; });
        graph.build();
        graph.launch(pool);
    }
    CHECK(*token == 1 && token.use_count() == 1);
}

} // namespace

int main() {
    vertices_run_in_order();
    exceptions_come_out();
    conditions_choose();
    a_condition_may_fail();
    what_is_wrong_is_refused();
    a_run_can_be_cancelled();
    callables_live_as_long_as_their_graph();
    return report();
}
