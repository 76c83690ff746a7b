/**
 * @file physx.hpp
 * @brief PhysX's dispatcher, on a pool of ours.
 *
 *     vgpu::physx_dispatcher dispatcher(pool);
 *     sceneDesc.cpuDispatcher = &dispatcher;
 *
 * Written for PhysX 4 and 5: `make test-adapter-hosts` runs it under the task manager of the PhysX 5 that the crate physx-sys 0.11.5
 * carries, without a scene; `make test` against a stand-in.
 */
#ifndef VGPU_POOL_ADAPTERS_PHYSX_HPP
#define VGPU_POOL_ADAPTERS_PHYSX_HPP

#include <task/PxCpuDispatcher.h>
#include <task/PxTask.h>

#include "../../vgpu_pool.hpp"

namespace vgpu {

/** The pool must outlive it, and the scenes that use it. */
class physx_dispatcher final : public physx::PxCpuDispatcher {
  public:
    explicit physx_dispatcher(pool_ref pool) noexcept : pool_(pool) {}
    /** What the pool refuses is run at once. */
    void submitTask(physx::PxBaseTask &task) override {
        const auto run = [&task] {
            task.run();
            task.release();
        };
        if (!pool_.try_post(run)) {
            run();
        }
    }
    std::uint32_t getWorkerCount() const override { return pool_.num_workers(); }

  private:
    pool_ref pool_;
};

} // namespace vgpu

#endif
