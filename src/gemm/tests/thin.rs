//! Products with one row or column, with few rows, and with few columns, too large to be small: each has a way of its own.

use super::*;
use crate::error::Status;
use core::ffi::c_void;

/// One row or column, long, and of few elements of C with a long k; few rows; few columns.
const SHAPES: [(usize, usize, usize); 12] = [
    (1, 1501, 800),
    (1501, 1, 800),
    (1, 21, 60_000),
    (21, 1, 60_000),
    (1, 1, 1_100_000),
    (20, 130, 900),
    (33, 331, 200),
    (43, 130, 1030),
    (64, 30, 800),
    (900, 7, 700),
    (401, 16, 300),
    (101, 60, 410),
];

fn straight() -> impl Iterator<Item = Shape> {
    SHAPES.into_iter().flat_map(|(m, n, k)| {
        (Shape { pad: 2, ..Shape::plain(m, n, k) })
            .everywhere()
            .filter(|shape| {
                (shape.layout == Layout::RowMajor || shape.m.min(shape.n) == 1) && shape.trans_b != Transpose::Conjugate
            })
            .filter(|shape| shape.trans_a != Transpose::Conjugate)
    })
}

fn exact<T: Number>(alpha: i64, beta: i64) {
    for shape in straight() {
        let mut dice = Dice(21);
        let mut case = Case::<T>::new(shape, T::whole(alpha), T::whole(beta), || dice.small());
        let expected = case.naive();
        if beta == 0 {
            for i in 0..shape.m {
                for j in 0..shape.n {
                    let at = case.c.index(i, j);
                    case.c.memory[at] = T::NAN;
                }
            }
        }
        for level in levels() {
            assert_same(&case.run(level, &Serial::default()), &expected, (level, shape));
            assert_same(&case.run(level, &Threads::new(3, 5)), &expected, (level, shape, "shared"));
        }
    }
}

#[test]
fn thin_f32_products_are_exact_and_with_a_beta_of_zero_c_is_not_read() {
    exact::<f32>(1, 0);
}

#[test]
fn thin_f64_products_are_exact() {
    exact::<f64>(-3, 2);
}

fn same_for_any_workers<T: Number>() {
    for shape in straight().filter(|shape| shape.layout == Layout::RowMajor) {
        let mut dice = Dice(12);
        let case = Case::<T>::new(shape, T::fraction(0.9), T::fraction(-1.1), || dice.fraction());
        for level in levels() {
            let expected = case.run(level, &Serial::default());
            for (workers, stride) in [(2, 1), (5, 7)] {
                assert_bits(&case.run(level, &Threads::new(workers, stride)), &expected, (level, shape, workers));
            }
        }
    }
}

#[test]
fn bits_of_thin_f32_products_do_not_depend_on_workers() {
    same_for_any_workers::<f32>();
}

#[test]
fn bits_of_thin_f64_products_do_not_depend_on_workers() {
    same_for_any_workers::<f64>();
}

