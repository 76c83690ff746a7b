// Pools, their settings, futures and groups: values, exceptions, cancelling, helping, and who frees what.
#include "check.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

// How many objects of it there are.
struct counted {
    static inline std::atomic<int> alive{0};
    counted() { alive++; }
    counted(const counted &) { alive++; }
    counted &operator=(const counted &) = default;
    ~counted() { alive--; }
};

// Keeps every worker of a pool busy until it is opened.
class barrier {
  public:
    explicit barrier(vgpu::pool_ref pool) : group_(pool) {
        for (std::uint32_t i = 0; i < pool.num_workers(); i++) {
            group_.submit([this] {
                here_++;
                while (!open_) {
                    std::this_thread::yield();
                }
            });
        }
        while (here_ < pool.num_workers()) {
            std::this_thread::yield();
        }
    }
    void open() {
        open_ = true;
        group_.wait();
    }

  private:
    std::atomic<std::uint32_t> here_{0};
    std::atomic<bool> open_{false};
    vgpu::group group_;
};

void results_come_out() {
    vgpu::pool pool(workers(2));
    CHECK(pool.submit([] { return 42; }).get() == 42);
    CHECK(pool.submit([](vgpu::worker w) { return w.index() < 2; }).get());
    CHECK(*pool.submit([] { return std::make_unique<std::string>("moved"); }).get() == "moved");
    int seen = 0;
    vgpu::future<void> nothing = pool.submit([&seen] { seen = 1; });
    nothing.get();
    CHECK(seen == 1 && !nothing.valid());
    // A callable that can only be moved.
    CHECK(pool.submit([p = std::make_unique<int>(7)] { return *p; }).get() == 7);
    vgpu::future<int> empty;
    CHECK(!empty.valid() && !empty.is_ready());
    CHECK(status_of([&] { empty.wait(); }) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(status_of([&] { empty.get(); }) == VGPU_ERROR_INVALID_ARGUMENT);
    empty = pool.submit([] { return 3; });
    vgpu::future<int> moved(std::move(empty));
    CHECK(!empty.valid() && moved.get() == 3);
}

void exceptions_come_out() {
    vgpu::pool pool(workers(2));
    for (int round = 0; round < 200; round++) {
        auto future = pool.submit([]() -> int { throw std::out_of_range("the task's own words"); });
        CHECK(thrown_by([&] { future.get(); }) == "the task's own words");
        CHECK(!future.valid());
        // Dropped, with the exception inside.
        static_cast<void>(pool.submit([] { throw std::logic_error("nobody asks"); }));
    }
    pool.wait_all();
    // C sees a failure, with a sentence.
    auto future = pool.submit([] { throw 1; });
    CHECK(vgpu_future_get(future.handle(), nullptr) == VGPU_ERROR_TASK_FAILED);
    CHECK(std::strstr(vgpu_last_error_message(), "C++ exception") != nullptr);
}

void waiting_helps() {
    vgpu::pool pool(workers(1));
    // One worker, ten tasks deep, each waiting for the next.
    struct nest {
        static int at(vgpu::pool_ref on, int depth) {
            return depth == 0 ? 0 : 1 + on.submit([on, depth] { return at(on, depth - 1); }).get();
        }
    };
    CHECK(pool.submit([&pool] { return nest::at(pool, 10); }).get() == 10);
}

void posting() {
    std::atomic<int> ran{0};
    {
        vgpu::pool pool(workers(2).inbox(4));
        for (int i = 0; i < 20; i++) {
            while (!pool.try_post([&ran, p = std::make_unique<int>(1)] { ran += *p; })) std::this_thread::yield();
        }
        pool.wait_all();
        barrier busy(pool);
        counted kept;
        int accepted = 0;
        while (pool.try_post([kept, &ran] { ran++; })) accepted++;
        CHECK(counted::alive == 1 + accepted);
        CHECK(status_of([&] { pool.post([kept] {}); }) == VGPU_ERROR_QUEUE_FULL);
        CHECK(!pool.try_submit([kept] { return 1; }).valid());
        CHECK(counted::alive == 1 + accepted);
        ran -= accepted;
        busy.open();
    }
    CHECK(ran == 20 && counted::alive == 0);
    vgpu::pool pool(workers(2)), other(workers(1));
    CHECK(pool.current_worker().handle() == nullptr && vgpu::pool_ref().current_worker().handle() == nullptr);
    CHECK(pool.run([&](vgpu::worker w) { return pool.current_worker().handle() == w.handle() && other.current_worker().handle() == nullptr; }));
}

void timed_waits_and_cancelling() {
    vgpu::pool pool(workers(2));
    barrier busy(pool);
    auto waits = pool.submit([] { return 1; });
    CHECK(!waits.is_ready() && !waits.wait_for(5ms) && !waits.wait_for(-1ms));
    {
        counted kept;
        auto cancelled = pool.submit([kept] { return 1; });
        CHECK(cancelled.cancel());
        CHECK(cancelled.is_ready());
        CHECK(status_of([&] { cancelled.get(); }) == VGPU_ERROR_CANCELLED);
    }
    CHECK(counted::alive == 0);
    busy.open();
    CHECK(waits.wait_for(60s) && !waits.cancel() && waits.get() == 1);
}

void nothing_is_left_behind() {
    {
        vgpu::pool pool(workers(2).inbox(8));
        counted kept;
        for (int round = 0; round < 500; round++) {
            static_cast<void>(pool.submit([kept] { return kept; }));
            pool.submit([kept] { return kept; }).get();
        }
        // Assigned over, the old outcome is let go.
        vgpu::future<counted> twice = pool.submit([kept] { return kept; });
        twice.wait();
        twice = pool.submit([kept] { return kept; });
        twice.get();
        // Those that nobody has waited for may still run.
        pool.wait_all();
        CHECK(counted::alive == 1);
        // A full inbox refuses, and keeps nothing of what it refused.
        barrier busy(pool);
        std::vector<vgpu::future<counted>> accepted;
        const auto submit = [&] { accepted.push_back(pool.submit([kept] { return kept; })); };
        vgpu_status status = VGPU_OK;
        while (status == VGPU_OK && accepted.size() < 1000) status = status_of(submit);
        CHECK(status == VGPU_ERROR_QUEUE_FULL);
        vgpu::group group(pool);
        CHECK(status_of([&] { group.submit([kept] {}); }) == VGPU_ERROR_QUEUE_FULL);
        busy.open();
        accepted.clear();
        pool.wait_all();
        // The callable is gone when its result is there, though the future lives.
        auto future = pool.submit([kept] {});
        future.wait();
        CHECK(counted::alive == 1);
    }
    CHECK(counted::alive == 0);
}

void groups() {
    vgpu::pool pool(workers(3));
    vgpu::group group(pool);
    std::atomic<int> ran{0};
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 20; i++) {
            // Tasks of a group submit to it.
            group.submit([&, p = std::make_unique<int>(i)] {
                ran++;
                if (*p % 2 == 0) group.submit([&ran] { ran++; });
            });
        }
        group.wait();
        CHECK(ran == 30 * (round + 1));
        group.submit([] { throw std::runtime_error("one of them"); });
        group.submit([](vgpu::worker w) { CHECK(w.index() < 3); });
        CHECK(thrown_by([&] { group.wait(); }) == "one of them");
        group.wait();
    }
    {
        vgpu::group dropped(pool);
        dropped.submit([] { throw 1; });
    }
    CHECK(status_of([] { vgpu::group none{vgpu::pool_ref()}; }) == VGPU_ERROR_INVALID_ARGUMENT);
}

