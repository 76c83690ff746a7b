// Task graphs of three shapes, run again and again, or built anew for each run. A vertex only counts itself, or works for 1 us.
//
//     struct Pool {
//         explicit Pool(unsigned workers, const std::string &implementation);
//         template <class F> void inside(F &&work);    // calls work() where graphs are built and run from
//         template <class B> struct Graph {            // vertex i calls body(i) after those before it
//             Graph(Pool &pool, const Shape &shape, const B &body);
//             void run();
//         };
//     };
#pragma once

#include "join_latency.hpp"
#include "request.hpp"

#include <optional>

// So many vertices has each graph; the wavefront is a square of them.
constexpr std::uint32_t graph_vertices = 4096;
constexpr std::uint32_t wavefront_side = 64;

// The numbers of a vertex's predecessors, which are less than its own: none, one or two.
struct Before {
    std::uint32_t count = 0;
    std::uint32_t numbers[2] = {};

    void add(std::uint32_t number) { numbers[count++] = number; }
    const std::uint32_t *begin() const { return numbers; }
    const std::uint32_t *end() const { return numbers + count; }
};

using Shape = std::vector<Before>;

inline std::optional<Shape> shape_of(const std::string &program) {
    Shape shape(graph_vertices);
    const std::string name = program.substr(0, program.find('-'));
    for (std::uint32_t i = 1; i < graph_vertices; i++) {
        if (name == "chain") {
            shape[i].add(i - 1);
        } else if (name == "tree") {
            shape[i].add((i - 1) / 2);
        } else if (name == "wavefront") {
            if (i % wavefront_side != 0) {
                shape[i].add(i - 1);
            }
            if (i >= wavefront_side) {
                shape[i].add(i - wavefront_side);
            }
        } else {
            return std::nullopt;
        }
    }
    return shape;
}

// So many runs, of one graph or each of a graph of its own.
template <class P, class B>
void run_graphs(P &pool, const Shape &shape, const B &body, bool is_built_anew, std::uint64_t runs) {
    using Graph = typename P::template Graph<B>;
    if (is_built_anew) {
        for (std::uint64_t i = 0; i < runs; i++) {
            Graph(pool, shape, body).run();
        }
    } else {
        Graph graph(pool, shape, body);
        for (std::uint64_t i = 0; i < runs; i++) {
            graph.run();
        }
    }
}

template <class P> Sample time_graphs(const Request &request, const Shape &shape) {
    constexpr std::uint64_t warm_up_ns = 30000000;
    const bool is_built_anew = request.program.find("-built") != std::string::npos;
    const std::uint32_t rounds = request.program.find("-1us") != std::string::npos ? calibrate(1000) : 0;
    const std::uint64_t runs = request.size / graph_vertices;
    auto body = [rounds](std::uint32_t vertex) {
        kernel_tally();
        if (rounds != 0) {
            opaque(kernel_mix(vertex, rounds));
        }
    };
    P pool(request.workers, request.implementation);
    Sample sample;
    pool.inside([&] {
        for (std::uint64_t begin = kernel_now_ns(); kernel_now_ns() - begin < warm_up_ns;) {
            run_graphs(pool, shape, body, is_built_anew, 1);
        }
        std::uint64_t tallied = kernel_tally_sum();
        Stopwatch watch;
        run_graphs(pool, shape, body, is_built_anew, runs);
        watch.stop(sample);
        sample.check = std::to_string(kernel_tally_sum() - tallied);
    });
    sample.units = request.size;
    return sample;
}

// Counts the vertices that find all those before them done in the same run.
template <class P> Sample count_ordered(const Request &request, const Shape &shape) {
    const bool is_built_anew = request.program.find("-built") != std::string::npos;
    std::vector<std::uint64_t> runs_of(shape.size());
    auto body = [&](std::uint32_t vertex) {
        std::uint64_t run = ++runs_of[vertex];
        for (std::uint32_t before : shape[vertex]) {
            if (runs_of[before] != run) {
                return;
            }
        }
        kernel_tally();
    };
    P pool(request.workers, request.implementation);
    Sample sample;
    pool.inside([&] { run_graphs(pool, shape, body, is_built_anew, request.size / graph_vertices); });
    sample.units = kernel_tally_sum();
    sample.check = std::to_string(request.size);
    return sample;
}

template <class P> std::optional<Sample> measure_graphs(const Request &request) {
    std::optional<Shape> shape = shape_of(request.program);
    if (!shape) {
        return std::nullopt;
    }
    return request.count ? count_ordered<P>(request, *shape) : time_graphs<P>(request, *shape);
}
