/**
 * @file config.hpp
 * @brief The settings of a pool, set by name. Part of vgpu_pool.hpp.
 */
#ifndef VGPU_POOL_CONFIG_HPP
#define VGPU_POOL_CONFIG_HPP

#include <algorithm>
#include <memory_resource>
#include <string>
#include <utility>
#include <vector>

#include "worker.hpp"

namespace vgpu {

/** Whether workers are pinned to CPUs of their own: where it is possible, always or never. */
enum class pinning : std::uint32_t { preferred = 0, required = VGPU_POOL_REQUIRE_PINNING, off = VGPU_POOL_NO_PINNING };

/** What submitting does when the inbox is full: see VGPU_INBOX_FULL_ERROR and its neighbours. */
enum class inbox_full : std::uint32_t { error = VGPU_INBOX_FULL_ERROR, block = VGPU_INBOX_FULL_BLOCK, run = VGPU_INBOX_FULL_RUN };

/** What a worker does while it waits: see VGPU_WAIT_HELP_ANY and its neighbours. */
enum class wait_policy : std::uint32_t { help_any = VGPU_WAIT_HELP_ANY, help_own = VGPU_WAIT_HELP_OWN, block = VGPU_WAIT_BLOCK };

/**
 * The settings of a pool, each with a default:
 *
 *     vgpu::pool pool(vgpu::config().workers(4).pin(vgpu::pinning::off).name("physics"));
 *
 * What is out of range is refused when the pool is made.
 */
class config {
  public:
    config() noexcept { vgpu_pool_config_init(&settings_); }

