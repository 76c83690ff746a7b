// Ours through the C++ header, which keeps the worker's private stack itself.

#include "fork_join.hpp"
#include "join_latency.hpp"
#include "peer.hpp"

#include <vgpu_pool.hpp>

namespace {

class Forking {
    vgpu::pool pool;

    static vgpu_pool_config settings(unsigned workers, std::size_t stack) {
        vgpu_pool_config config;
        vgpu_pool_config_init(&config);
        config.num_workers = workers;
        config.stack_size = stack;
        return config;
    }

  public:
    using Worker = vgpu::worker;

    Forking(unsigned workers, std::size_t stack) : pool(settings(workers, stack)) {}

    template <class F> void run(F &&work) { pool.run(work); }

    template <class A, class B> static void join(Worker worker, A &&a, B &&b) {
        vgpu::fork_join(worker, std::forward<A>(a), std::forward<B>(b));
    }

    static constexpr bool joins_values = true;

    template <class A, class B> static auto join_values(Worker worker, A &&a, B &&b) {
        return vgpu::fork_join(worker, std::forward<A>(a), std::forward<B>(b));
    }

    template <class F> static void fork_each(Worker worker, std::size_t count, F &&child) {
        fork_halves<Forking>(worker, 0, count, child);
    }
};

} // namespace

int main(int argc, char **argv) {
    std::string version = std::string("vgpu-pool ") + vgpu_version_string() + ", " + __VERSION__;
    return Peer(argc, argv, version, {measure_forks<Forking>, measure_joins<Forking>}).run();
}
