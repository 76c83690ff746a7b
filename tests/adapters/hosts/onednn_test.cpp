// oneDNN's matrix product on a pool: the same as on threads of oneDNN's host, to the bit.
#include <vgpu_pool/adapters/onednn.hpp>

#include <oneapi/dnnl/dnnl.hpp>
#include <oneapi/dnnl/dnnl_threadpool.hpp>

#include "../../cpp/check.hpp"
#include "../ratio.hpp"

#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace {

// What a host without a pool of ours would write: threads that sleep until there is a loop.
class own_threads final : public dnnl::threadpool_interop::threadpool_iface {
  public:
    explicit own_threads(int count) {
        for (int i = 1; i < count; i++) threads_.emplace_back([this] { serve(); });
    }
    ~own_threads() override {
        {
            const std::lock_guard<std::mutex> guard(lock_);
            ends_ = true;
        }
        wake_.notify_all();
        for (std::thread &thread : threads_) thread.join();
    }
    int get_num_threads() const override { return static_cast<int>(threads_.size()) + 1; }
    bool get_in_parallel() const override { return inside; }
    std::uint64_t get_flags() const override { return 0; }
    void wait() override {}
    void parallel_for(int n, const std::function<void(int, int)> &function) override {
        {
            const std::lock_guard<std::mutex> guard(lock_);
            function_ = &function;
            next_ = 0;
            of_ = n;
            left_ = n;
        }
        wake_.notify_all();
        inside = true;
        work();
        inside = false;
        std::unique_lock<std::mutex> guard(lock_);
        done_.wait(guard, [this] { return left_ == 0; });
        of_ = 0;
    }

  private:
    void work() {
        std::unique_lock<std::mutex> guard(lock_);
        while (next_ < of_) {
            const int i = next_++, of = of_;
            const auto &function = *function_;
            guard.unlock();
            function(i, of);
            guard.lock();
            if (--left_ == 0) done_.notify_all();
        }
    }
    void serve() {
        inside = true;
        for (;;) {
            {
                std::unique_lock<std::mutex> guard(lock_);
                wake_.wait(guard, [this] { return ends_ || next_ < of_; });
                if (ends_) return;
            }
            work();
        }
    }

    static thread_local bool inside;
    std::vector<std::thread> threads_;
    std::mutex lock_;
    std::condition_variable wake_, done_;
    const std::function<void(int, int)> *function_ = nullptr;
    int next_ = 0, of_ = 0, left_ = 0;
    bool ends_ = false;
};
thread_local bool own_threads::inside = false;

struct product {
    dnnl::engine engine{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream;
    std::vector<float> a, b, c;
    dnnl::memory in_a, in_b, out;
    dnnl::matmul primitive;

    static dnnl::memory::desc matrix(dnnl::memory::dim rows, dnnl::memory::dim columns) {
        return {{rows, columns}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab};
    }
    product(dnnl::threadpool_interop::threadpool_iface &threads, int m, int n, int k)
        : stream(dnnl::threadpool_interop::make_stream(engine, &threads)), a(static_cast<std::size_t>(m * k)),
          b(static_cast<std::size_t>(k * n)), c(static_cast<std::size_t>(m * n)) {
        for (std::size_t i = 0; i < a.size(); i++) a[i] = std::sin(static_cast<float>(i));
        for (std::size_t i = 0; i < b.size(); i++) b[i] = std::cos(static_cast<float>(i));
        in_a = dnnl::memory(matrix(m, k), engine, a.data());
        in_b = dnnl::memory(matrix(k, n), engine, b.data());
        out = dnnl::memory(matrix(m, n), engine, c.data());
        primitive = dnnl::matmul(dnnl::matmul::primitive_desc(engine, matrix(m, k), matrix(k, n), matrix(m, n)));
    }
    void multiply() {
        primitive.execute(stream, {{DNNL_ARG_SRC, in_a}, {DNNL_ARG_WEIGHTS, in_b}, {DNNL_ARG_DST, out}});
        stream.wait();
    }
};

} // namespace

int main() {
    const int shapes[][3] = {{512, 512, 512}, {77, 333, 129}, {1, 1000, 64}, {2000, 3, 5}};
    for (const std::uint32_t count : {1u, 2u, 4u}) {
        vgpu::pool pool(workers(count));
        vgpu::onednn_pool on_pool(pool);
        own_threads on_own(static_cast<int>(count));
        dnnl_threadpool_interop_set_max_concurrency(static_cast<int>(count));
        for (const auto &[m, n, k] : shapes) {
            product ours(on_pool, m, n, k), theirs(on_own, m, n, k);
            ours.multiply();
            theirs.multiply();
            CHECK(std::memcmp(ours.c.data(), theirs.c.data(), ours.c.size() * sizeof(float)) == 0);
            for (int i = 0; i < 50; i++) {
                const int row = i * 7919 % m, column = i * 104729 % n;
                double sum = 0, size = 0;
                for (int j = 0; j < k; j++) {
                    const double term = static_cast<double>(ours.a[static_cast<std::size_t>(row * k + j)]) *
                                        static_cast<double>(ours.b[static_cast<std::size_t>(j * n + column)]);
                    sum += term;
                    size += std::fabs(term);
                }
                CHECK(std::fabs(sum - static_cast<double>(ours.c[static_cast<std::size_t>(row * n + column)])) <= (k + 4) * 6e-8 * size);
            }
            if (count == 2 && m == 512) {
                print_ratio("oneDNN, a product of 512 x 512 by 512 x 512", [&] { ours.multiply(); }, [&] { theirs.multiply(); });
            }
        }
        // From inside a task of the pool, too.
        product inside(on_pool, 200, 200, 200), outside(on_pool, 200, 200, 200);
        outside.multiply();
        pool.run([&](vgpu::worker) { inside.multiply(); });
        CHECK(std::memcmp(inside.c.data(), outside.c.data(), inside.c.size() * sizeof(float)) == 0);
    }
    return report();
}
