// Built without exceptions and without RTTI: everything that does not fail works the same, and a failure ends the program with
// its sentence.
#include "check.hpp"

#include <functional>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#if VGPU_HAS_EXCEPTIONS
#error "compile with -fno-exceptions"
#endif

namespace {

long fib(vgpu::worker w, long n) {
    if (n < 2) {
        return n;
    }
    const auto both = vgpu::fork_join(
        w, [n](vgpu::worker on) { return fib(on, n - 1); }, [n](vgpu::worker on) { return fib(on, n - 2); });
    return both.first + both.second;
}

// What a child that fails writes, before it aborts.
std::string last_words() {
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        vgpu::pool none(workers(1000000));
        _exit(0);
    }
    close(ends[1]);
    std::string text;
    char bytes[256];
    for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;) text.append(bytes, static_cast<std::size_t>(n));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    return text;
}

} // namespace

int main() {
    const std::string words = last_words();
    CHECK(words.find("VGPU_ERROR_INVALID_ARGUMENT: ") == 0 && words.find("1000000 workers") != std::string::npos);
    vgpu::pool pool(workers(2));
    CHECK(pool.run([](vgpu::worker w) { return fib(w, 20); }) == 6765);
    CHECK(pool.submit([] { return std::string("value"); }).get() == "value");
    vgpu::group group(pool);
    std::atomic<int> ran{0};
    for (int i = 0; i < 10; i++) group.submit([&ran] { ran++; });
    group.wait();
    CHECK(ran == 10);
    std::vector<int> items(20000);
    pool.parallel_for(items.size(), [&](std::size_t i) { items[i] = static_cast<int>(items.size() - i); });
    pool.sort(items.begin(), items.end());
    CHECK(items.front() == 1 && items.back() == 20000);
    CHECK(pool.parallel_reduce(items.size(), 0L, [&](std::size_t i) { return static_cast<long>(items[i]); }, std::plus<>()) == 200010000);
    pool.inclusive_scan(items.begin(), items.begin() + 100, items.begin(), std::plus<>());
    CHECK(items[99] == 5050);
    std::vector<float> a(4, 1.0f), c(4);
    vgpu::gemm(pool, 1.0f, {a, 2, 2}, {a, 2, 2}, 0.0f, {c, 2, 2});
    CHECK(c[0] > 1.9f && c[3] < 2.1f);
    return report();
}
