//! Batches: each product has the bits it has alone, whatever is wrong is found before C is touched.

use super::*;
use crate::error::Status;
use crate::gemm::{BatchGroup, StridedBatch, gemm_batch, gemm_batch_strided};

/// A batch with its numbers: `count` cases of one shape, each matrix of one kind in one memory.
struct Strided<T> {
    cases: Vec<Case<T>>,
    a: Vec<T>,
    b: Vec<T>,
    c: Vec<T>,
}

impl<T: Number> Strided<T> {
    fn new(shape: Shape, count: usize) -> Strided<T> {
        let mut dice = Dice(count as u64);
        let (alpha, beta) = (T::fraction(0.9), T::fraction(-1.1));
        let cases: Vec<Case<T>> = (0..count).map(|_| Case::new(shape, alpha, beta, || dice.fraction())).collect();
        let all = |matrix: fn(&Case<T>) -> &Stored<T>| {
            cases.iter().flat_map(|case| matrix(case).memory.iter().copied()).collect()
        };
        Strided { a: all(|case| &case.a), b: all(|case| &case.b), c: all(|case| &case.c), cases }
    }

    fn batch(&mut self) -> StridedBatch<T> {
        let first = self.cases[0].gemm();
        let case = &self.cases[0];
        let strides = [&case.a, &case.b, &case.c].map(|matrix| matrix.memory.len() as i64);
        let first = Gemm { a: self.a[1..].as_ptr(), b: self.b[1..].as_ptr(), c: self.c[1..].as_mut_ptr(), ..first };
        StridedBatch {
            first,
            stride_a: strides[0],
            stride_b: strides[1],
            stride_c: strides[2],
            count: self.cases.len() as i64,
        }
    }

    /// What the memory of all C should be.
    fn expected(&self) -> Vec<T> {
        self.cases.iter().flat_map(|case| case.run(Level::detect(), &Serial::default())).collect()
    }
}

fn strided_like_single<T: Number>() {
    // Used in place; packed; large enough to be shared out.
    for (m, n, k, count) in [(5, 7, 9, 40), (70, 60, 300, 9), (150, 160, 170, 3), (3, 1, 4, 1)] {
        for layout in LAYOUTS {
            for (trans_a, trans_b) in [(Transpose::No, Transpose::No), (Transpose::Yes, Transpose::Yes)] {
                let shape = Shape { layout, trans_a, trans_b, pad: 2, ..Shape::plain(m, n, k) };
                let expected = Strided::<T>::new(shape, count).expected();
                for workers in [1, 3] {
                    let mut strided = Strided::<T>::new(shape, count);
                    let batch = strided.batch();
                    // SAFETY: the three memories hold the matrices.
                    unsafe { gemm_batch_strided(&batch, &Threads::new(workers, 5)) }.unwrap();
                    assert_bits(&strided.c, &expected, (shape, count, workers));
                }
            }
        }
    }
}

#[test]
fn strided_f32_products_have_the_bits_they_have_alone() {
    strided_like_single::<f32>();
}

#[test]
fn strided_f64_products_have_the_bits_they_have_alone() {
    strided_like_single::<f64>();
}

#[test]
fn products_may_share_an_operand() {
    let shape = Shape::plain(6, 20, 8);
    let mut strided = Strided::<f32>::new(shape, 5);
    for case in &mut strided.cases {
        case.b.memory.copy_from_slice(&strided.b[..20 * 8 + 1]);
    }
    let expected = strided.expected();
    let batch = StridedBatch { stride_b: 0, ..strided.batch() };
    // SAFETY: the three memories hold the matrices.
    unsafe { gemm_batch_strided(&batch, &Serial::default()) }.unwrap();
    assert_bits(&strided.c, &expected, "one B");
}

#[test]
fn scaling_and_empty_batches() {
    let mut strided = Strided::<f64>::new(Shape::plain(4, 5, 6), 3);
    let before = strided.c.clone();
    let mut batch = strided.batch();
    batch.count = 0;
    // SAFETY: nothing is touched.
    unsafe { gemm_batch_strided(&batch, &Serial::default()) }.unwrap();
    assert_bits(&strided.c, &before, "no products");
    let mut batch = strided.batch();
    (batch.first.alpha, batch.first.beta) = (0.0, 2.0);
    (batch.first.a, batch.first.b) = (core::ptr::null(), core::ptr::null());
    // SAFETY: A and B are not read, and C is there.
    unsafe { gemm_batch_strided(&batch, &Threads::new(2, 1)) }.unwrap();
    for (i, (&x, &old)) in strided.c.iter().zip(&before).enumerate() {
        let sentinel = i % 21 == 0;
        assert_eq!(x, if sentinel { old } else { 2.0 * old }, "{i}");
    }
}

