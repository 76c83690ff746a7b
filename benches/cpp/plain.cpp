// No pool: both sides of a fork in turn. The compiler sees a plain recursion.

#include "fork_join.hpp"
#include "peer.hpp"

namespace {

struct Plain {
    struct Worker {};

    Plain(unsigned, std::size_t) {}

    template <class F> void run(F &&work) { work(Worker{}); }

    template <class A, class B> static void join(Worker worker, A &&a, B &&b) {
        a(worker);
        b(worker);
    }

    template <class F> static void fork_each(Worker worker, std::size_t count, F &&child) {
        for (std::size_t i = 0; i < count; i++) {
            child(worker, i);
        }
    }
};

} // namespace

int main(int argc, char **argv) { return Peer(argc, argv, std::string("gcc ") + __VERSION__, {measure_forks<Plain>}).run(); }
