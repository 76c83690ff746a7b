// A program in C++, with the library linked or, WITH_LOADER, opened at run time.
#ifdef WITH_LOADER
#define VGPU_POOL_LOADER_IMPLEMENTATION
#define VGPU_POOL_LOADER_FUNCTIONS
#include <vgpu_pool_loader.h>
#endif
#include <vgpu_pool.hpp>

#include <cstdio>
#include <functional>

int main() {
#ifdef WITH_LOADER
    char why[256];
    if (vgpu_pool_load(nullptr, why, sizeof why) != 0) {
        std::fprintf(stderr, "%s\n", why);
        return 1;
    }
#endif
    vgpu::pool pool;
    const long sum = pool.parallel_reduce(1000, 0L, [](std::size_t i) { return static_cast<long>(i); }, std::plus<>());
    std::printf("vgpu_pool %s sums to %ld\n", vgpu_version_string(), sum);
    return sum == 499500 ? 0 : 1;
}
