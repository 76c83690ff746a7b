/**
 * @file gemm.hpp
 * @brief Matrix products on views. Part of vgpu_pool.hpp.
 */
#ifndef VGPU_POOL_GEMM_HPP
#define VGPU_POOL_GEMM_HPP

#include <limits>

#include "pool.hpp"

namespace vgpu {

/**
 * A matrix that lies in somebody else's memory: rows of cols elements, stride elements from one row to the next. The memory must
 * outlive the view.
 */
template <typename T> class matrix_view {
  public:
    /** Rows one after the other; with a stride greater than cols there is room between them. */
    matrix_view(T *data, std::size_t rows, std::size_t cols, std::size_t stride) noexcept : data_(data), rows_(rows), cols_(cols), stride_(stride) {}
    matrix_view(T *data, std::size_t rows, std::size_t cols) noexcept : matrix_view(data, rows, cols, cols) {}
    /**
     * A matrix in a std::span, std::vector, std::array or anything else with data() and size().
     * @throws error with VGPU_ERROR_INVALID_ARGUMENT if it is too short
     */
    template <typename Span, typename = decltype(std::declval<Span &>().data())>
    matrix_view(Span &&span, std::size_t rows, std::size_t cols, std::size_t stride) : matrix_view(span.data(), rows, cols, stride) {
        // The last row need not be followed by the rest of its stride. The division keeps the product from overflowing.
        if (rows > 0 && cols > 0 && (span.size() < cols || (rows > 1 && (stride == 0 || (span.size() - cols) / stride < rows - 1)))) {
            detail::fail(VGPU_ERROR_INVALID_ARGUMENT, "a matrix does not fit the memory it was given: (rows - 1) * stride + cols elements are needed");
        }
    }
    template <typename Span, typename = decltype(std::declval<Span &>().data())>
    matrix_view(Span &&span, std::size_t rows, std::size_t cols) : matrix_view(std::forward<Span>(span), rows, cols, cols) {}
    /** A view that only reads, of one that also writes. */
    operator matrix_view<const T>() const noexcept {
        matrix_view<const T> view(data_, stored_rows(), stored_cols(), stride_);
        return is_transposed_ ? view.transposed() : view;
    }

    /** The same memory with rows and columns exchanged. Nothing is moved. */
    matrix_view transposed() const noexcept {
        matrix_view other(*this);
        std::swap(other.rows_, other.cols_);
        other.is_transposed_ = !is_transposed_;
        return other;
    }

    T *data() const noexcept { return data_; }
    std::size_t rows() const noexcept { return rows_; }
    std::size_t cols() const noexcept { return cols_; }
    std::size_t stride() const noexcept { return stride_; }
    bool is_transposed() const noexcept { return is_transposed_; }
    /** The element in a row and a column. */
    T &operator()(std::size_t row, std::size_t col) const noexcept { return is_transposed_ ? data_[col * stride_ + row] : data_[row * stride_ + col]; }

  private:
    std::size_t stored_rows() const noexcept { return is_transposed_ ? cols_ : rows_; }
    std::size_t stored_cols() const noexcept { return is_transposed_ ? rows_ : cols_; }

    T *data_;
    std::size_t rows_, cols_, stride_;
    bool is_transposed_ = false;
};

namespace detail {

inline std::int64_t size_of_matrix(std::size_t size) {
    if (size > static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max())) {
        fail(VGPU_ERROR_OVERFLOW, "a size or stride of a matrix does not fit 63 bits");
    }
    return static_cast<std::int64_t>(size);
}

/** @p gemm is the function of C that multiplies. */
template <typename T, typename Gemm>
void product(Gemm gemm, vgpu_pool *pool, T alpha, matrix_view<const T> a, matrix_view<const T> b, T beta, matrix_view<T> c) {
    if (a.rows() != c.rows() || b.cols() != c.cols() || a.cols() != b.rows()) {
        fail(VGPU_ERROR_INVALID_ARGUMENT, "the matrices of a product do not fit: C is a.rows() x b.cols(), and a.cols() is b.rows()");
    }
    if (c.is_transposed()) {
        // What is stored are the rows of the transposed product.
        return product(gemm, pool, alpha, b.transposed(), a.transposed(), beta, c.transposed());
    }
    const auto stride = [](const auto &view) { return size_of_matrix(std::max(view.stride(), std::size_t{1})); };
    const auto trans = [](const auto &view) { return view.is_transposed() ? VGPU_TRANS : VGPU_NO_TRANS; };
    check(gemm(pool, VGPU_ROW_MAJOR, trans(a), trans(b), size_of_matrix(c.rows()), size_of_matrix(c.cols()), size_of_matrix(a.cols()), alpha, a.data(),
               stride(a), b.data(), stride(b), beta, c.data(), stride(c)));
}

} // namespace detail

/**
 * C = alpha * A * B + beta * C, of float or of double, on the workers of the pool or, without one, on the caller. Each matrix may
 * be a transposed() view. Where beta is 0, C is not read. C must not overlap A or B. The result is the same to the last bit for
 * any number of workers. Blocks until C is complete.
 *
 *     std::vector<double> a(m * k), b(k * n), c(m * n);
 *     vgpu::gemm(pool, 1.0, {a, m, k}, {b, k, n}, 0.0, {c, m, n});
 *
 * @throws error with VGPU_ERROR_INVALID_ARGUMENT for sizes that do not fit each other; as vgpu_sgemm() fails
 */
inline void gemm(pool_ref pool, float alpha, matrix_view<const float> a, matrix_view<const float> b, float beta, matrix_view<float> c) {
    detail::product(&vgpu_sgemm, pool.handle(), alpha, a, b, beta, c);
}
/** The same in double precision. */
inline void gemm(pool_ref pool, double alpha, matrix_view<const double> a, matrix_view<const double> b, double beta, matrix_view<double> c) {
    detail::product(&vgpu_dgemm, pool.handle(), alpha, a, b, beta, c);
}
/** As gemm() of float, by way of bf16 where the CPU has AMX: faster, with an error of the same size; see vgpu_sgemm_bf16x3(). */
inline void gemm_bf16x3(pool_ref pool, float alpha, matrix_view<const float> a, matrix_view<const float> b, float beta, matrix_view<float> c) {
    detail::product(&vgpu_sgemm_bf16x3, pool.handle(), alpha, a, b, beta, c);
}

} // namespace vgpu

#endif
