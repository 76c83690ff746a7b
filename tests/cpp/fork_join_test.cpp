// The C++ header: pools, runs and forks, with values, exceptions and stacks that run out.
#include "check.hpp"

#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

vgpu::config config_of(std::uint32_t count, std::size_t stack_size = 0) {
    return workers(count).stack_size(stack_size);
}

long fib(vgpu::worker w, long n) {
    if (n < 2) {
        return n;
    }
    const auto both = vgpu::fork_join(
        w, [n](vgpu::worker on) { return fib(on, n - 1); }, [n](vgpu::worker on) { return fib(on, n - 2); });
    return both.first + both.second;
}

long depth(vgpu::worker w, long n) {
    if (n == 0) {
        return 0;
    }
    const auto both = vgpu::fork_join(w, [n](vgpu::worker on) { return depth(on, n - 1); }, [] { return 1L; });
    return both.first + both.second;
}

void values() {
    for (std::uint32_t count = 1; count <= 4; count++) {
        vgpu::pool pool(config_of(count));
        CHECK(pool.num_workers() == count);
        CHECK(pool.run([](vgpu::worker w) { return fib(w, 24); }) == 46368);
        CHECK(pool.run([] { return std::string("without a worker"); }) == "without a worker");
        // Results that can only be moved, and none at all.
        const auto both = pool.run([](vgpu::worker w) {
            return vgpu::fork_join(w, [] { return std::make_unique<int>(7); }, [] {});
        });
        CHECK(*both.first == 7);
        // A run inside a run, and many from outside at a time.
        CHECK(pool.run([&pool] { return pool.run([](vgpu::worker w) { return fib(w, 10); }); }) == 55);
        std::vector<std::thread> threads;
        std::atomic<long> sum{0};
        for (int i = 0; i < 4; i++) {
            threads.emplace_back([&] { sum += pool.run([](vgpu::worker w) { return fib(w, 15); }); });
        }
        for (std::thread &thread : threads) {
            thread.join();
        }
        CHECK(sum == 4 * 610);
        vgpu::pool moved(std::move(pool));
        CHECK(moved.run([] { return 1; }) == 1);
    }
}

// Both halves at the same time, on two workers: each waits for the other.
void halves_meet() {
    vgpu::pool pool(config_of(2));
    for (int round = 0; round < 200; round++) {
        std::atomic<int> here{0};
        const auto meet = [&here](vgpu::worker w) {
            here++;
            while (here < 2) {
                std::this_thread::yield();
            }
            return w.index();
        };
        const auto on = pool.run([&](vgpu::worker w) { return vgpu::fork_join(w, meet, meet); });
        CHECK(on.first != on.second);
    }
}

struct counted {
    explicit counted(std::atomic<int> &alive) : alive_(&alive) { ++*alive_; }
    counted(const counted &other) : alive_(other.alive_) { ++*alive_; }
    counted &operator=(const counted &) = delete;
    ~counted() { --*alive_; }
    std::atomic<int> *alive_;
};

void exceptions() {
    for (std::uint32_t count = 1; count <= 2; count++) {
        vgpu::pool pool(config_of(count));
        std::atomic<int> alive{0}, ran{0};
        for (int round = 0; round < 300; round++) {
            for (int thrower = 0; thrower < 3; thrower++) {
                std::string caught;
                try {
                    pool.run([&](vgpu::worker w) {
                        return vgpu::fork_join(
                            w,
                            [&] {
                                if (thrower != 1) throw std::runtime_error("left");
                                return counted(alive);
                            },
                            [&] {
                                ran++;
                                if (thrower != 0) throw std::runtime_error("right");
                                return counted(alive);
                            });
                    });
                } catch (const std::runtime_error &error) {
                    caught = error.what();
                }
                CHECK(caught == (thrower == 1 ? "right" : "left"));
                CHECK(alive == 0);
            }
        }
        CHECK(ran >= 300);
        CHECK(pool.run([](vgpu::worker w) { return fib(w, 12); }) == 144);
    }
}

void stacks_that_run_out() {
    for (std::uint32_t count = 1; count <= 2; count++) {
        vgpu::pool small(config_of(count, 256 << 10));
        CHECK(small.run([](vgpu::worker w) { return depth(w, 20); }) == 20);
        CHECK(status_of([&] { small.run([](vgpu::worker w) { return depth(w, 1000000); }); }) == VGPU_ERROR_STACK_LIMIT);
        CHECK(thrown_by([&] { small.run([](vgpu::worker w) { return depth(w, 1000000); }); }).find("stack_size") != std::string::npos);
        CHECK(small.run([](vgpu::worker w) { return fib(w, 12); }) == 144);
        vgpu::pool large(config_of(count, 256u << 20));
        CHECK(large.run([](vgpu::worker w) { return depth(w, 17844); }) == 17844);
    }
}

void leaves(vgpu::worker w, int depth, int number, std::string &order) {
    if (depth == 0) {
        order += static_cast<char>('a' + number);
        return;
    }
    vgpu::fork_join(w, [&](vgpu::worker left) { leaves(left, depth - 1, 2 * number, order); },
                    [&](vgpu::worker right) { leaves(right, depth - 1, 2 * number + 1, order); });
}

std::string order_of(std::uint64_t seed) {
    std::string order;
    vgpu::pool pool(vgpu::config().replay(seed));
    pool.run([&order](vgpu::worker w) { leaves(w, 4, 0, order); });
    return order;
}

// On one thread, in an order that the seed says.
void replayed_forks() {
    std::set<std::string> orders;
    for (std::uint64_t seed = 0; seed < 40; seed++) {
        const std::string order = order_of(seed);
        CHECK(order == order_of(seed));
        CHECK(std::set<char>(order.begin(), order.end()).size() == 16 && order.size() == 16);
        orders.insert(order);
    }
    CHECK(orders.size() > 30);
}

} // namespace

int main() {
    values();
    halves_meet();
    exceptions();
    stacks_that_run_out();
    replayed_forks();
    return report();
}
