//! Arguments that are wrong, and what is said about them.

use super::*;
use crate::error::Status;

#[test]
fn numbers_are_those_of_cblas() {
    for layout in LAYOUTS {
        assert_eq!(Layout::from_code(layout as i32).ok(), Some(layout));
    }
    for trans in TRANSPOSES {
        assert_eq!(Transpose::from_code(trans as i32).ok(), Some(trans));
    }
    assert_eq!((Layout::RowMajor as i32, Layout::ColMajor as i32), (101, 102));
    assert_eq!(TRANSPOSES.map(|trans| trans as i32), [111, 112, 113]);
    for code in [0, 100, 103, 110, 114, -1, i32::MAX, i32::MIN] {
        assert_eq!(Layout::from_code(code).err().map(|error| error.status()), Some(Status::InvalidArgument));
        assert_eq!(Transpose::from_code(code).err().map(|error| error.status()), Some(Status::InvalidArgument));
    }
}

/// Runs a 2 x 3 x 4 product after `spoil`, and checks that it is refused with a sentence naming `name`.
#[track_caller]
fn refused(status: Status, name: &str, shape: Shape, spoil: impl Fn(&mut Gemm<f32>)) {
    let mut case = Case::<f32>::new(shape, 1.0, 0.0, || 1.0);
    let before = case.c.memory.clone();
    let mut gemm = case.gemm();
    spoil(&mut gemm);
    // SAFETY: the arguments are refused before anything is read; were they not, the test would fail anyway.
    let error = unsafe { gemm_at(Level::detect(), &gemm, &Serial::default()) }.expect_err("this is wrong");
    assert_eq!(error.status(), status, "{error}");
    assert!(error.message().starts_with(name) && error.message().contains("pass "), "{error}");
    assert_eq!(case.c.memory, before);
}

#[test]
fn negative_sizes_are_refused() {
    for value in [-1, i64::MIN] {
        refused(Status::InvalidArgument, "m,", Shape::plain(2, 3, 4), |gemm| gemm.m = value);
        refused(Status::InvalidArgument, "n,", Shape::plain(2, 3, 4), |gemm| gemm.n = value);
        refused(Status::InvalidArgument, "k,", Shape::plain(2, 3, 4), |gemm| gemm.k = value);
    }
}

#[test]
fn leading_dimensions_that_are_too_small_are_refused() {
    for shape in Shape::plain(2, 3, 4).everywhere() {
        refused(Status::InvalidArgument, "lda,", shape, |gemm| gemm.lda -= 1);
        refused(Status::InvalidArgument, "ldb,", shape, |gemm| gemm.ldb -= 1);
        refused(Status::InvalidArgument, "ldc,", shape, |gemm| gemm.ldc -= 1);
        refused(Status::InvalidArgument, "ldc,", shape, |gemm| gemm.ldc = i64::MIN);
    }
    // As in BLAS, a leading dimension is at least 1 even where nothing is stored.
    for shape in Shape::plain(0, 0, 0).everywhere() {
        refused(Status::InvalidArgument, "lda,", shape, |gemm| gemm.lda = 0);
        refused(Status::InvalidArgument, "ldb,", shape, |gemm| gemm.ldb = 0);
        refused(Status::InvalidArgument, "ldc,", shape, |gemm| gemm.ldc = 0);
    }
}

#[test]
fn null_matrices_are_refused_where_they_would_be_used() {
    let shape = Shape::plain(2, 3, 4);
    refused(Status::InvalidArgument, "A is NULL", shape, |gemm| gemm.a = core::ptr::null());
    refused(Status::InvalidArgument, "B is NULL", shape, |gemm| gemm.b = core::ptr::null());
    refused(Status::InvalidArgument, "C is NULL", shape, |gemm| gemm.c = core::ptr::null_mut());
    for (m, n) in [(0, 3), (2, 0)] {
        let mut case = Case::<f32>::new(Shape::plain(m, n, 4), 1.0, 0.0, || 1.0);
        let mut gemm = case.gemm();
        (gemm.a, gemm.b, gemm.c) = (core::ptr::null(), core::ptr::null(), core::ptr::null_mut());
        // SAFETY: C has no elements.
        unsafe { gemm_at(Level::detect(), &gemm, &Serial::default()) }.unwrap();
    }
}

#[test]
fn matrices_larger_than_the_address_space_are_refused() {
    let huge = i64::MAX;
    let shape = Shape::plain(2, 3, 4);
    refused(Status::Overflow, "A spans", shape, |gemm| gemm.lda = huge);
    refused(Status::Overflow, "B spans", shape, |gemm| gemm.ldb = huge);
    refused(Status::Overflow, "C spans", shape, |gemm| gemm.ldc = huge);
    refused(Status::Overflow, "A spans", shape, |gemm| gemm.m = huge);
    refused(Status::Overflow, "B spans", shape, |gemm| (gemm.n, gemm.ldb, gemm.ldc) = (huge, huge, huge));
    refused(Status::Overflow, "A spans", shape, |gemm| (gemm.k, gemm.lda) = (huge, huge));
    refused(Status::Overflow, "C spans", Shape::plain(1, 3, 0), |gemm| (gemm.m, gemm.ldc) = (1 << 40, 1 << 40));
}

#[test]
fn empty_products_may_have_sizes_of_any_size() {
    let mut case = Case::<f64>::new(Shape::plain(0, 3, 4), 1.0, 0.0, || 1.0);
    let mut gemm = case.gemm();
    (gemm.n, gemm.k, gemm.lda, gemm.ldb, gemm.ldc) = (1 << 30, 1 << 20, 1 << 20, 1 << 30, 1 << 30);
    // SAFETY: C has no elements.
    unsafe { gemm_at(Level::detect(), &gemm, &Serial::default()) }.unwrap();
}
