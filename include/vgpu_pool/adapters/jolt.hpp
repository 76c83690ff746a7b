/**
 * @file jolt.hpp
 * @brief Jolt's job system, on a pool of ours.
 *
 *     vgpu::jolt_jobs jobs(pool, JPH::cMaxPhysicsBarriers);
 *     physics.Update(step, 1, &temp_allocator, &jobs);
 *
 * For Jolt 5: `make test-adapter-hosts` runs it in the one that the crate joltc-sys 0.3.1 carries; `make test` against a stand-in.
 */
#ifndef VGPU_POOL_ADAPTERS_JOLT_HPP
#define VGPU_POOL_ADAPTERS_JOLT_HPP

#include <Jolt/Jolt.h>

#include <Jolt/Core/JobSystemWithBarrier.h>

#include "../../vgpu_pool.hpp"

namespace vgpu {

/** The pool must outlive it. Barriers are Jolt's own. */
class jolt_jobs final : public JPH::JobSystemWithBarrier {
  public:
    jolt_jobs(pool_ref pool, JPH::uint max_barriers) : JPH::JobSystemWithBarrier(max_barriers), pool_(pool) {}

    /** The workers, and the thread that waits at a barrier. */
    int GetMaxConcurrency() const override { return static_cast<int>(pool_.num_workers()) + 1; }
    JobHandle CreateJob(const char *name, JPH::ColorArg color, const JobFunction &function, JPH::uint32 dependencies = 0) override {
        Job *const job = new Job(name, color, this, function, dependencies);
        // Once queued it may be done at any time: the handle keeps it.
        JobHandle handle(job);
        if (dependencies == 0) {
            QueueJob(job);
        }
        return handle;
    }

  protected:
    /** What the pool refuses is run at once. */
    void QueueJob(Job *job) override {
        job->AddRef();
        const auto run = [job] {
            job->Execute();
            job->Release();
        };
        if (!pool_.try_post(run)) {
            run();
        }
    }
    void QueueJobs(Job **jobs, JPH::uint count) override {
        for (JPH::uint i = 0; i < count; i++) {
            QueueJob(jobs[i]);
        }
    }
    void FreeJob(Job *job) override { delete job; }

  private:
    pool_ref pool_;
};

} // namespace vgpu

#endif
