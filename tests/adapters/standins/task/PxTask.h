// What physx.hpp uses of PhysX, as its documentation says it.
#pragma once
namespace physx {
class PxBaseTask {
  public:
    virtual ~PxBaseTask() {}
    virtual void run() = 0;
    virtual void release() = 0;
};
} // namespace physx
