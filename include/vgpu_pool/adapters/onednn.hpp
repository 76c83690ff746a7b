/**
 * @file onednn.hpp
 * @brief oneDNN's thread pool interface, on a pool of ours, for builds of oneDNN with DNNL_CPU_RUNTIME=THREADPOOL.
 *
 *     vgpu::onednn_pool threads(pool);
 *     dnnl::stream stream = dnnl::threadpool_interop::make_stream(engine, &threads);
 *
 * Debian's oneDNN is built for OpenMP and cannot take it: `make test` runs it against the interface alone, that of version 2.6.
 * `make test-adapter-hosts` builds version 3.14 for a thread pool, from the sources that the crate onednn-src 0.1.22 carries, and runs it there.
 */
#ifndef VGPU_POOL_ADAPTERS_ONEDNN_HPP
#define VGPU_POOL_ADAPTERS_ONEDNN_HPP

#include <cstdint>
#include <functional>

#include <oneapi/dnnl/dnnl_threadpool_iface.hpp>

#include "../../vgpu_pool.hpp"

namespace vgpu {

/** The pool must outlive it. */
class onednn_pool final : public dnnl::threadpool_interop::threadpool_iface {
  public:
    explicit onednn_pool(pool_ref pool) noexcept : pool_(pool) {}
    int get_num_threads() const override { return static_cast<int>(pool_.num_workers()); }
    bool get_in_parallel() const override { return pool_.current_worker().handle() != nullptr; }
    /** Returns when all calls have. */
    void parallel_for(int n, const std::function<void(int, int)> &function) override {
        pool_.parallel_for(
            n > 0 ? static_cast<std::size_t>(n) : 0, [&function, n](std::size_t i) { function(static_cast<int>(i), n); }, 1);
    }
    std::uint64_t get_flags() const override { return 0; }
    /** Of newer versions, for asynchronous pools. */
    void wait() {}

  private:
    pool_ref pool_;
};

} // namespace vgpu

#endif
