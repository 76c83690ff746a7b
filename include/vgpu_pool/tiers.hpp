/**
 * @file tiers.hpp
 * @brief Memory from the fastest tier that has room: a node, other nodes, files on disk. Part of vgpu_pool.hpp.
 */
#ifndef VGPU_POOL_TIERS_HPP
#define VGPU_POOL_TIERS_HPP

#include <cstddef>
#include <cstdint>
#include <utility>

#include "error.hpp"

namespace vgpu {

/** Where a block of tiered memory lies, fastest first. */
enum class tier : std::uint32_t {
    fast = VGPU_TIER_FAST,
    other_node = VGPU_TIER_OTHER_NODE,
    disk = VGPU_TIER_DISK,
};

/** A zeroed block of tiered memory. Moved, not copied. Ends with its object, which must not outlive the tiers it came from. */
class tier_memory {
  public:
    tier_memory(tier_memory &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    tier_memory &operator=(tier_memory &&other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~tier_memory() { vgpu_tier_memory_release(handle_); }

    /** The first byte, at a multiple of 2 MiB; nullptr after a move. */
    void *data() const noexcept { return vgpu_tier_memory_data(handle_); }
    /** How many bytes were asked for. */
    std::size_t size() const noexcept { return size_; }
    /** In which tier it landed. */
    vgpu::tier tier() const noexcept { return static_cast<vgpu::tier>(vgpu_tier_memory_tier(handle_)); }
    /** The number of the node it is on; UINT32_MAX on disk. */
    std::uint32_t node() const noexcept { return vgpu_tier_memory_node(handle_); }

  private:
    friend class tiers;
    tier_memory(vgpu_tier_memory *handle, std::size_t size) noexcept : handle_(handle), size_(size) {}

    vgpu_tier_memory *handle_;
    std::size_t size_;
};

/**
 * Where tiered memory comes from. Neither copied nor moved. Ends with its object; all its blocks must have ended before.
 */
class tiers {
  public:
    /** Bytes that each tier gives at most; 0: none, UINT64_MAX: as much as there is. */
    struct limits {
        std::uint64_t fast = UINT64_MAX;
        std::uint64_t other_nodes = UINT64_MAX;
        std::uint64_t disk = 0;
    };

    /** The fast node, what each tier gives, and the folder for files. @throws error as vgpu_tiers_create() fails */
    tiers(std::uint32_t node, const limits &most, const char *folder = nullptr) {
        detail::check(vgpu_tiers_create(node, most.fast, most.other_nodes, most.disk, folder, &handle_));
    }
    tiers(const tiers &) = delete;
    tiers &operator=(const tiers &) = delete;
    ~tiers() { static_cast<void>(vgpu_tiers_destroy(handle_)); }

    /** A block in the fastest tier that has room for all of it. Any thread. @throws error as vgpu_tiers_alloc() fails */
    tier_memory allocate(std::size_t bytes) {
        vgpu_tier_memory *memory = nullptr;
        detail::check(vgpu_tiers_alloc(handle_, bytes, &memory));
        return tier_memory(memory, bytes);
    }

    /** How many bytes of a tier are out. @throws error as vgpu_tiers_used() fails */
    std::uint64_t used(tier which) const {
        std::uint64_t bytes = 0;
        detail::check(vgpu_tiers_used(handle_, static_cast<std::uint32_t>(which), &bytes));
        return bytes;
    }

    /** For functions of vgpu_pool.h. */
    vgpu_tiers *handle() const noexcept { return handle_; }

  private:
    vgpu_tiers *handle_ = nullptr;
};

} // namespace vgpu

#endif
