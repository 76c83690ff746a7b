/**
 * @file error.hpp
 * @brief What a failed call becomes: an exception, or the end of the program. Part of vgpu_pool.hpp.
 */
#ifndef VGPU_POOL_ERROR_HPP
#define VGPU_POOL_ERROR_HPP

#include <cstdio>
#include <cstdlib>

#include "../vgpu_pool.h"

#if defined(__cpp_exceptions)
#include <exception>
#include <stdexcept>
#define VGPU_HAS_EXCEPTIONS 1
#else
#define VGPU_HAS_EXCEPTIONS 0
#endif

namespace vgpu {

#if VGPU_HAS_EXCEPTIONS
/** A failed call: what() is the sentence. */
class error : public std::runtime_error {
  public:
    error(vgpu_status status, const char *sentence) : std::runtime_error(sentence), status_(status) {}
    /** The status, such as VGPU_ERROR_CLOSED. */
    vgpu_status status() const noexcept { return status_; }

  private:
    vgpu_status status_;
};
#endif

namespace detail {

/* Ends a failed call: by an exception, or by the end of the program. */
[[noreturn]] inline void fail(vgpu_status status, const char *sentence) {
#if VGPU_HAS_EXCEPTIONS
    throw error(status, sentence);
#else
    std::fprintf(stderr, "%s: %s\n", vgpu_status_name(status), sentence);
    std::abort();
#endif
}

inline void check(vgpu_status status) {
    if (status != VGPU_OK) {
        fail(status, vgpu_last_error_message());
    }
}

} // namespace detail

} // namespace vgpu

#endif
