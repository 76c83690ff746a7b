// The names of stdexec that stdexec.hpp uses, as P2300 says them.
#pragma once
#include <exception>
#include <utility>
namespace stdexec {
struct scheduler_t {};
struct sender_t {};
struct operation_state_t {};
struct set_value_t {
    template <typename R, typename... A> void operator()(R &&receiver, A &&...values) const noexcept {
        std::forward<R>(receiver).set_value(std::forward<A>(values)...);
    }
};
struct set_error_t {
    template <typename R, typename E> void operator()(R &&receiver, E &&error) const noexcept { std::forward<R>(receiver).set_error(std::forward<E>(error)); }
};
inline constexpr set_value_t set_value{};
inline constexpr set_error_t set_error{};
template <typename> struct get_completion_scheduler_t {};
template <typename...> struct completion_signatures {};
} // namespace stdexec
