// PhysX's task manager on a pool: each of its tasks runs once, after those before it.
#include <vgpu_pool/adapters/physx.hpp>

#include <foundation/PxAllocatorCallback.h>
#include <foundation/PxFoundation.h>
#include <foundation/PxPhysicsVersion.h>

#include "../../cpp/check.hpp"

#include <cstdlib>
#include <vector>

namespace {

struct heap final : physx::PxAllocatorCallback {
    void *allocate(size_t size, const char *, const char *, int) override { return std::aligned_alloc(16, (size + 15) / 16 * 16); }
    void deallocate(void *memory) override { std::free(memory); }
};

struct errors final : physx::PxErrorCallback {
    void reportError(physx::PxErrorCode::Enum, const char *message, const char *, int) override { check(false, message, __FILE__, __LINE__); }
};

struct counted final : physx::PxLightCpuTask {
    std::atomic<int> *before = nullptr;
    int expected = 0;
    std::atomic<int> runs{0};
    void run() override {
        CHECK(*before >= expected);
        runs++;
        ++*before;
    }
    const char *getName() const override { return "counted"; }
};

struct named final : physx::PxTask {
    std::atomic<int> *before = nullptr;
    int at_least = 0, runs = 0;
    void run() override {
        CHECK(*before >= at_least);
        runs++;
        ++*before;
    }
    const char *getName() const override { return "named"; }
};

// Many tasks that one continues.
void continuations(physx::PxTaskManager &manager, vgpu::pool_ref pool) {
    for (int round = 0; round < 50; round++) {
        std::atomic<int> ran{0};
        std::vector<counted> tasks(101);
        for (counted &task : tasks) task.before = &ran;
        counted &last = tasks.back();
        last.expected = 100;
        last.setContinuation(manager, nullptr);
        for (int i = 0; i < 100; i++) tasks[static_cast<std::size_t>(i)].setContinuation(&last);
        for (counted &task : tasks) task.removeReference();
        pool.wait_all();
        for (counted &task : tasks) CHECK(task.runs == 1);
    }
}

// A diamond, as the manager starts it.
void diamond(physx::PxTaskManager &manager, vgpu::pool_ref pool) {
    for (int round = 0; round < 50; round++) {
        std::atomic<int> ran{0};
        named tasks[4];
        manager.resetDependencies();
        for (int i = 0; i < 4; i++) {
            tasks[i].before = &ran;
            tasks[i].at_least = i == 0 ? 0 : i == 3 ? 3 : 1;
            manager.submitUnnamedTask(tasks[i]);
        }
        for (int i = 1; i <= 2; i++) {
            tasks[i].startAfter(tasks[0].getTaskID());
            tasks[i].finishBefore(tasks[3].getTaskID());
        }
        manager.startSimulation();
        pool.wait_all();
        for (const named &task : tasks) CHECK(task.runs == 1);
    }
}

} // namespace

int main() {
    heap memory;
    errors said;
    physx::PxFoundation *const foundation = PxCreateFoundation(PX_PHYSICS_VERSION, memory, said);
    CHECK(foundation != nullptr);
    for (const std::uint32_t count : {1u, 2u, 4u}) {
        vgpu::pool pool(workers(count));
        vgpu::physx_dispatcher dispatcher(pool);
        CHECK(dispatcher.getWorkerCount() == count);
        physx::PxTaskManager *const manager = physx::PxTaskManager::createTaskManager(said, &dispatcher);
        continuations(*manager, pool);
        diamond(*manager, pool);
        manager->release();
    }
    foundation->release();
    return report();
}
