// A C++ exception carried through a task: thrown on a worker, caught on the thread that waits.
//
// The pool calls plain C functions and no exception may leave one. So the trampoline below is noexcept, catches everything,
// keeps it as a std::exception_ptr and returns a number other than 0. Whoever waits rethrows it.
//
//     c++ exceptions.cpp $(pkg-config --cflags --libs vgpu_pool) -o exceptions && ./exceptions
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include <vgpu_pool.h>

namespace {

// Turns a failed call into an exception of our own.
void check(vgpu_status status) {
    if (status != VGPU_OK) {
        throw std::runtime_error(std::string(vgpu_status_name(status)) + ": " + vgpu_last_error_message());
    }
}

struct pool_deleter {
    void operator()(vgpu_pool *pool) const noexcept { static_cast<void>(!vgpu_pool_destroy(pool)); }
};
struct future_deleter {
    void operator()(vgpu_future *future) const noexcept { static_cast<void>(!vgpu_future_release(future)); }
};
using pool_pointer = std::unique_ptr<vgpu_pool, pool_deleter>;
using future_pointer = std::unique_ptr<vgpu_future, future_deleter>;

// A call on the pool whose result, or exception, comes out at get().
template <typename Function> class task {
  public:
    explicit task(Function function) : function_(std::move(function)) {}
    task(const task &) = delete;
    task &operator=(const task &) = delete;

    // The task object is the user_data: it must stay where it is until the task has run. Its destructor sees to that.
    ~task() {
        if (future_) {
            static_cast<void>(!vgpu_future_wait(future_.get()));
        }
    }

    void submit(vgpu_pool *pool) {
        vgpu_future *future = nullptr;
        check(vgpu_pool_submit(pool, &task::run, this, nullptr, &future));
        future_.reset(future);
    }

    void get() {
        const vgpu_status status = vgpu_future_get(future_.get(), nullptr);
        if (exception_) {
            std::rethrow_exception(exception_);
        }
        check(status);
    }

  private:
    static std::int32_t run(vgpu_worker *, void *user_data) noexcept {
        task *self = static_cast<task *>(user_data);
        try {
            self->function_();
            return 0;
        } catch (...) {
            // No lock: the worker writes this before the future completes, the waiter reads it afterwards.
            self->exception_ = std::current_exception();
            return 1;
        }
    }

    Function function_;
    std::exception_ptr exception_{};
    future_pointer future_{};
};

struct out_of_cheese : std::runtime_error {
    explicit out_of_cheese(int shelf) : std::runtime_error("out of cheese"), shelf_number(shelf) {}
    int shelf_number;
};

} // namespace

int main() {
    try {
        vgpu_pool *raw = nullptr;
        check(vgpu_pool_create(nullptr, &raw));
        const pool_pointer pool(raw);

        int answer = 0;
        auto work = [&answer] { answer = 42; };
        auto fail = [] { throw out_of_cheese(7); };
        task<decltype(work)> good(work);
        task<decltype(fail)> bad(fail);
        good.submit(pool.get());
        bad.submit(pool.get());

        good.get();
        std::printf("the good task computed %d\n", answer);

        try {
            bad.get();
            std::fprintf(stderr, "the exception was lost\n");
            return 1;
        } catch (const out_of_cheese &error) {
            // The very object that was thrown, with its type and members.
            std::printf("the bad task threw: %s on shelf %d\n", error.what(), error.shelf_number);
        }
        return answer == 42 ? 0 : 1;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
