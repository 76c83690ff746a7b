/**
 * @file group.hpp
 * @brief Tasks that are waited for together. Part of vgpu_pool.hpp.
 */
#ifndef VGPU_POOL_GROUP_HPP
#define VGPU_POOL_GROUP_HPP

#include "parallel.hpp"

namespace vgpu {

/**
 * Tasks of one pool that are waited for together. Neither copied nor moved. Ends with its object, which waits for them; must not
 * outlive the pool.
 */
class group {
  public:
    /** An empty group. @throws error as vgpu_group_create() fails */
    explicit group(pool_ref pool) { detail::check(vgpu_group_create(pool.handle(), &handle_)); }
    group(const group &) = delete;
    group &operator=(const group &) = delete;
    /** Waits for the tasks. An exception that no wait() has fetched is dropped. */
    ~group() { static_cast<void>(vgpu_group_destroy(handle_)); }

    /**
     * Submits f, which is moved or copied, as a task of the group. Any thread, tasks of the group included.
     * @throws error as vgpu_group_submit() fails; std::bad_alloc
     */
    template <typename F> void submit(F &&f) {
        using task = member<std::decay_t<F>>;
        task *const data = new task{this, std::forward<F>(f)};
        const vgpu_status status = vgpu_group_submit(handle_, &task::run, data, &task::end);
        if (status != VGPU_OK) {
            delete data;
            detail::check(status);
        }
    }

    /**
     * Waits until all tasks are done; the first exception of a task is thrown here. The group can be used again afterwards. One
     * thread at a time. Blocks; inside a task it helps.
     */
    void wait() { exception_.finish(vgpu_group_wait(handle_, nullptr)); }

    /** For functions of vgpu_pool.h. */
    vgpu_group *handle() const noexcept { return handle_; }

  private:
    template <typename F> struct member {
        group *owner;
        F callable;

        static std::int32_t run(vgpu_worker *w, void *data) noexcept {
            member *const self = static_cast<member *>(data);
            return self->owner->exception_.watch([self, w] { detail::call(self->callable, worker(w)); });
        }
        static void end(void *data) noexcept { delete static_cast<member *>(data); }
    };

    vgpu_group *handle_ = nullptr;
    detail::first_exception exception_;
};

} // namespace vgpu

#endif
