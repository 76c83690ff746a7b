// Loops in all shapes, reductions, scans and sorting: against the serial loop, with exceptions, and with the same bits for any
// number of workers and for the C functions.
#include "check.hpp"

#include <array>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

const std::size_t lengths[] = {0, 1, 2, 15, 16, 17, 100, 1023, 4097, 100003};

// Each index exactly once, in every shape of body.
void shapes(vgpu::pool_ref pool) {
    for (const std::size_t n : lengths) {
        for (const std::size_t grain : std::initializer_list<std::size_t>{0, 1, 7}) {
            std::vector<std::atomic<int>> seen(n);
            const auto is = [&](int times) {
                bool all = true;
                for (const auto &count : seen) {
                    all = all && count == times;
                }
                return all;
            };
            pool.parallel_for(n, [&](std::size_t i) { seen[i]++; }, grain);
            CHECK(is(1));
            pool.parallel_for(n, [&](vgpu::worker, std::size_t i) { seen[i]++; }, grain);
            CHECK(is(2));
            pool.parallel_for(
                n,
                [&](std::size_t begin, std::size_t end) {
                    CHECK(begin < end && end <= n && (grain == 0 || end - begin <= grain));
                    for (; begin < end; begin++) seen[begin]++;
                },
                grain);
            CHECK(is(3));
            pool.parallel_for(
                n,
                [&](vgpu::worker, std::size_t begin, std::size_t end) {
                    for (; begin < end; begin++) seen[begin]++;
                },
                grain);
            CHECK(is(4));
            pool.parallel_for(1000, 1000 + n, [&](std::size_t i) { seen[i - 1000]++; }, grain);
            CHECK(is(5));
            pool.parallel_for_each(seen, [](std::atomic<int> &count) { count++; }, grain);
            CHECK(is(6));
            pool.parallel_for_static(n, [&](std::size_t i) { seen[i]++; }, grain);
            CHECK(is(7));
        }
    }
    pool.parallel_for(5, 3, [](std::size_t) { CHECK(false); });
    std::vector<std::atomic<int>> seen(5 * 7 * 11);
    pool.parallel_for(std::array<std::size_t, 3>{5, 7, 11}, [&](std::size_t i, std::size_t j, std::size_t k) {
        CHECK(i < 5 && j < 7 && k < 11);
        seen[(i * 7 + j) * 11 + k]++;
    });
    pool.parallel_for(std::array<std::size_t, 2>{35, 11}, [&](vgpu::worker, std::size_t i, std::size_t j) { seen[i * 11 + j]++; });
    pool.parallel_for_tiles(35, 11, 4, 3, [&](std::size_t row, std::size_t row_end, std::size_t col, std::size_t col_end) {
        CHECK(row_end - row <= 4 && col_end - col <= 3);
        for (; row < row_end; row++) {
            for (std::size_t c = col; c < col_end; c++) seen[row * 11 + c]++;
        }
    });
    pool.parallel_for(std::array<std::size_t, 2>{0, 11}, [&](std::size_t, std::size_t) { CHECK(false); });
    pool.fork_all(seen.size(), [&](std::size_t i) { seen[i]++; });
    for (const auto &count : seen) {
        CHECK(count == 4);
    }
    const std::size_t huge = static_cast<std::size_t>(-1) / 2;
    CHECK(status_of([&] { pool.parallel_for(std::array<std::size_t, 2>{huge, 3}, [](std::size_t, std::size_t) {}); }) == VGPU_ERROR_OVERFLOW);
    CHECK(status_of([&] { pool.parallel_for_tiles(1, 1, 0, 1, [](std::size_t, std::size_t, std::size_t, std::size_t) {}); }) ==
          VGPU_ERROR_INVALID_ARGUMENT);
}