/// A part of a large product, computed alone, has the bits it has there.
fn has_the_bits_of_the_whole<T: Number>(whole: (usize, usize, usize), parts: &[(usize, usize)]) {
    let no = Transpose::No;
    for (trans_a, trans_b) in [(no, no), (Transpose::Yes, no), (no, Transpose::Yes)] {
        let (m, n, k) = whole;
        let mut dice = Dice(4);
        let shape = Shape { trans_a, trans_b, ..Shape::plain(m, n, k) };
        let case = Case::<T>::new(shape, T::fraction(0.7), T::fraction(1.2), || dice.fraction());
        for level in levels() {
            let expected = case.run(level, &Serial::default());
            for &(m, n) in parts {
                let mut alone = case.clone();
                let mut gemm = alone.gemm();
                (gemm.m, gemm.n) = (m as i64, n as i64);
                // SAFETY: the case owns its three matrices, and these are corners of them.
                unsafe { gemm_at(level, &gemm, &Threads::new(2, 1)) }.unwrap();
                for i in 0..m {
                    for j in 0..n {
                        let at = case.c.index(i, j);
                        let (x, y) = (alone.c.memory[at], expected[at]);
                        assert_eq!(x.bits(), y.bits(), "{level:?} {shape:?}: {m} x {n} at {i}, {j}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_or_a_few_have_the_bits_of_the_whole() {
    has_the_bits_of_the_whole::<f32>((70, 1300, 1100), &[(1, 1300), (20, 1300), (41, 501)]);
    has_the_bits_of_the_whole::<f64>((70, 1300, 1100), &[(1, 1300), (20, 1300), (41, 501)]);
}

#[test]
fn a_column_or_a_few_have_the_bits_of_the_whole() {
    has_the_bits_of_the_whole::<f32>((1300, 70, 1100), &[(1300, 1), (1300, 9), (1200, 40)]);
    has_the_bits_of_the_whole::<f64>((1300, 70, 1100), &[(1300, 1), (1300, 9), (1200, 40)]);
}

unsafe extern "C-unwind" fn nothing(_: *mut c_void, _: usize, _: usize) -> *mut c_void {
    core::ptr::null_mut()
}

unsafe extern "C-unwind" fn never(_: *mut c_void, _: *mut c_void, _: usize, _: usize) {
    unreachable!("nothing was allocated");
}

#[test]
fn a_vector_takes_memory_only_where_blocks_of_k_are_shared_out() {
    for (n, k, workers, fails) in [(40_000, 200, 4, false), (21, 60_000, 1, false), (21, 60_000, 4, true)] {
        let mut case = Case::<f32>::new(Shape::plain(1, n, k), 1.0, 1.0, || 1.0);
        let before = case.c.memory.clone();
        let mut tiles = Threads::new(workers, 1);
        // SAFETY: both functions may be called by anyone.
        tiles.allocator = unsafe { Allocator::from_host(nothing, never, core::ptr::null_mut()) };
        let gemm = case.gemm();
        // SAFETY: the case owns its three matrices.
        let result = unsafe { gemm_at(Level::detect(), &gemm, &tiles) };
        assert_eq!(result.err().map(|error| error.status()), fails.then_some(Status::OutOfMemory));
        let expected = if fails { before } else { case.naive_of_ones(&before) };
        assert_bits(&case.c.memory, &expected, (n, workers));
    }
}

impl Case<f32> {
    /// What C is after a product of matrices that hold ones.
    fn naive_of_ones(&self, before: &[f32]) -> Vec<f32> {
        let mut c = before.to_vec();
        for j in 0..self.shape.n {
            c[self.c.index(0, j)] += self.shape.k as f32;
        }
        c
    }
}

/// A C that is large, with short sums, is written past the caches where its rows begin on whole lines and it is not read.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn exact_in_a_large_c<T: Number>() {
    const LINE: usize = 64;
    let ldc = 3072 * 4 / size_of::<T>();
    let (m, n, k) = (2800, ldc - 5, 6);
    let mut dice = Dice(23);
    let mut memory = vec![T::NAN; m * ldc + LINE];
    let aligned = memory.as_ptr().align_offset(LINE);
    for (beta, shift) in [(0, 0), (0, 1), (2, 0)] {
        let mut case = Case::<T>::new(Shape::plain(m, n, k), T::whole(3), T::whole(beta), || dice.small());
        let naive = case.naive();
        for level in levels() {
            let first = aligned + shift;
            memory.fill(T::NAN);
            if beta != 0 {
                for i in 0..m {
                    memory[first + i * ldc..][..n].copy_from_slice(&case.c.memory[1 + i * n..][..n]);
                }
            }
            let product = Gemm { c: memory[first..].as_mut_ptr(), ldc: ldc as i64, ..case.gemm() };
            // SAFETY: the case owns A and B, and the memory has room for C.
            unsafe { gemm_at(level, &product, &Threads::new(2, 1)) }.unwrap();
            for i in 0..m {
                let row = &memory[first + i * ldc..][..ldc];
                assert!(row[..n] == naive[1 + i * n..][..n], "{level:?}: row {i}");
                assert!(row[n..].iter().all(|value| value.bits() == T::NAN.bits()), "{level:?}: behind row {i}");
            }
        }
    }
}

#[test]
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn short_sums_in_a_large_f32_c_are_exact() {
    exact_in_a_large_c::<f32>();
}

#[test]
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn short_sums_in_a_large_f64_c_are_exact() {
    exact_in_a_large_c::<f64>();
}