// Counts what is asked of it, and gives nothing once it was told so.
class counting_resource : public std::pmr::memory_resource {
  public:
    std::atomic<long> given{0}, outstanding{0};
    std::atomic<bool> empty{false};

  private:
    void *do_allocate(std::size_t size, std::size_t align) override {
        if (empty) throw std::bad_alloc();
        given++;
        outstanding += static_cast<long>(size);
        return std::pmr::new_delete_resource()->allocate(size, align);
    }
    void do_deallocate(void *memory, std::size_t size, std::size_t align) override {
        outstanding -= static_cast<long>(size);
        std::pmr::new_delete_resource()->deallocate(memory, size, align);
    }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override { return this == &other; }
};

void settings() {
    std::atomic<int> started{0}, stopped{0}, begun{0}, ended{0}, parked{0}, unparked{0};
    struct hooks {
        std::atomic<int> *started, *stopped, *begun, *ended, *parked, *unparked;
    } both{&started, &stopped, &begun, &ended, &parked, &unparked};
    counting_resource memory;
    {
        vgpu::pool pool(workers(2)
                            .name("physics")
                            .stack_size(1 << 20)
                            .inbox(64, vgpu::inbox_full::block)
                            .wait(vgpu::wait_policy::help_own, 16)
                            .keep_signals()
                            .memory(memory)
                            .hooks([](void *data, std::uint32_t) { ++*static_cast<hooks *>(data)->started; },
                                   [](void *data, std::uint32_t) { ++*static_cast<hooks *>(data)->stopped; }, &both)
                            .watch([](void *data, std::uint32_t) { ++*static_cast<hooks *>(data)->begun; },
                                   [](void *data, std::uint32_t) { ++*static_cast<hooks *>(data)->ended; },
                                   [](void *data, std::uint32_t) { ++*static_cast<hooks *>(data)->parked; },
                                   [](void *data, std::uint32_t) { ++*static_cast<hooks *>(data)->unparked; }));
        const std::string name = pool.run([] {
            char text[32] = "";
            std::FILE *file = std::fopen("/proc/thread-self/comm", "r");
            if (file != nullptr) {
                if (std::fgets(text, sizeof text, file) == nullptr) text[0] = 0;
                std::fclose(file);
            }
            return std::string(text);
        });
        CHECK(name.rfind("physics", 0) == 0);
        CHECK(memory.given > 0);
        memory.empty = true;
        CHECK(status_of([&] { static_cast<void>(pool.submit([] {})); }) == VGPU_ERROR_OUT_OF_MEMORY);
        memory.empty = false;
    }
    CHECK(started == 2 && stopped == 2);
    CHECK(begun > 0 && begun == ended && parked == unparked);
    CHECK(memory.outstanding == 0);
    memory.empty = true;
    CHECK(status_of([&] { vgpu::pool none(workers(1).memory(memory)); }) == VGPU_ERROR_OUT_OF_MEMORY);
    const auto flags = [](vgpu::config config) { return config.get().flags; };
    CHECK(flags(vgpu::config().pin(vgpu::pinning::required).keep_signals()) == (VGPU_POOL_REQUIRE_PINNING | VGPU_POOL_KEEP_SIGNALS));
    CHECK(flags(vgpu::config().pin(vgpu::pinning::required).pin(vgpu::pinning::off)) == VGPU_POOL_NO_PINNING);
    CHECK(flags(vgpu::config().keep_signals().keep_signals(false).pin(vgpu::pinning::preferred)) == 0);
    CHECK(status_of([] { vgpu::pool none(workers(1000000)); }) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(status_of([] { vgpu::pool none(vgpu::config().name("much too long")); }) == VGPU_ERROR_INVALID_ARGUMENT);
}

void handles() {
    vgpu::pool first(workers(1));
    vgpu_pool *const raw = first.release();
    CHECK(first.handle() == nullptr && first == vgpu::pool_ref());
    vgpu::pool second = vgpu::pool::adopt(raw);
    CHECK(second.run([] { return 5; }) == 5);
    vgpu::pool_ref view = second;
    CHECK(view == second && view.num_workers() == 1);
    // Only loops work without a pool.
    CHECK(status_of([] { vgpu::pool_ref().run([] {}); }) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(status_of([] { static_cast<void>(vgpu::pool_ref().submit([] {})); }) == VGPU_ERROR_INVALID_ARGUMENT);
    // A run on the pool's own worker needs no second one, and submits nothing.
    CHECK(second.run([&second](vgpu::worker outer) {
        return second.run([outer](vgpu::worker inner) { return inner.handle() == outer.handle(); });
    }));
}

void lent_threads() {
    vgpu::pool pool(workers(1).host_seats(1));
    vgpu::lease lease(pool);
    std::thread lent([&lease] { CHECK(lease.run() == VGPU_OK); });
    const auto lent_id = lent.get_id();
    // Each of the two waits for the other.
    std::atomic<int> met{0};
    const auto meet = [&met] {
        met++;
        while (met < 2) std::this_thread::yield();
        return std::this_thread::get_id();
    };
    auto first = pool.submit(meet), second = pool.submit(meet);
    const auto one = first.get(), other = second.get();
    CHECK(one != other && (one == lent_id || other == lent_id));
    CHECK(status_of([] { vgpu::lease none{vgpu::pool_ref()}; }) == VGPU_ERROR_INVALID_ARGUMENT);
    lease.end();
    lent.join();
}

} // namespace

int main() {
    results_come_out();
    exceptions_come_out();
    waiting_helps();
    posting();
    timed_waits_and_cancelling();
    nothing_is_left_behind();
    groups();
    settings();
    handles();
    lent_threads();
    return report();
}
