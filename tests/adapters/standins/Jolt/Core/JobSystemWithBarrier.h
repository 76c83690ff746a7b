// What jolt.hpp uses of Jolt, as its documentation says it: jobs that count their dependencies and their references.
#pragma once
#include <atomic>
#include <functional>
namespace JPH {
class JobSystem {
  public:
    using JobFunction = std::function<void()>;
    class Job {
      public:
        Job(const char *, ColorArg, JobSystem *system, const JobFunction &function, uint32 dependencies)
            : system_(system), function_(function), dependencies_(dependencies) {}
        void AddRef() { references_++; }
        void Release() {
            if (--references_ == 0) system_->FreeJob(this);
        }
        void RemoveDependency() {
            if (--dependencies_ == 0) system_->QueueJob(this);
        }
        void Execute() {
            function_();
            done_ = true;
        }
        bool IsDone() const { return done_; }

      private:
        JobSystem *system_;
        JobFunction function_;
        std::atomic<uint32> dependencies_, references_{0};
        std::atomic<bool> done_{false};
    };
    class JobHandle {
      public:
        explicit JobHandle(Job *job) : job_(job) { job_->AddRef(); }
        JobHandle(const JobHandle &other) : JobHandle(other.job_) {}
        JobHandle &operator=(const JobHandle &) = delete;
        ~JobHandle() { job_->Release(); }
        bool IsDone() const { return job_->IsDone(); }
        void RemoveDependency() const { job_->RemoveDependency(); }

      private:
        Job *job_;
    };
    virtual ~JobSystem() {}
    virtual int GetMaxConcurrency() const = 0;
    virtual JobHandle CreateJob(const char *name, ColorArg color, const JobFunction &function, uint32 dependencies = 0) = 0;

  protected:
    virtual void QueueJob(Job *job) = 0;
    virtual void QueueJobs(Job **jobs, uint count) = 0;
    virtual void FreeJob(Job *job) = 0;
};
class JobSystemWithBarrier : public JobSystem {
  public:
    explicit JobSystemWithBarrier(uint) {}
};
} // namespace JPH
