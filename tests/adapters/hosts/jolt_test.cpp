// Jolt on a pool: spheres roll down as they do on Jolt's own threads, to the bit.
#include <vgpu_pool/adapters/jolt.hpp>

#include <Jolt/Core/Factory.h>
#include <Jolt/Core/JobSystemThreadPool.h>
#include <Jolt/Core/TempAllocator.h>
#include <Jolt/Physics/Body/BodyCreationSettings.h>
#include <Jolt/Physics/Collision/Shape/BoxShape.h>
#include <Jolt/Physics/Collision/Shape/SphereShape.h>
#include <Jolt/Physics/PhysicsSystem.h>
#include <Jolt/RegisterTypes.h>

#include "../../cpp/check.hpp"
#include "../ratio.hpp"

#include <cmath>
#include <thread>
#include <vector>

namespace {

// The floor is on the first layer, what moves on the second; only floors do not meet.
struct layers final : JPH::BroadPhaseLayerInterface, JPH::ObjectLayerPairFilter, JPH::ObjectVsBroadPhaseLayerFilter {
    JPH::uint GetNumBroadPhaseLayers() const override { return 2; }
    JPH::BroadPhaseLayer GetBroadPhaseLayer(JPH::ObjectLayer layer) const override {
        return JPH::BroadPhaseLayer(static_cast<JPH::BroadPhaseLayer::Type>(layer));
    }
    bool ShouldCollide(JPH::ObjectLayer one, JPH::ObjectLayer other) const override { return one + other != 0; }
    bool ShouldCollide(JPH::ObjectLayer one, JPH::BroadPhaseLayer other) const override {
        return one + static_cast<JPH::BroadPhaseLayer::Type>(other) != 0;
    }
};

struct scene {
    layers layered;
    JPH::PhysicsSystem physics;
    JPH::TempAllocatorImpl scratch{32 * 1024 * 1024};
    std::vector<JPH::BodyID> spheres;

    scene() {
        physics.Init(4096, 0, 16384, 8192, layered, layered, layered);
        JPH::BodyInterface &bodies = physics.GetBodyInterface();
        const JPH::BodyCreationSettings floor(new JPH::BoxShape(JPH::Vec3(100, 1, 100)), JPH::RVec3(0, -1, 0), JPH::Quat::sIdentity(),
                                              JPH::EMotionType::Static, 0);
        bodies.CreateAndAddBody(floor, JPH::EActivation::DontActivate);
        for (int i = 0; i < 1000; i++) {
            const auto x = static_cast<float>(i % 10), y = static_cast<float>(i / 100), z = static_cast<float>(i / 10 % 10);
            const JPH::BodyCreationSettings sphere(new JPH::SphereShape(0.5f), JPH::RVec3(0.9f * x + 0.1f * y, 2 + 1.1f * y, 0.9f * z),
                                                   JPH::Quat::sIdentity(), JPH::EMotionType::Dynamic, 1);
            spheres.push_back(bodies.CreateAndAddBody(sphere, JPH::EActivation::Activate));
        }
        physics.OptimizeBroadPhase();
    }

    void roll(int steps, JPH::JobSystem &jobs) {
        for (int i = 0; i < steps; i++) CHECK(physics.Update(1.0f / 60, 1, &scratch, &jobs) == JPH::EPhysicsUpdateError::None);
    }
    bool is_like(scene &other) {
        for (const JPH::BodyID sphere : spheres) {
            const JPH::RVec3 mine = physics.GetBodyInterface().GetPosition(sphere), its = other.physics.GetBodyInterface().GetPosition(sphere);
            if (mine != its) return false;
        }
        return true;
    }
};

void dependencies(vgpu::pool_ref pool) {
    vgpu::jolt_jobs jobs(pool, 8);
    std::atomic<int> ran{0};
    for (int round = 0; round < 50; round++) {
        ran = 0;
        JPH::JobHandle last = jobs.CreateJob("last", JPH::Color::sWhite, [&] { CHECK(ran++ == 10); }, 10);
        JPH::JobSystem::Barrier *const barrier = jobs.CreateBarrier();
        barrier->AddJob(last);
        for (int i = 0; i < 10; i++) {
            barrier->AddJob(jobs.CreateJob("first", JPH::Color::sWhite, [&, last] {
                ran++;
                last.RemoveDependency();
            }));
        }
        jobs.WaitForJobs(barrier);
        jobs.DestroyBarrier(barrier);
        CHECK(ran == 11);
    }
    pool.wait_all();
}

} // namespace

int main() {
    JPH::RegisterDefaultAllocator();
    JPH::Factory::sInstance = new JPH::Factory();
    JPH::RegisterTypes();
    for (const std::uint32_t count : {1u, 2u, 4u}) {
        vgpu::pool pool(workers(count));
        dependencies(pool);
        vgpu::jolt_jobs jobs(pool, JPH::cMaxPhysicsBarriers);
        JPH::JobSystemThreadPool own(JPH::cMaxPhysicsJobs, JPH::cMaxPhysicsBarriers, static_cast<int>(count));
        CHECK(jobs.GetMaxConcurrency() == own.GetMaxConcurrency());
        scene ours, theirs;
        ours.roll(120, jobs);
        theirs.roll(120, own);
        CHECK(ours.is_like(theirs));
        if (count == 1) {
            print_ratio("Jolt, 20 steps of 1000 spheres", [&] { ours.roll(20, jobs); }, [&] { theirs.roll(20, own); });
            CHECK(ours.is_like(theirs));
        }
        ours.roll(1, jobs);
        CHECK(!ours.is_like(theirs));
        pool.wait_all();
    }
    JPH::UnregisterTypes();
    delete JPH::Factory::sInstance;
    JPH::Factory::sInstance = nullptr;
    return report();
}