// The first exception comes out, and what has not begun is left out.
void exceptions(vgpu::pool_ref pool) {
    for (int round = 0; round < 100; round++) {
        std::atomic<std::size_t> calls{0};
        const auto loop = [&] {
            pool.parallel_for(
                100000,
                [&](std::size_t i) {
                    calls++;
                    if (i == 10) throw std::runtime_error("at ten");
                },
                1);
        };
        CHECK(thrown_by(loop) == "at ten");
        CHECK(calls >= 1 && calls < 100000);
        const auto reduce = [&] {
            pool.parallel_reduce(
                10000, 0,
                [](std::size_t i) -> int {
                    if (i == 5000) throw std::runtime_error("in the map");
                    return 1;
                },
                std::plus<>());
        };
        CHECK(thrown_by(reduce) == "in the map");
        CHECK(thrown_by([&] { pool.fork_all(3, [](std::size_t) { throw std::runtime_error("each"); }); }) == "each");
        CHECK(thrown_by([&] {
                  pool.parallel_for_tiles(9, 9, 2, 2, [](std::size_t, std::size_t, std::size_t, std::size_t) { throw std::runtime_error("tile"); });
              }) == "tile");
    }
}

// What the C function makes of the same sum.
double c_sum(vgpu::pool_ref pool, const std::vector<double> &x, std::size_t grain) {
    const double zero = 0;
    double sum = -1;
    const vgpu_status status = vgpu_parallel_reduce(
        pool.handle(), x.size(), grain, sizeof(double), &zero,
        [](vgpu_worker *, void *data, std::size_t begin, std::size_t end, void *value) {
            const auto &numbers = *static_cast<const std::vector<double> *>(data);
            for (; begin < end; begin++) *static_cast<double *>(value) += numbers[begin];
            return std::int32_t{0};
        },
        [](void *, void *left, const void *right) {
            *static_cast<double *>(left) += *static_cast<const double *>(right);
            return std::int32_t{0};
        },
        const_cast<std::vector<double> *>(&x), &sum);
    CHECK(status == VGPU_OK);
    return sum;
}

void reductions(vgpu::pool_ref pool) {
    for (const std::size_t n : lengths) {
        for (const std::size_t grain : std::initializer_list<std::size_t>{0, 1, 100}) {
            std::vector<double> x(n);
            for (std::size_t i = 0; i < n; i++) x[i] = 1.0 / static_cast<double>(i + 1);
            const double by_index = pool.parallel_reduce(n, 0.0, [&](std::size_t i) { return x[i]; }, std::plus<>(), grain);
            const double by_piece = pool.parallel_reduce(
                n, 0.0,
                [&](vgpu::worker, std::size_t begin, std::size_t end, double sum) {
                    for (; begin < end; begin++) sum += x[begin];
                    return sum;
                },
                std::plus<>(), grain);
            // The same pieces in the same order as the library: the same bits.
            CHECK(std::memcmp(&by_index, &by_piece, sizeof by_index) == 0);
            const double c = c_sum(pool, x, grain);
            CHECK(std::memcmp(&by_index, &c, sizeof c) == 0);
        }
    }
    // A value that is not trivial, combined in order.
    const std::string text = pool.parallel_reduce(
        1000, std::string(), [](std::size_t i) { return std::to_string(i % 10); }, [](std::string a, const std::string &b) { return std::move(a) + b; }, 3);
    bool in_order = text.size() == 1000;
    for (std::size_t i = 0; i < text.size(); i++) in_order = in_order && text[i] == static_cast<char>('0' + i % 10);
    CHECK(in_order);
}

void scans(vgpu::pool_ref pool) {
    for (const std::size_t n : lengths) {
        for (const std::size_t grain : std::initializer_list<std::size_t>{0, 1, 100}) {
            std::vector<std::uint64_t> in(n), expected(n), out(n);
            for (std::size_t i = 0; i < n; i++) in[i] = i * 2654435761u % 1000;
            std::inclusive_scan(in.begin(), in.end(), expected.begin());
            CHECK(pool.inclusive_scan(in.begin(), in.end(), out.begin(), std::plus<>(), grain) == out.end());
            CHECK(out == expected);
            std::exclusive_scan(in.begin(), in.end(), expected.begin(), std::uint64_t{5});
            pool.exclusive_scan(in.begin(), in.end(), out.begin(), std::uint64_t{5}, std::plus<>(), grain);
            CHECK(out == expected);
            // In place.
            pool.exclusive_scan(in.begin(), in.end(), in.begin(), std::uint64_t{5}, std::plus<>(), grain);
            CHECK(in == expected);
        }
    }
    // Combined in order.
    std::vector<std::string> words(50);
    for (std::size_t i = 0; i < words.size(); i++) words[i] = static_cast<char>('A' + i);
    std::vector<std::string> expected(50);
    std::inclusive_scan(words.begin(), words.end(), expected.begin());
    pool.inclusive_scan(words.begin(), words.end(), words.begin(), std::plus<>(), 7);
    CHECK(words == expected);
}

