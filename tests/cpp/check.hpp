// The C++ tests' few tools: checks that say what they found, and pools of a few unpinned workers.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <vgpu_pool.hpp>

#include <atomic>
#include <cstdio>
#include <cstring>

inline std::atomic<int> failures{0};
inline std::atomic<int> checks{0};

inline void check(bool holds, const char *text, const char *file, int line) {
    checks++;
    if (!holds) {
        failures++;
        std::fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
    }
}
#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)

inline vgpu::config workers(std::uint32_t count) {
    return vgpu::config().workers(count).pin(vgpu::pinning::off);
}

inline int report() {
    if (failures != 0) {
        std::fprintf(stderr, "%d of %d checks failed\n", failures.load(), checks.load());
        return 1;
    }
    std::printf("   %d checks passed\n", checks.load());
    return 0;
}

#if VGPU_HAS_EXCEPTIONS
// The status that a call fails with; its sentence must be there.
template <typename F> vgpu_status status_of(F &&f) {
    try {
        f();
    } catch (const vgpu::error &error) {
        CHECK(std::strlen(error.what()) > 20);
        return error.status();
    }
    return VGPU_OK;
}

// The text of the exception that a call throws.
template <typename F> std::string thrown_by(F &&f) {
    try {
        f();
    } catch (const std::exception &exception) {
        return exception.what();
    }
    return "";
}
#endif

#endif
