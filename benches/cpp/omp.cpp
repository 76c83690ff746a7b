// OpenMP: a task for each fork, the last child inline; loops with each of the three schedules; tasks that depend on each other. Compiled by clang for libomp and
// by gcc for libgomp. Places, binding and stacks come from the environment.

#include "fork_join.hpp"
#include "graph.hpp"
#include "idle.hpp"
#include "join_latency.hpp"
#include "loops.hpp"
#include "peer.hpp"
#include "submit.hpp"

#include <omp.h>

namespace {

// The caller is one of the threads.
class Forking {
    int threads;

  public:
    struct Worker {};

    Forking(unsigned workers, std::size_t) : threads(int(workers)) {}

    template <class F> void run(F &&work) {
#pragma omp parallel num_threads(threads)
#pragma omp single
        work(Worker{});
    }

    template <class A, class B> static void join(Worker worker, A &&a, B &&b) {
#pragma omp task default(shared)
        b(worker);
        a(worker);
#pragma omp taskwait
    }

    template <class F> static void fork_each(Worker worker, std::size_t count, F &&child) {
        for (std::size_t i = 0; i + 1 < count; i++) {
#pragma omp task default(shared) firstprivate(i)
            child(worker, i);
        }
        child(worker, count - 1);
#pragma omp taskwait
    }
};

// The caller is a thread more, which helps only while it waits.
class Submitting {
    int threads;

  public:
    explicit Submitting(unsigned workers) : threads(int(workers) + 1) {}

    void submit_and_wait(std::uint64_t count) {
#pragma omp parallel num_threads(threads)
#pragma omp single
        for (std::uint64_t i = 0; i < count; i++) {
#pragma omp task
            kernel_tally();
        }
    }

    // The start of a parallel region is what OpenMP has.
    void spawn(std::atomic<std::uint64_t> *stamp) {
#pragma omp parallel num_threads(threads)
        if (omp_get_thread_num() == 1) {
            set_stamp(stamp);
        }
    }
};

class Looping {
    int threads;
    bool is_dynamic, is_guided;

  public:
    Looping(unsigned workers, const std::string &implementation)
        : threads(int(workers)), is_dynamic(implementation.find("-dynamic") != std::string::npos),
          is_guided(implementation.find("-guided") != std::string::npos) {}

    template <class F> void inside(F &&work) { work(); }

    void two_empty() {
        each(2, [](std::size_t) { kernel_tally(); });
    }

    template <class F> void each(std::size_t count, F &&item) {
        if (is_dynamic) {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
            for (std::size_t i = 0; i < count; i++) {
                item(i);
            }
        } else if (is_guided) {
#pragma omp parallel for schedule(guided) num_threads(threads)
            for (std::size_t i = 0; i < count; i++) {
                item(i);
            }
        } else {
#pragma omp parallel for schedule(static) num_threads(threads)
            for (std::size_t i = 0; i < count; i++) {
                item(i);
            }
        }
    }
};

// OpenMP keeps no graph: a run makes its tasks.
class Depending {
    int threads;

  public:
    Depending(unsigned workers, const std::string &) : threads(int(workers)) {}

    template <class F> void inside(F &&work) {
#pragma omp parallel num_threads(threads)
#pragma omp single
        work();
    }

    template <class B> class Graph {
        const Shape &shape;
        const B &body;
        std::vector<char> marks;

      public:
        Graph(Depending &, const Shape &shape, const B &body) : shape(shape), body(body), marks(shape.size()) {}

        void run() {
            const B &body = this->body;
            char *marks = this->marks.data();
            (void)marks;
            for (std::uint32_t i = 0; i < shape.size(); i++) {
                const std::uint32_t *before = shape[i].numbers;
                (void)before;
                switch (shape[i].count) {
                case 0:
#pragma omp task default(shared) firstprivate(i) depend(out : marks[i])
                    body(i);
                    break;
                case 1:
#pragma omp task default(shared) firstprivate(i) depend(in : marks[before[0]]) depend(out : marks[i])
                    body(i);
                    break;
                default:
#pragma omp task default(shared) firstprivate(i) depend(in : marks[before[0]], marks[before[1]]) depend(out : marks[i])
                    body(i);
                }
            }
#pragma omp taskwait
        }
    };
};

} // namespace

int main(int argc, char **argv) {
#ifdef __clang__
    std::string version = std::string("libomp, ") + __VERSION__;
#else
    std::string version = std::string("libgomp, gcc ") + __VERSION__;
#endif
    return Peer(argc, argv, version,
                {measure_forks<Forking>, measure_joins<Forking>, measure_submitting<Submitting>, measure_idle<Submitting>,
                 measure_loops<Looping>, measure_graphs<Depending>})
        .run();
}