void sorts(vgpu::pool_ref pool) {
    std::mt19937 random(1);
    for (const std::size_t n : std::initializer_list<std::size_t>{0, 1, 2, 5000, 200000}) {
        for (const unsigned distinct : {1u, 2u, 1000u, 0u}) {
            std::vector<unsigned> items(n);
            for (unsigned &item : items) item = distinct == 0 ? static_cast<unsigned>(random()) : static_cast<unsigned>(random()) % distinct;
            std::vector<unsigned> expected = items;
            std::sort(expected.begin(), expected.end());
            pool.sort(items.begin(), items.end());
            CHECK(items == expected);
            // Sorted already, and the other way round.
            pool.sort(items.begin(), items.end(), std::greater<>());
            std::reverse(expected.begin(), expected.end());
            CHECK(items == expected);
        }
    }
    // Elements that can only be moved.
    std::vector<std::unique_ptr<int>> owners;
    for (int i = 0; i < 20000; i++) owners.push_back(std::make_unique<int>(static_cast<int>(random() % 100000)));
    pool.sort(owners.begin(), owners.end(), [](const auto &a, const auto &b) { return *a < *b; });
    CHECK(std::is_sorted(owners.begin(), owners.end(), [](const auto &a, const auto &b) { return *a < *b; }));
    // A comparison that throws leaves each element once.
    std::vector<int> items(50000);
    std::iota(items.begin(), items.end(), 0);
    std::shuffle(items.begin(), items.end(), random);
    std::atomic<int> left{100000};
    CHECK(thrown_by([&] {
              pool.sort(items.begin(), items.end(), [&](int a, int b) {
                  if (--left == 0) throw std::runtime_error("enough");
                  return a < b;
              });
          }) == "enough");
    std::sort(items.begin(), items.end());
    for (std::size_t i = 0; i < items.size(); i++) {
        if (items[i] != static_cast<int>(i)) {
            CHECK(false);
            break;
        }
    }
}

// An input that makes every pivot as bad as can be: M. D. McIlroy, A killer adversary for quicksort, 1999.
void adverse_sort(vgpu::pool_ref pool) {
    const int n = 60000;
    const int gas = n;
    std::vector<int> value(n, gas), order(n);
    std::iota(order.begin(), order.end(), 0);
    int solid = 0, candidate = 0;
    long comparisons = 0;
    pool.sort(order.begin(), order.end(), [&](int x, int y) {
        comparisons++;
        const auto at = [&](int i) -> int & { return value[static_cast<std::size_t>(i)]; };
        if (at(x) == gas && at(y) == gas) at(x == candidate ? x : y) = solid++;
        if (at(x) == gas) candidate = x;
        else if (at(y) == gas) candidate = y;
        return at(x) < at(y);
    });
    CHECK(comparisons < 40L * n * 16);
    // Elements that are all equal are sorted by a few looks at each.
    comparisons = 0;
    std::vector<int> equal(200000, 7);
    pool.sort(equal.begin(), equal.end(), [&](int x, int y) {
        comparisons++;
        return x < y;
    });
    CHECK(comparisons < 4 * 200000);
}

void nested(vgpu::pool_ref pool) {
    std::atomic<int> sum{0};
    pool.parallel_for(20, [&](std::size_t) {
        pool.parallel_for(20, [&](std::size_t) { sum += pool.parallel_reduce(10, 0, [](std::size_t) { return 1; }, std::plus<>()); });
    });
    CHECK(sum == 4000);
}

void everything(vgpu::pool_ref pool) {
    shapes(pool);
    exceptions(pool);
    reductions(pool);
    scans(pool);
    sorts(pool);
    nested(pool);
}

} // namespace

int main() {
    everything(vgpu::pool_ref());
    adverse_sort(vgpu::pool_ref());
    for (const std::uint32_t count : {1u, 3u}) {
        vgpu::pool pool(workers(count));
        everything(pool);
    }
    return report();
}