    /** How many workers, at most 4096; 0: as many as the process may use. */
    config &workers(std::uint32_t count) noexcept { return set(settings_.num_workers, count); }
    /** Whether workers are pinned. The default: preferred. */
    config &pin(pinning choice) noexcept {
        settings_.flags &= ~static_cast<std::uint32_t>(VGPU_POOL_NO_PINNING | VGPU_POOL_REQUIRE_PINNING);
        settings_.flags |= static_cast<std::uint32_t>(choice);
        return *this;
    }
    /** Whether workers may be chosen to handle signals sent to the process. The default: no. */
    config &keep_signals(bool choice = true) noexcept {
        settings_.flags &= ~static_cast<std::uint32_t>(VGPU_POOL_KEEP_SIGNALS);
        settings_.flags |= choice ? static_cast<std::uint32_t>(VGPU_POOL_KEEP_SIGNALS) : 0u;
        return *this;
    }
    /** Whether workers with too much to do shed some of it while others are idle: see VGPU_POOL_SHEDDING. The default: no. */
    config &shedding(bool choice = true) noexcept {
        settings_.flags &= ~static_cast<std::uint32_t>(VGPU_POOL_SHEDDING);
        settings_.flags |= choice ? static_cast<std::uint32_t>(VGPU_POOL_SHEDDING) : 0u;
        return *this;
    }
    /** How many tasks the inbox holds for each worker, 0: 4096; and what submitting does when it is full. */
    config &inbox(std::uint32_t capacity, inbox_full when_full = inbox_full::error) noexcept {
        settings_.inbox_full = static_cast<std::uint32_t>(when_full);
        return set(settings_.inbox_capacity, capacity);
    }
    /** Up to how many tasks for each worker the inbox grows when it is full; and how: see VGPU_GROWTH_HORIZONTAL. The default: it does not. */
    config &inbox_growth(std::uint32_t limit, std::uint32_t growth = VGPU_GROWTH_VERTICAL) noexcept {
        settings_.inbox_growth = growth;
        return set(settings_.inbox_limit, limit);
    }
    /** How many workers are kept for urgent tasks, and after how long they are lent, in nanoseconds, 0: 1 ms. See reserved_workers. */
    config &reserved_workers(std::uint32_t count, std::uint64_t lend_after_ns = 0) noexcept {
        settings_.lend_after_ns = lend_after_ns;
        return set(settings_.reserved_workers, count);
    }
    /** What workers do while they wait; and with help_any how deep, 0: 128. */
    config &wait(wait_policy policy, std::uint32_t help_depth = 0) noexcept {
        settings_.wait_policy = static_cast<std::uint32_t>(policy);
        return set(settings_.help_depth, help_depth);
    }
    /** Stack of each worker in bytes; 0: 2 MiB. */
    config &stack_size(std::size_t bytes) noexcept { return set(settings_.stack_size, bytes); }
    /** Threads are named with this and their number; at most 8 bytes. */
    config &name(std::string prefix) {
        name_ = std::move(prefix);
        named_ = true;
        return *this;
    }
    /**
     * Functions called on each worker's thread before its first task and after its last; either may be NULL. They must not
     * throw, and user_data must outlive the pool.
     */
    config &hooks(vgpu_worker_hook_fn start, vgpu_worker_hook_fn stop, void *user_data) noexcept {
        settings_.on_worker_start = start;
        settings_.on_worker_stop = stop;
        return set(settings_.worker_user_data, user_data);
    }
    /**
     * Functions called on each worker's thread around whatever it runs, and around its sleep; any may be NULL. They get the
     * user_data of hooks(), and must not throw.
     */
    config &watch(vgpu_worker_hook_fn work_begin, vgpu_worker_hook_fn work_end, vgpu_worker_hook_fn park, vgpu_worker_hook_fn unpark) noexcept {
        settings_.on_work_begin = work_begin;
        settings_.on_work_end = work_end;
        settings_.on_park = park;
        return set(settings_.on_unpark, unpark);
    }
    /**
     * The NUMA nodes whose CPUs the pool's threads run on, by the system's numbers: see vgpu_pool_config::nodes. An empty list stands for
     * all nodes.
     */
    config &nodes(std::vector<std::uint32_t> numbers) {
        nodes_ = std::move(numbers);
        return *this;
    }
    /**
     * The CPUs that the pool's threads run on, by number: see vgpu_pool_config::cpus. An empty list stands for all that the process may
     * use.
     */
    config &cpus(const std::vector<std::uint32_t> &numbers) {
        cpus_.clear();
        for (const std::uint32_t number : numbers) {
            cpus_.resize((std::max)(cpus_.size(), std::size_t{number} / 64 + 1));
            cpus_[number / 64] |= std::uint64_t{1} << number % 64;
        }
        return *this;
    }
    /** What is left to a node's own workers until a thief finds nothing else: see vgpu_pool_config::min_remote_length. */
    config &min_remote_length(std::uint32_t length) noexcept { return set(settings_.min_remote_length, length); }
    /** How many threads of the program may lend themselves as workers at a time: see vgpu::lease. */
    config &host_seats(std::uint32_t count) noexcept { return set(settings_.host_seats, count); }
    /**
     * A pool without threads, on the thread that makes it: see VGPU_POOL_ON_CALLER and pool_ref::pump(). wake, which may be NULL, is
     * called from any thread when there is something to pump; it must neither throw nor pump, and user_data must outlive the pool.
     */
    config &on_caller(vgpu_wake_fn wake = nullptr, void *user_data = nullptr) noexcept {
        settings_.flags |= static_cast<std::uint32_t>(VGPU_POOL_ON_CALLER);
        settings_.on_wake = wake;
        return set(settings_.wake_user_data, user_data);
    }
    /** The same for tests, with an order of tasks and forks that is drawn from a seed: see VGPU_POOL_REPLAY. */
    config &replay(std::uint64_t seed) noexcept {
        settings_.flags |= static_cast<std::uint32_t>(VGPU_POOL_ON_CALLER | VGPU_POOL_REPLAY);
        return set(settings_.replay_seed, seed);
    }
    /**
     * A function that is told what the pool does otherwise than asked, as bad as level or worse: one of VGPU_LOG_. It is called from
     * any thread, must not throw, and user_data must outlive the pool.
     */
    config &log(vgpu_log_fn function, void *user_data = nullptr, std::uint32_t level = VGPU_LOG_WARNING) noexcept {
        settings_.on_log = function;
        settings_.log_level = level;
        return set(settings_.log_user_data, user_data);
    }
    /** Where the pool's memory comes from, and where it goes back to; both are called from any thread. */
    config &allocator(vgpu_allocate_fn allocate, vgpu_free_fn free, void *context) noexcept {
        settings_.allocate = allocate;
        settings_.free = free;
        return set(settings_.allocator_context, context);
    }
    /** Where memory comes from that belongs to a worker whose NUMA node is known, with the node's number; it goes back to allocator(). */
    config &node_allocator(vgpu_allocate_on_node_fn allocate) noexcept { return set(settings_.allocate_on_node, allocate); }
    /** All memory from a memory resource, which must outlive the pool and be safe to use from several threads at a time. */
    config &memory(std::pmr::memory_resource &resource) noexcept { return allocator(&allocate_from, &free_to, &resource); }

    /** The settings as C has them. Valid as long as this object, and until it is changed. */
    vgpu_pool_config get() const noexcept {
        vgpu_pool_config result = settings_;
        result.name_prefix = named_ ? name_.c_str() : nullptr;
        result.nodes = nodes_.empty() ? nullptr : nodes_.data();
        result.num_nodes = static_cast<std::uint32_t>(nodes_.size());
        result.cpus = cpus_.empty() ? nullptr : cpus_.data();
        result.num_cpu_words = static_cast<std::uint32_t>(cpus_.size());
        return result;
    }

  private:
    template <typename T> config &set(T &place, T value) noexcept {
        place = value;
        return *this;
    }

    static void *allocate_from(void *resource, std::size_t size, std::size_t align) noexcept {
#if VGPU_HAS_EXCEPTIONS
        try {
            return static_cast<std::pmr::memory_resource *>(resource)->allocate(size, align);
        } catch (...) {
            return nullptr;
        }
#else
        return static_cast<std::pmr::memory_resource *>(resource)->allocate(size, align);
#endif
    }
    static void free_to(void *resource, void *memory, std::size_t size, std::size_t align) noexcept {
        static_cast<std::pmr::memory_resource *>(resource)->deallocate(memory, size, align);
    }

    vgpu_pool_config settings_{};
    std::string name_;
    std::vector<std::uint32_t> nodes_;
    std::vector<std::uint64_t> cpus_;
    bool named_ = false;
};

} // namespace vgpu

#endif
