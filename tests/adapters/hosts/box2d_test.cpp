// Box2D 3 on a pool: a pyramid falls down as it does on Box2D's own threads, to the bit.
#include <vgpu_pool/adapters/box2d.hpp>

#include "../../cpp/check.hpp"
#include "../ratio.hpp"

#include <vector>

namespace {

struct scene {
    b2WorldId world = b2_nullWorldId;
    std::vector<b2BodyId> bodies;

    explicit scene(const b2WorldDef &def) : world(b2CreateWorld(&def)) {
        const b2ShapeDef stone = b2DefaultShapeDef();
        b2BodyDef ground = b2DefaultBodyDef();
        const b2Polygon floor = b2MakeBox(200.0f, 1.0f), box = b2MakeBox(0.5f, 0.5f);
        b2CreatePolygonShape(b2CreateBody(world, &ground), &stone, &floor);
        for (int row = 0; row < 40; row++) {
            for (int i = row; i < 40; i++) {
                b2BodyDef def_of_box = b2DefaultBodyDef();
                def_of_box.type = b2_dynamicBody;
                def_of_box.position.x = 1.25f * static_cast<float>(i) - 0.6f * static_cast<float>(row);
                def_of_box.position.y = 2.0f + 1.5f * static_cast<float>(row);
                bodies.push_back(b2CreateBody(world, &def_of_box));
                b2CreatePolygonShape(bodies.back(), &stone, &box);
            }
        }
    }
    scene(const scene &) = delete;
    ~scene() { b2DestroyWorld(world); }

    void fall(int steps) const {
        for (int i = 0; i < steps; i++) b2World_Step(world, 1.0f / 60.0f, 4);
    }
    bool is_like(const scene &other) const {
        for (std::size_t i = 0; i < bodies.size(); i++) {
            const auto mine = b2Body_GetTransform(bodies[i]), its = b2Body_GetTransform(other.bodies[i]);
            if (std::memcmp(&mine, &its, sizeof mine) != 0) return false;
        }
        return true;
    }
};

} // namespace

int main() {
    for (const std::uint32_t count : {1u, 2u, 4u}) {
        vgpu::pool pool(workers(count));
        vgpu::box2d_tasks tasks(pool);
        b2WorldDef on_pool = b2DefaultWorldDef(), on_own = b2DefaultWorldDef();
        tasks.connect(on_pool);
        CHECK(on_pool.workerCount == static_cast<int>(count) + 1);
        on_own.workerCount = on_pool.workerCount;
        const scene ours(on_pool), theirs(on_own);
        ours.fall(150);
        theirs.fall(150);
        CHECK(ours.is_like(theirs));
        CHECK(b2Body_GetTransform(ours.bodies.back()).p.y < 50.0f);
        if (count == 1) {
            print_ratio("Box2D, 20 steps of 820 boxes", [&] { ours.fall(20); }, [&] { theirs.fall(20); });
            CHECK(ours.is_like(theirs));
        }
        ours.fall(1);
        CHECK(!ours.is_like(theirs));
    }
    return report();
}
