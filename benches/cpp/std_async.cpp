// std::async with its default policy: libstdc++ starts a thread for each task as long as the system gives it one.

#include "fork_join.hpp"
#include "idle.hpp"
#include "peer.hpp"
#include "submit.hpp"

#include <future>

namespace {

struct Forking {
    struct Worker {};

    Forking(unsigned, std::size_t) {}

    template <class F> void run(F &&work) { work(Worker{}); }

    template <class A, class B> static void join(Worker worker, A &&a, B &&b) {
        std::future<void> other = std::async([&] { b(worker); });
        a(worker);
        other.get();
    }

    template <class F> static void fork_each(Worker worker, std::size_t count, F &&child) {
        std::vector<std::future<void>> others;
        others.reserve(count);
        for (std::size_t i = 0; i + 1 < count; i++) {
            others.push_back(std::async([&child, worker, i] { child(worker, i); }));
        }
        child(worker, count - 1);
        for (std::future<void> &other : others) {
            other.get();
        }
    }
};

class Submitting {
    std::vector<std::future<void>> unwaited;

  public:
    explicit Submitting(unsigned) {}

    void submit_and_wait(std::uint64_t count) {
        std::vector<std::future<void>> tasks;
        tasks.reserve(count);
        for (std::uint64_t i = 0; i < count; i++) {
            tasks.push_back(std::async(kernel_tally));
        }
        for (std::future<void> &task : tasks) {
            task.get();
        }
    }

    void spawn(std::atomic<std::uint64_t> *stamp) {
        unwaited.push_back(std::async([stamp] { set_stamp(stamp); }));
    }
};

} // namespace

int main(int argc, char **argv) {
    std::string version = std::string("libstdc++, gcc ") + __VERSION__;
    return Peer(argc, argv, version, {measure_forks<Forking>, measure_submitting<Submitting>, measure_idle<Submitting>}).run();
}
