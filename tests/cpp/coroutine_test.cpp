// C++20: coroutines that go on as tasks of a pool, and that await futures.
#include "check.hpp"

#if !VGPU_HAS_COROUTINES
#error "this compiler has no coroutines: compile with -std=c++20"
#endif

#include <stdexcept>
#include <string>
#include <thread>

namespace {

// A coroutine that starts at once and that nobody waits for.
struct detached {
    struct promise_type {
        detached get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

// Out of line, since a compiler may think that a function stays on its thread.
__attribute__((noinline)) std::thread::id here() {
    return std::this_thread::get_id();
}

detached hop(vgpu::pool_ref pool, std::atomic<int> &done, std::thread::id home) {
    const vgpu::worker w = co_await pool.schedule();
    CHECK(w.index() < pool.num_workers());
    CHECK(here() != home);
    done++;
}

detached await_values(vgpu::pool_ref pool, std::atomic<int> &done) {
    int sum = 0;
    for (int i = 0; i < 100; i++) {
        sum += co_await pool.submit([i] { return i; });
    }
    CHECK(sum == 4950);
    std::string caught;
    try {
        co_await pool.submit([] { throw std::runtime_error("awaited"); });
    } catch (const std::runtime_error &error) {
        caught = error.what();
    }
    CHECK(caught == "awaited");
    // One that is done already.
    auto ready = pool.submit([] { return std::string("ready"); });
    ready.wait();
    CHECK(co_await std::move(ready) == "ready");
    // One that will never run.
    auto cancelled = pool.submit([] { return 1; });
    if (cancelled.cancel()) {
        vgpu_status status = VGPU_OK;
        try {
            co_await std::move(cancelled);
        } catch (const vgpu::error &error) {
            status = error.status();
        }
        CHECK(status == VGPU_ERROR_CANCELLED);
    }
    done++;
}

detached refused(vgpu::pool_ref pool, std::atomic<int> &done) {
    vgpu_status status = VGPU_OK;
    try {
        co_await pool.schedule();
    } catch (const vgpu::error &error) {
        status = error.status();
    }
    CHECK(status == VGPU_ERROR_INVALID_ARGUMENT);
    done++;
}

// A wait inside a resumed coroutine, while its inbox has no room: it is resumed all the same.
detached await_when_full(vgpu::pool_ref pool, vgpu::future<int> future, std::atomic<int> &done) {
    CHECK(co_await std::move(future) == 5);
    static_cast<void>(pool);
    done++;
}

void await(const std::atomic<int> &done, int count) {
    while (done < count) {
        std::this_thread::yield();
    }
}

// Works on the workers, and speaks on the main thread.
detached there_and_back(vgpu::pool_ref pool, vgpu::pool_ref main, std::thread::id home, std::atomic<int> &done) {
    co_await pool.schedule();
    CHECK(here() != home);
    const int answer = co_await pool.submit([] { return 42; });
    co_await main.schedule();
    CHECK(here() == home && answer == 42);
    co_await pool.schedule();
    CHECK(here() != home);
    done++;
}

void hops_to_the_main_thread() {
    vgpu::pool pool(workers(2));
    vgpu::pool main(vgpu::config().on_caller());
    std::atomic<int> done{0};
    for (int i = 0; i < 50; i++) {
        there_and_back(pool, main, here(), done);
    }
    std::size_t pumped = 0;
    while (done < 50) {
        pumped += main.pump(0, 1000000);
    }
    CHECK(pumped == 50);
}

} // namespace

int main() {
    for (const std::uint32_t count : {1u, 2u, 4u}) {
        vgpu::pool pool(workers(count));
        std::atomic<int> done{0};
        for (int i = 0; i < 200; i++) {
            hop(pool, done, here());
        }
        await(done, 200);
        for (int i = 0; i < 20; i++) {
            await_values(pool, done);
        }
        await(done, 220);
        refused(vgpu::pool_ref(), done);
        CHECK(done == 221);
    }
    for (int round = 0; round < 200; round++) {
        vgpu::pool pool(workers(1).inbox(2));
        std::atomic<int> done{0};
        std::atomic<bool> open{false}, begun{false};
        auto five = pool.submit([&] {
            begun = true;
            while (!open) std::this_thread::yield();
            return 5;
        });
        while (!begun) std::this_thread::yield();
        await_when_full(pool, std::move(five), done);
        int accepted = 0;
        while (status_of([&] { static_cast<void>(pool.submit([] {})); }) == VGPU_OK) accepted++;
        CHECK(accepted > 0);
        open = true;
        await(done, 1);
        // What else it does in the end is drained by the pool.
        if (round % 2 == 0) pool.wait_all();
    }
    hops_to_the_main_thread();
    return report();
}
