/**
 * @file box2d.hpp
 * @brief Box2D's tasks, on a pool of ours. For version 3, which takes a loop with each task or, later, the task alone.
 *
 *     vgpu::box2d_tasks tasks(pool);
 *     b2WorldDef def = b2DefaultWorldDef();
 *     tasks.connect(def);
 *
 * Debian has version 2, which knows no tasks. `make test-adapter-hosts` runs it in the Box2D 3 that the crate boxdd-sys 0.6.0 carries, where
 * tasks come alone; `make test` against stand-ins for both interfaces.
 */
#ifndef VGPU_POOL_ADAPTERS_BOX2D_HPP
#define VGPU_POOL_ADAPTERS_BOX2D_HPP

#include <box2d/box2d.h>

#include "../../vgpu_pool.hpp"

namespace vgpu {

/** The pool must outlive it, and it the worlds. */
class box2d_tasks {
  public:
    explicit box2d_tasks(pool_ref pool) noexcept : pool_(pool) {}

    /** Box2D counts the stepping thread as a worker, and so do we: it runs what the pool refuses. */
    template <typename WorldDef> void connect(WorldDef &def) noexcept {
        def.workerCount = static_cast<int>(pool_.num_workers()) + 1;
        def.enqueueTask = &box2d_tasks::enqueue;
        def.finishTask = &box2d_tasks::finish;
        def.userTaskContext = this;
    }

  private:
    /* The task of a loop over items. */
    static void *enqueue(b2TaskCallback *task, int items, int least, void *context, void *self) {
        return start(task, items, least, context, *static_cast<box2d_tasks *>(self));
    }
    /* The task alone. */
    static void *enqueue(b2TaskCallback *task, void *context, void *self) { return start(task, 1, 1, context, *static_cast<box2d_tasks *>(self)); }

    template <typename Task> static void *start(Task *task, int items, int least, void *context, box2d_tasks &self) {
        const pool_ref pool = self.pool_;
        const auto all = [pool, task, items, least, context] {
            const auto some = [task, context](worker w, std::size_t begin, std::size_t end) { call(task, begin, end, w.index(), context); };
            if (items == 1) {
                return some(pool.current_worker(), 0, 1);
            }
            pool.parallel_for(static_cast<std::size_t>(items), some, static_cast<std::size_t>(least > 1 ? least : 1));
        };
        future<void> done = pool.try_submit(all);
        if (done.valid()) {
            return new future<void>(std::move(done));
        }
        call(task, 0, static_cast<std::size_t>(items), pool.num_workers(), context);
        return nullptr;
    }
    template <typename Task> static void call(Task *task, std::size_t begin, std::size_t end, std::uint32_t index, void *context) {
        if constexpr (std::is_invocable_v<Task *, int, int, std::uint32_t, void *>) {
            task(static_cast<int>(begin), static_cast<int>(end), index, context);
        } else {
            task(context);
        }
    }
    static void finish(void *task, void *) {
        future<void> *const done = static_cast<future<void> *>(task);
        done->get();
        delete done;
    }

    pool_ref pool_;
};

} // namespace vgpu

#endif