#[test]
fn groups_of_all_sizes_have_the_bits_they_have_alone() {
    let shapes =
        [(3, 4, 5, 7), (200, 180, 90, 1), (64, 64, 64, 3), (0, 9, 2, 2), (30, 100, 600, 2), (150, 140, 130, 1)];
    let mut dice = Dice(4);
    let mut cases: Vec<Vec<Case<f32>>> = shapes
        .iter()
        .enumerate()
        .map(|(i, &(m, n, k, count))| {
            let shape = Shape { layout: LAYOUTS[i % 2], trans_b: TRANSPOSES[i % 3], pad: i, ..Shape::plain(m, n, k) };
            (0..count).map(|_| Case::new(shape, 1.5, i as f32 - 1.0, || dice.fraction())).collect()
        })
        .collect();
    let expected: Vec<Vec<f32>> =
        cases.iter().flatten().map(|case| case.run(Level::detect(), &Serial::default())).collect();
    let before: Vec<Vec<f32>> = cases.iter().flatten().map(|case| case.c.memory.clone()).collect();
    for workers in [1, 2, 4] {
        for (case, before) in cases.iter_mut().flatten().zip(&before) {
            case.c.memory.clone_from(before);
        }
        let all: Vec<Vec<Gemm<f32>>> =
            cases.iter_mut().map(|group| group.iter_mut().map(Case::gemm).collect()).collect();
        let pointers: Vec<(Vec<_>, Vec<_>, Vec<_>)> = all
            .iter()
            .map(|group| {
                let a = group.iter().map(|gemm| gemm.a).collect();
                (a, group.iter().map(|gemm| gemm.b).collect(), group.iter().map(|gemm| gemm.c).collect())
            })
            .collect();
        let groups: Vec<BatchGroup<f32>> =
            all.iter().zip(&pointers).map(|(all, (a, b, c))| BatchGroup { shape: all[0], a, b, c }).collect();
        // SAFETY: the cases own their matrices.
        unsafe { gemm_batch(&groups, &Threads::new(workers, 3)) }.unwrap();
        for (case, expected) in cases.iter().flatten().zip(&expected) {
            assert_bits(&case.c.memory, expected, (case.shape, workers));
        }
    }
}

#[test]
fn what_is_wrong_with_a_batch_is_found_before_c_is_touched() {
    let refused = |status: Status, words: &str, spoil: &dyn Fn(&mut StridedBatch<f32>)| {
        let mut strided = Strided::<f32>::new(Shape::plain(4, 5, 6), 3);
        let before = strided.c.clone();
        let mut batch = strided.batch();
        spoil(&mut batch);
        // SAFETY: refused before anything is read.
        let error = unsafe { gemm_batch_strided(&batch, &Threads::new(2, 1)) }.expect_err("this is wrong");
        assert_eq!(error.status(), status, "{error}");
        assert!(error.message().contains(words) && error.message().contains("pass "), "{error}");
        assert_bits(&strided.c, &before, words);
    };
    refused(Status::InvalidArgument, "batch_size", &|batch| batch.count = -1);
    refused(Status::InvalidArgument, "stride_a", &|batch| batch.stride_a = -1);
    refused(Status::InvalidArgument, "stride_b", &|batch| batch.stride_b = i64::MIN);
    refused(Status::InvalidArgument, "stride_c", &|batch| batch.stride_c = 19);
    refused(Status::InvalidArgument, "stride_c", &|batch| (batch.stride_c, batch.count) = (19, 2));
    refused(Status::Overflow, "stride_b", &|batch| batch.stride_b = i64::MAX / 4);
    refused(Status::InvalidArgument, "lda", &|batch| batch.first.lda = 5);
    refused(Status::InvalidArgument, "A is NULL", &|batch| batch.first.a = core::ptr::null());

    let mut first = Case::<f32>::new(Shape::plain(4, 5, 6), 1.0, 0.0, || 1.0);
    let mut second = first.clone();
    let before = first.c.memory.clone();
    let (x, y) = (first.gemm(), second.gemm());
    for (shape, b) in [(Gemm { ldb: 4, ..y }, vec![y.b]), (y, vec![core::ptr::null()]), (y, vec![])] {
        let groups = [
            BatchGroup { shape: x, a: &[x.a], b: &[x.b], c: &[x.c] },
            BatchGroup { shape, a: &[y.a], b: &b, c: &[y.c] },
        ];
        // SAFETY: refused before anything is read.
        let error = unsafe { gemm_batch(&groups, &Serial::default()) }.expect_err("this is wrong");
        assert_eq!(error.status(), Status::InvalidArgument, "{error}");
        assert_bits(&first.c.memory, &before, "the first group is good");
    }
}
