/**
 * @file vgpu_pool.hpp
 * @brief The pool for C++17 and later, header-only over vgpu_pool.h: link as for C.
 *
 *     #include <vgpu_pool.hpp>
 *
 *     long fib(vgpu::worker w, long n) {
 *         if (n < 2) return n;
 *         auto [a, b] = vgpu::fork_join(w, [n](vgpu::worker w) { return fib(w, n - 1); },
 *                                          [n](vgpu::worker w) { return fib(w, n - 2); });
 *         return a + b;
 *     }
 *
 *     int main() {
 *         vgpu::pool pool;
 *         std::vector<double> x(1000000, 0.5);
 *         pool.parallel_for(x.size(), [&](std::size_t i) { x[i] = std::sqrt(x[i]); });
 *         double sum = pool.parallel_reduce(x.size(), 0.0, [&](std::size_t i) { return x[i]; }, std::plus<>());
 *         vgpu::future<long> later = pool.submit([](vgpu::worker w) { return fib(w, 30); });
 *         return later.get() == 832040 && sum > 0 ? 0 : 1;
 *     }
 *
 * | file | what |
 * |---|---|
 * | vgpu_pool/pool.hpp | vgpu::pool, vgpu::pool_ref and everything that they do |
 * | vgpu_pool/config.hpp | vgpu::config, the settings of a pool |
 * | vgpu_pool/future.hpp | vgpu::future, the outcome of pool.submit() |
 * | vgpu_pool/group.hpp | vgpu::group, tasks that are waited for together |
 * | vgpu_pool/fork_join.hpp | vgpu::fork_join() |
 * | vgpu_pool/graph.hpp | vgpu::graph, callables that run when those before them have |
 * | vgpu_pool/gemm.hpp | vgpu::gemm() and vgpu::matrix_view |
 * | vgpu_pool/tiers.hpp | vgpu::tiers, memory from the fastest tier that has room |
 * | vgpu_pool/coroutine.hpp | C++20: co_await pool.schedule(), co_await future |
 *
 * ## Errors
 * A call that fails throws vgpu::error, which carries the status and the sentence. An exception thrown by a callable comes out
 * where its result is waited for. Without exceptions (-fno-exceptions) a failure ends the program with its sentence on stderr;
 * a program that wants to go on calls the functions of vgpu_pool.h, which return statuses. RTTI is not needed.
 *
 * ## Threads
 * Everything may be used by any thread, tasks included, at the same time; ending an object is for one thread, as is moving it. A
 * callable that is called by several workers at a time, as those of loops are, must bear it.
 *
 * ## Forks
 * Forks are structured: fork_join() returns when both callables are done. Between a fork and its join a callable must not leave
 * its thread: no fibers, no suspension of a coroutine.
 */
#ifndef VGPU_POOL_HPP
#define VGPU_POOL_HPP

#include "vgpu_pool/algorithm.hpp"
#include "vgpu_pool/config.hpp"
#include "vgpu_pool/coroutine.hpp"
#include "vgpu_pool/error.hpp"
#include "vgpu_pool/fork_join.hpp"
#include "vgpu_pool/future.hpp"
#include "vgpu_pool/gemm.hpp"
#include "vgpu_pool/graph.hpp"
#include "vgpu_pool/group.hpp"
#include "vgpu_pool/parallel.hpp"
#include "vgpu_pool/pool.hpp"
#include "vgpu_pool/tiers.hpp"
#include "vgpu_pool/worker.hpp"

#endif
