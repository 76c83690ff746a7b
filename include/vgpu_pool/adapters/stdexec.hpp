/**
 * @file stdexec.hpp
 * @brief A scheduler for stdexec (P2300, std::execution): `stdexec::schedule(vgpu::stdexec_scheduler(pool))` completes on a worker.
 *
 * Untested: no registry has stdexec. It is compiled and run against a stand-in for the names that it uses.
 */
#ifndef VGPU_POOL_ADAPTERS_STDEXEC_HPP
#define VGPU_POOL_ADAPTERS_STDEXEC_HPP

#include <stdexec/execution.hpp>

#include "../../vgpu_pool.hpp"

namespace vgpu {

/** The pool must outlive it. */
class stdexec_scheduler {
  public:
    using scheduler_concept = stdexec::scheduler_t;
    explicit stdexec_scheduler(pool_ref pool) noexcept : pool_(pool) {}

    struct environment {
        pool_ref pool;
        stdexec_scheduler query(stdexec::get_completion_scheduler_t<stdexec::set_value_t>) const noexcept { return stdexec_scheduler(pool); }
    };

    /* Lives where its owner put it until it completes: nothing is allocated but the library's task. */
    template <typename Receiver> class operation {
      public:
        using operation_state_concept = stdexec::operation_state_t;
        operation(pool_ref pool, Receiver receiver) : pool_(pool), receiver_(std::move(receiver)) {}
        operation(const operation &) = delete;
        operation &operator=(const operation &) = delete;
        void start() & noexcept {
            const vgpu_status status = vgpu_pool_submit(pool_.handle(), &operation::run, this, nullptr, nullptr);
            if (status != VGPU_OK) {
                stdexec::set_error(std::move(receiver_), std::make_exception_ptr(error(status, vgpu_last_error_message())));
            }
        }

      private:
        static std::int32_t run(vgpu_worker *, void *data) noexcept {
            stdexec::set_value(std::move(static_cast<operation *>(data)->receiver_));
            return 0;
        }
        pool_ref pool_;
        Receiver receiver_;
    };

    struct sender {
        using sender_concept = stdexec::sender_t;
        using completion_signatures = stdexec::completion_signatures<stdexec::set_value_t(), stdexec::set_error_t(std::exception_ptr)>;
        pool_ref pool;
        environment get_env() const noexcept { return {pool}; }
        template <typename Receiver> operation<std::decay_t<Receiver>> connect(Receiver &&receiver) const {
            return {pool, std::forward<Receiver>(receiver)};
        }
    };

    sender schedule() const noexcept { return {pool_}; }
    friend bool operator==(const stdexec_scheduler &a, const stdexec_scheduler &b) noexcept { return a.pool_ == b.pool_; }
    friend bool operator!=(const stdexec_scheduler &a, const stdexec_scheduler &b) noexcept { return a.pool_ != b.pool_; }

  private:
    pool_ref pool_;
};

} // namespace vgpu

#endif
