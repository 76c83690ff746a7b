// The adapters whose hosts no registry has, against stand-ins: they compile, and each task is run once and let go of once.
#include <vgpu_pool/adapters/box2d.hpp>
#include <vgpu_pool/adapters/jolt.hpp>
#include <vgpu_pool/adapters/physx.hpp>
#include <vgpu_pool/adapters/pthreadpool.h>
#include <vgpu_pool/adapters/stdexec.hpp>

#include "../cpp/check.hpp"

#include <thread>
#include <vector>

namespace {

struct px_task final : physx::PxBaseTask {
    std::atomic<int> runs{0}, releases{0};
    void run() override { runs++; }
    void release() override {
        CHECK(runs == releases + 1);
        releases++;
    }
};

void physx_tasks(vgpu::pool_ref pool) {
    vgpu::physx_dispatcher dispatcher(pool);
    CHECK(dispatcher.getWorkerCount() == 2);
    std::vector<px_task> tasks(100);
    for (px_task &task : tasks) dispatcher.submitTask(task);
    pool.wait_all();
    for (px_task &task : tasks) CHECK(task.runs == 1 && task.releases == 1);
}

struct box_items {
    std::atomic<int> seen[1000] = {};
    int workers = 0;
};

#ifdef BOX2D_TASKS_ALONE
void box_task(void *context) {
    for (auto &count : static_cast<box_items *>(context)->seen) count++;
}
#else
void box_task(int begin, int end, std::uint32_t worker, void *context) {
    box_items &items = *static_cast<box_items *>(context);
    CHECK(begin < end && static_cast<int>(worker) < items.workers);
    for (; begin < end; begin++) items.seen[begin]++;
}
#endif

void box2d_loops(vgpu::pool_ref pool) {
    vgpu::box2d_tasks tasks(pool);
    b2WorldDef def;
    tasks.connect(def);
    CHECK(def.workerCount == 3);
    for (int round = 1; round <= 50; round++) {
        static box_items items;
        items.workers = def.workerCount;
#ifdef BOX2D_TASKS_ALONE
        void *const task = def.enqueueTask(box_task, &items, def.userTaskContext);
#else
        void *const task = def.enqueueTask(box_task, 1000, 16, &items, def.userTaskContext);
#endif
        if (task != nullptr) def.finishTask(task, def.userTaskContext);
        for (const auto &count : items.seen) CHECK(count == round);
    }
}

void jolt_dependencies(vgpu::pool_ref pool) {
    vgpu::jolt_jobs jobs(pool, 8);
    CHECK(jobs.GetMaxConcurrency() == 3);
    std::atomic<int> ran{0};
    for (int round = 0; round < 50; round++) {
        ran = 0;
        auto last = jobs.CreateJob("last", JPH::Color(), [&] { CHECK(ran++ == 10); }, 10);
        for (int i = 0; i < 10; i++) {
            jobs.CreateJob("first", JPH::Color(), [&, last] {
                ran++;
                last.RemoveDependency();
            });
        }
        while (!last.IsDone()) std::this_thread::yield();
        CHECK(ran == 11);
    }
    pool.wait_all();
}

void pthreadpool_threads(vgpu::pool_ref pool) {
    pthreadpool_executor *const executor = vgpu_pthreadpool_executor();
    CHECK(executor->num_threads(pool.handle()) == 2);
    std::atomic<int> ran{0};
    for (int i = 0; i < 100; i++) {
        executor->schedule(pool.handle(), &ran, [](void *count) { ++*static_cast<std::atomic<int> *>(count); });
    }
    pool.wait_all();
    CHECK(ran == 100);
    // Without a pool that takes it the caller does it.
    executor->schedule(nullptr, &ran, [](void *count) { ++*static_cast<std::atomic<int> *>(count); });
    CHECK(ran == 101);
}

struct receiver {
    std::atomic<int> *done;
    void set_value() && noexcept { *done = 1; }
    void set_error(std::exception_ptr error) && noexcept { *done = error ? 2 : 3; }
};

void stdexec_schedules(vgpu::pool_ref pool) {
    const vgpu::stdexec_scheduler scheduler(pool);
    CHECK(scheduler == vgpu::stdexec_scheduler(pool) && scheduler != vgpu::stdexec_scheduler(vgpu::pool_ref()));
    CHECK(scheduler.schedule().get_env().query({}) == scheduler);
    std::atomic<int> done{0};
    auto operation = scheduler.schedule().connect(receiver{&done});
    operation.start();
    while (done == 0) std::this_thread::yield();
    CHECK(done == 1);
    auto refused = vgpu::stdexec_scheduler(vgpu::pool_ref()).schedule().connect(receiver{&done});
    refused.start();
    CHECK(done == 2);
}

// A full inbox refuses: the adapters run the task at once.
void when_refused() {
    vgpu::pool pool(workers(2).inbox(2));
    std::atomic<int> here{0};
    std::atomic<bool> open{false};
    const auto block = [&] {
        here++;
        while (!open) std::this_thread::yield();
    };
    for (int i = 1; i <= 2; i++) {
        pool.post(block);
        while (here < i) std::this_thread::yield();
    }
    while (pool.try_post([] {})) {
    }
    vgpu::physx_dispatcher dispatcher(pool);
    px_task task;
    dispatcher.submitTask(task);
    CHECK(task.runs == 1 && task.releases == 1);
    vgpu::jolt_jobs jobs(pool, 8);
    CHECK(jobs.CreateJob("at once", JPH::Color(), [] {}).IsDone());
    open = true;
}

} // namespace

int main() {
    vgpu::pool pool(workers(2));
    physx_tasks(pool);
    box2d_loops(pool);
    jolt_dependencies(pool);
    pthreadpool_threads(pool);
    stdexec_schedules(pool);
    when_refused();
    return report();
}
