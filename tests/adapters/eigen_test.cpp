// Eigen tensors on a pool: the same contraction as on Eigen's own threads.
#include <vgpu_pool/adapters/eigen.hpp>

#include <unsupported/Eigen/CXX11/Tensor>

#include "../cpp/check.hpp"
#include "ratio.hpp"

int main() {
    const Eigen::Index side = 200;
    Eigen::Tensor<float, 2> a(side, side), b(side, side), ours(side, side), theirs(side, side);
    a.setRandom();
    b.setRandom();
    const Eigen::array<Eigen::IndexPair<int>, 1> inner = {Eigen::IndexPair<int>(1, 0)};
    for (const std::uint32_t count : {1u, 2u, 4u}) {
        vgpu::pool pool(workers(count));
        vgpu::eigen_pool threads(pool);
        Eigen::ThreadPool own(static_cast<int>(count));
        CHECK(threads.NumThreads() == static_cast<int>(count) && threads.CurrentThreadId() == -1);
        CHECK(pool.run([&](vgpu::worker w) { return threads.CurrentThreadId() == static_cast<int>(w.index()); }));
        Eigen::ThreadPoolDevice device(&threads, threads.NumThreads()), own_device(&own, static_cast<int>(count));
        const auto on_pool = [&] { ours.device(device) = a.contract(b, inner); };
        const auto on_own = [&] { theirs.device(own_device) = a.contract(b, inner); };
        on_pool();
        on_own();
        CHECK(std::memcmp(ours.data(), theirs.data(), static_cast<std::size_t>(ours.size()) * sizeof(float)) == 0);
        Eigen::Tensor<float, 2> sums(side, side), plain = a * a + b;
        sums.device(device) = a * a + b;
        CHECK(std::memcmp(sums.data(), plain.data(), static_cast<std::size_t>(sums.size()) * sizeof(float)) == 0);
        if (count == 2) {
            print_ratio("Eigen, a contraction of 200 x 200 by 200 x 200", on_pool, on_own);
        }
    }
    return report();
}
