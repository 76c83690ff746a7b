// Tiered memory: where blocks land, and that they go back with their objects.
#include "check.hpp"

#include <utility>

namespace {

std::uint32_t any_node() {
    std::uint32_t node = 0;
    std::size_t count = 0;
    CHECK(vgpu_node_numbers(&node, 1, &count) == VGPU_OK);
    return node;
}

void blocks_land_and_go_back() {
    vgpu::tiers::limits most;
    most.fast = 1 << 20;
    most.other_nodes = 0;
    most.disk = 1 << 20;
    vgpu::tiers tiers(any_node(), most, "/tmp");
    {
        vgpu::tier_memory near = tiers.allocate(1 << 20);
        vgpu::tier_memory far = tiers.allocate(1000);
        CHECK(near.tier() == vgpu::tier::fast && near.size() == 1 << 20 && near.node() == any_node());
        CHECK(far.tier() == vgpu::tier::disk && far.size() == 1000 && far.node() == UINT32_MAX);
        std::memset(far.data(), 5, far.size());
        CHECK(status_of([&] { tiers.allocate(1 << 20); }) == VGPU_ERROR_OUT_OF_MEMORY);
        vgpu::tier_memory moved = std::move(far);
        CHECK(far.data() == nullptr && far.size() == 0 && static_cast<char *>(moved.data())[999] == 5);
        near = std::move(moved);
        CHECK(near.size() == 1000 && tiers.used(vgpu::tier::disk) > 0);
    }
    CHECK(tiers.used(vgpu::tier::fast) == 0 && tiers.used(vgpu::tier::disk) == 0);
}

void what_is_wrong_is_refused() {
    CHECK(status_of([] { vgpu::tiers(1023, {}); }) == VGPU_ERROR_INVALID_ARGUMENT);
    vgpu::tiers::limits disk;
    disk.disk = 1;
    CHECK(status_of([&] { vgpu::tiers(any_node(), disk); }) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(status_of([&] { vgpu::tiers(any_node(), disk, "/nowhere"); }) == VGPU_ERROR_IO);
    vgpu::tiers tiers(any_node(), {});
    CHECK(status_of([&] { tiers.allocate(0); }) == VGPU_ERROR_INVALID_ARGUMENT);
}

} // namespace

int main() {
    blocks_land_and_go_back();
    what_is_wrong_is_refused();
    return report();
}
