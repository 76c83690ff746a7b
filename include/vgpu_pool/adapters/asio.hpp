/**
 * @file asio.hpp
 * @brief An Asio execution context whose executor runs handlers as tasks of a pool.
 *
 *     vgpu::asio_context context(pool);
 *     asio::post(context, [] { ... });
 *     asio::strand<vgpu::asio_context::executor_type> strand(context.get_executor());
 *
 * Tested with standalone Asio 1.22. An exception that leaves a handler comes out of wait().
 */
#ifndef VGPU_POOL_ADAPTERS_ASIO_HPP
#define VGPU_POOL_ADAPTERS_ASIO_HPP

#include <asio/execution.hpp>
#include <asio/execution_context.hpp>

#include "../../vgpu_pool.hpp"

namespace vgpu {

/** The pool must outlive it. Waits for its handlers when it goes. */
class asio_context : public asio::execution_context {
  public:
    class executor_type {
      public:
        asio_context &query(asio::execution::context_t) const noexcept { return *context_; }
        static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept { return asio::execution::blocking.never; }
        executor_type require(asio::execution::blocking_t::never_t) const noexcept { return *this; }
        /** Runs f on a worker, never at once. @throws error as vgpu_group_submit() fails */
        template <typename F> void execute(F &&f) const { context_->handlers_.submit(std::forward<F>(f)); }
        friend bool operator==(const executor_type &a, const executor_type &b) noexcept { return a.context_ == b.context_; }
        friend bool operator!=(const executor_type &a, const executor_type &b) noexcept { return a.context_ != b.context_; }

      private:
        friend class asio_context;
        explicit executor_type(asio_context *context) noexcept : context_(context) {}
        asio_context *context_;
    };

    explicit asio_context(pool_ref pool) : handlers_(pool) {}
    /** An exception that no wait() has fetched is dropped. */
    ~asio_context() {
        static_cast<void>(vgpu_group_wait(handlers_.handle(), nullptr));
        shutdown();
        destroy();
    }
    executor_type get_executor() noexcept { return executor_type(this); }
    /** Waits until no handler is queued or running; the first exception that left one is thrown here. */
    void wait() { handlers_.wait(); }

  private:
    group handlers_;
};

} // namespace vgpu

#endif
