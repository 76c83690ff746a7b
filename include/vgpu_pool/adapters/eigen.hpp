/**
 * @file eigen.hpp
 * @brief Eigen's thread pool, on a pool of ours: for Eigen::ThreadPoolDevice, and so for tensors.
 *
 *     vgpu::pool pool;
 *     vgpu::eigen_pool threads(pool);
 *     Eigen::ThreadPoolDevice device(&threads, threads.NumThreads());
 *     c.device(device) = a.contract(b, dims);
 *
 * Eigen waits with condition variables of its own: an expression evaluated inside a task blocks its worker.
 * Tested with Eigen 3.4.
 */
#ifndef VGPU_POOL_ADAPTERS_EIGEN_HPP
#define VGPU_POOL_ADAPTERS_EIGEN_HPP

#ifndef EIGEN_USE_THREADS
#define EIGEN_USE_THREADS
#endif
#include <unsupported/Eigen/CXX11/ThreadPool>

#include "../../vgpu_pool.hpp"

namespace vgpu {

/** The pool must outlive it, and everything that was scheduled must be done before it goes. */
class eigen_pool final : public Eigen::ThreadPoolInterface {
  public:
    explicit eigen_pool(pool_ref pool) noexcept : pool_(pool) {}
    /** What the pool refuses is run at once. */
    void Schedule(std::function<void()> function) override {
        if (!pool_.try_post(function)) {
            function();
        }
    }
    int NumThreads() const override { return static_cast<int>(pool_.num_workers()); }
    int CurrentThreadId() const override {
        const worker w = pool_.current_worker();
        return w.handle() == nullptr ? -1 : static_cast<int>(w.index());
    }

  private:
    pool_ref pool_;
};

} // namespace vgpu

#endif
