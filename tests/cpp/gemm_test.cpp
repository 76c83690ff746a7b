// Products on views: against three loops, for every transposition, and for views that do not fit.
#include "check.hpp"

#include <string>
#include <vector>

namespace {

template <typename T> void transpositions(vgpu::pool_ref pool) {
    const std::size_t m = 5, n = 7, k = 9;
    for (int which = 0; which < 8; which++) {
        const bool ta = (which & 1) != 0, tb = (which & 2) != 0, tc = (which & 4) != 0;
        // Strides that leave room between the rows.
        std::vector<T> memory_a(200), memory_b(200), memory_c(200, T(1));
        for (std::size_t i = 0; i < 200; i++) {
            memory_a[i] = static_cast<T>(i % 13) - T(6);
            memory_b[i] = static_cast<T>(i % 7) - T(3);
        }
        const vgpu::matrix_view<T> a = ta ? vgpu::matrix_view<T>(memory_a, k, m, m + 2).transposed() : vgpu::matrix_view<T>(memory_a, m, k, k + 1);
        const vgpu::matrix_view<T> b = tb ? vgpu::matrix_view<T>(memory_b, n, k, k + 3).transposed() : vgpu::matrix_view<T>(memory_b, k, n, n);
        const vgpu::matrix_view<T> c = tc ? vgpu::matrix_view<T>(memory_c, n, m, m + 1).transposed() : vgpu::matrix_view<T>(memory_c, m, n, n + 4);
        const std::vector<T> before = memory_c;
        vgpu::gemm(pool, T(2), a, b, T(3), c);
        std::size_t changed = 0;
        for (std::size_t i = 0; i < m; i++) {
            for (std::size_t j = 0; j < n; j++) {
                T sum = 0;
                for (std::size_t l = 0; l < k; l++) sum += a(i, l) * b(l, j);
                CHECK(!(c(i, j) < 2 * sum + 3) && !(c(i, j) > 2 * sum + 3));
                changed += c(i, j) < 1 || c(i, j) > 1;
            }
        }
        // What lies between the rows is as it was.
        std::size_t differing = 0;
        for (std::size_t i = 0; i < before.size(); i++) differing += before[i] < memory_c[i] || before[i] > memory_c[i];
        CHECK(differing == changed);
    }
}

// Small whole numbers are exact on either way.
void by_way_of_bf16(vgpu::pool_ref pool) {
    const std::size_t m = 140, n = 133, k = 70;
    std::vector<float> a(m * k), b(k * n), c(m * n, 1.0F);
    for (std::size_t i = 0; i < a.size(); i++) a[i] = static_cast<float>(i % 13) - 6.0F;
    for (std::size_t i = 0; i < b.size(); i++) b[i] = static_cast<float>(i % 7) - 3.0F;
    std::vector<float> plain = c;
    vgpu::gemm(pool, 2.0F, {a, m, k}, {b, k, n}, 3.0F, {plain, m, n});
    vgpu::gemm_bf16x3(pool, 2.0F, {a, m, k}, {b, k, n}, 3.0F, {c, m, n});
    CHECK(c == plain);
    CHECK(status_of([&] { vgpu::gemm_bf16x3(pool, 2.0F, {a, m, k}, {b, k, n}, 3.0F, {c, n, m}); }) == VGPU_ERROR_INVALID_ARGUMENT);
}

void views_that_do_not_fit(vgpu::pool_ref pool) {
    std::vector<double> memory(12);
    using view = vgpu::matrix_view<double>;
    CHECK(status_of([&] { view(memory, 3, 4); }) == VGPU_OK);
    CHECK(status_of([&] { view(memory, 4, 4); }) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(status_of([&] { view(memory, 3, 2, 5); }) == VGPU_OK);
    CHECK(status_of([&] { view(memory, 3, 3, 5); }) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(status_of([&] { view(memory, static_cast<std::size_t>(-1) / 2, 4, 4); }) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(status_of([&] { view(memory, 0, 100); }) == VGPU_OK);
    // Sizes that do not fit each other.
    CHECK(status_of([&] { vgpu::gemm(pool, 1.0, view(memory, 3, 4), view(memory, 3, 3), 0.0, view(memory, 3, 3)); }) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(thrown_by([&] { vgpu::gemm(pool, 1.0, view(memory, 3, 4), view(memory, 4, 3), 0.0, view(memory, 2, 3)); }).find("a.rows()") != std::string::npos);
    // Rows that overlap.
    CHECK(status_of([&] { vgpu::gemm(pool, 1.0, view(memory.data(), 2, 2, 1), view(memory, 2, 2), 0.0, view(memory, 2, 2)); }) ==
          VGPU_ERROR_INVALID_ARGUMENT);
}

} // namespace

int main() {
    vgpu::pool pool(workers(2));
    transpositions<float>(pool);
    transpositions<double>(pool);
    transpositions<double>(vgpu::pool_ref());
    by_way_of_bf16(pool);
    by_way_of_bf16(vgpu::pool_ref());
    views_that_do_not_fit(pool);
    std::vector<double> a(6, 1.0), b(6, 2.0), c(4);
    vgpu::gemm(pool, 1.0, {a, 2, 3}, {b, 3, 2}, 0.0, {c, 2, 2});
    CHECK(c[0] > 5.9 && c[3] < 6.1);
    return report();
}
