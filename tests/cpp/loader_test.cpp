// The C++ headers over a library that is loaded at run time: nothing of them changes.
#define VGPU_POOL_LOADER_IMPLEMENTATION
#define VGPU_POOL_LOADER_FUNCTIONS
#include <vgpu_pool_loader.h>

#include "check.hpp"

#include <functional>
#include <string>

#include <unistd.h>

int main() {
    CHECK(status_of([] { vgpu::pool early; }) == VGPU_ERROR_UNSUPPORTED);
    char here[4096];
    const ssize_t length = readlink("/proc/self/exe", here, sizeof here);
    const std::string program(here, length > 0 ? static_cast<std::size_t>(length) : 0);
    const std::string library = program.substr(0, program.rfind('/')) + "/../lib/libvgpu_pool.so.1";
    char why[256] = "";
    if (vgpu_pool_load(library.c_str(), why, sizeof why) != 0) {
        std::fprintf(stderr, "%s\n", why);
        return 1;
    }
    vgpu::pool pool(workers(2));
    CHECK(pool.submit([] { return 6 * 7; }).get() == 42);
    CHECK(pool.parallel_reduce(1000, std::size_t{0}, [](std::size_t i) { return i; }, std::plus<>()) == 499500);
    return report();
}
