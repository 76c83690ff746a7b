// What physx.hpp uses of PhysX, as its documentation says it.
#pragma once
#include <cstdint>
namespace physx {
class PxBaseTask;
class PxCpuDispatcher {
  public:
    virtual void submitTask(PxBaseTask &task) = 0;
    virtual std::uint32_t getWorkerCount() const = 0;
    virtual ~PxCpuDispatcher() {}
};
} // namespace physx
