// Asio on a pool: posting, strands, and the same work as on asio::thread_pool.
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <vgpu_pool/adapters/asio.hpp>

#include "../cpp/check.hpp"
#include "ratio.hpp"

#include <memory>
#include <stdexcept>
#include <string>

int main() {
    vgpu::pool pool(workers(2).inbox(1 << 16));
    std::atomic<int> ran{0};
    {
        vgpu::asio_context context(pool);
        for (int i = 0; i < 1000; i++) {
            asio::post(context, [&ran, &pool, p = std::make_unique<int>(1)] {
                CHECK(pool.current_worker().handle() != nullptr);
                ran += *p;
            });
        }
        context.wait();
        CHECK(ran == 1000);
        // A strand keeps the order, one handler at a time.
        asio::strand<vgpu::asio_context::executor_type> strand(context.get_executor());
        int last = -1;
        bool in_order = true;
        for (int i = 0; i < 1000; i++) {
            asio::post(strand, [&last, &in_order, i] {
                in_order = in_order && last == i - 1;
                last = i;
            });
        }
        context.wait();
        CHECK(in_order && last == 999);
        CHECK(context.get_executor() == context.get_executor());
        asio::post(context, [] { throw std::runtime_error("from a handler"); });
        CHECK(thrown_by([&] { context.wait(); }) == "from a handler");
        asio::post(context, [] { throw 1; });
        asio::post(context, [&ran] { ran++; });
    }
    CHECK(ran == 1001);
    const int posts = 20000;
    const auto on_pool = [&] {
        vgpu::asio_context context(pool);
        for (int i = 0; i < posts; i++) asio::post(context, [&ran] { ran.fetch_add(1, std::memory_order_relaxed); });
        context.wait();
    };
    const auto on_own = [&] {
        asio::thread_pool own(2);
        for (int i = 0; i < posts; i++) asio::post(own, [&ran] { ran.fetch_add(1, std::memory_order_relaxed); });
        own.join();
    };
    print_ratio("Asio, 20 000 posts", on_pool, on_own);
    return report();
}
