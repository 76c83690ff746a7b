// oneDNN's interface on a pool, called as oneDNN calls it. Debian's oneDNN is built for OpenMP and takes no pool.
#include <vgpu_pool/adapters/onednn.hpp>

#include "../cpp/check.hpp"
#include "ratio.hpp"

#include <cmath>
#include <thread>
#include <vector>

int main() {
    vgpu::pool pool(workers(2));
    vgpu::onednn_pool adapter(pool);
    dnnl::threadpool_interop::threadpool_iface &threads = adapter;
    CHECK(threads.get_num_threads() == 2 && threads.get_flags() == 0 && !threads.get_in_parallel());
    for (const int n : {-1, 0, 1, 2, 7, 100}) {
        std::vector<std::atomic<int>> seen(100);
        threads.parallel_for(n, [&](int i, int of) {
            CHECK(of == n && threads.get_in_parallel());
            seen[static_cast<std::size_t>(i)]++;
        });
        for (int i = 0; i < 100; i++) CHECK(seen[static_cast<std::size_t>(i)] == (i < n ? 1 : 0));
    }
    CHECK(!threads.get_in_parallel());
    // A layer of work for each thread, as a primitive makes it.
    std::vector<float> values(200000);
    const auto layer = [&](int i, int n) {
        const std::size_t part = values.size() / static_cast<std::size_t>(n), begin = part * static_cast<std::size_t>(i);
        for (std::size_t j = begin; j < begin + part; j++) values[j] = std::sqrt(static_cast<float>(j));
    };
    const auto on_pool = [&] { threads.parallel_for(2, layer); };
    const auto on_own = [&] {
        std::thread other(layer, 1, 2);
        layer(0, 2);
        other.join();
    };
    print_ratio("oneDNN's interface, a layer on two threads", on_pool, on_own);
    return report();
}
