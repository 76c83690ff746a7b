//! A packed B and operands of bf16: the bits are those of the plain product.

use super::*;
use crate::error::Status;
use crate::gemm::{Bf16, PackB, PackedB, PackedGemm, gemm_packed};

fn source<T>(gemm: &Gemm<T>) -> PackB<T> {
    PackB { layout: gemm.layout, trans_b: gemm.trans_b, n: gemm.n, k: gemm.k, b: gemm.b, ldb: gemm.ldb }
}

fn with<'a, T: Element>(gemm: &Gemm<T>, b: &'a PackedB<T>) -> PackedGemm<'a, T> {
    PackedGemm {
        trans_a: gemm.trans_a,
        m: gemm.m,
        alpha: gemm.alpha,
        a: gemm.a,
        lda: gemm.lda,
        b,
        beta: gemm.beta,
        c: gemm.c,
        ldc: gemm.ldc,
    }
}

fn packed_like_plain<T: Number>() {
    for (m, n, k) in [(1, 1, 1), (5, 50, 9), (70, 130, 1100), (33, 1, 400), (1, 200, 500), (300, 500, 80)] {
        for shape in (Shape { pad: 2, ..Shape::plain(m, n, k) }).everywhere() {
            if shape.trans_a == Transpose::Conjugate || (m > 100 && shape.trans_b == Transpose::Conjugate) {
                continue;
            }
            let mut dice = Dice(9);
            let mut case = Case::<T>::new(shape, T::fraction(0.9), T::fraction(-1.1), || dice.fraction());
            let before = case.c.memory.clone();
            for level in levels() {
                let expected = case.run(level, &Serial::default());
                for workers in [1, 3] {
                    let tiles = Threads::new(workers, 5);
                    let gemm = case.gemm();
                    // SAFETY: the case owns its three matrices.
                    let packed = unsafe { PackedB::at(level, &source(&gemm), &tiles) }.unwrap();
                    // B itself is not needed any more, and the packed one serves twice.
                    let b = core::mem::replace(&mut case.b.memory, vec![T::NAN]);
                    for _ in 0..2 {
                        case.c.memory.clone_from(&before);
                        // SAFETY: as above.
                        unsafe { gemm_packed(&with(&gemm, &packed), &tiles) }.unwrap();
                        assert_bits(&case.c.memory, &expected, (level, shape, workers));
                    }
                    case.c.memory.clone_from(&before);
                    case.b.memory = b;
                }
            }
        }
    }
}

#[test]
fn a_packed_b_gives_the_same_bits_in_f32() {
    packed_like_plain::<f32>();
}

#[test]
fn a_packed_b_gives_the_same_bits_in_f64() {
    packed_like_plain::<f64>();
}

#[test]
fn an_empty_b_may_be_packed() {
    for (n, k) in [(0, 0), (0, 5), (5, 0)] {
        for layout in LAYOUTS {
            let mut case = Case::<f32>::new(Shape { layout, ..Shape::plain(3, n, k) }, 1.0, 2.0, || 1.0);
            let expected = case.naive();
            let gemm = case.gemm();
            // SAFETY: the case owns its three matrices.
            unsafe {
                let source = PackB { b: core::ptr::null(), ..source(&gemm) };
                let packed = PackedB::<f32>::new(&source, &Serial::default()).unwrap();
                gemm_packed(&with(&gemm, &packed), &Serial::default()).unwrap();
            }
            assert_same(&case.c.memory, &expected, (layout, n, k));
        }
    }
}

#[test]
fn what_is_wrong_with_a_b_is_said() {
    let mut case = Case::<f32>::new(Shape::plain(3, 4, 5), 1.0, 2.0, || 1.0);
    let gemm = case.gemm();
    let good = source(&gemm);
    for (name, bad) in [
        ("ldb,", PackB { ldb: 3, ..good }),
        ("n,", PackB { n: -1, ..good }),
        ("k,", PackB { k: -1, ..good }),
        ("B is NULL", PackB { b: core::ptr::null(), ..good }),
    ] {
        // SAFETY: refused before anything is read.
        let error = unsafe { PackedB::<f32>::new(&bad, &Serial::default()) }.err().expect("this is wrong");
        assert_eq!(error.status(), Status::InvalidArgument);
        assert!(error.message().starts_with(name) && error.message().contains("pass "), "{error}");
    }
}

#[test]
fn bf16_is_rounded_to_nearest_even() {
    let all = [
        (0x3f80_0000, 0x3f80),
        (0x3f80_8000, 0x3f80),
        (0x3f80_8001, 0x3f81),
        (0x3f81_8000, 0x3f82),
        (0x8000_0000, 0x8000),
    ];
    for (value, bits) in all {
        assert_eq!(Bf16::from_f32(f32::from_bits(value)), Bf16(bits), "{value:x}");
    }
    assert_eq!(Bf16::from_f32(f32::MAX).to_f32(), f32::INFINITY);
    assert!(Bf16::from_f32(f32::from_bits(0x7f80_0001)).to_f32().is_nan());
    for bits in 0..=u16::MAX {
        let value = Bf16(bits).to_f32();
        assert!(value.is_nan() || Bf16::from_f32(value) == Bf16(bits));
    }
}

fn rounded(matrix: &Stored<f32>) -> Vec<Bf16> {
    matrix.memory.iter().map(|&x| Bf16::from_f32(x)).collect()
}

#[test]
fn bf16_operands_give_the_bits_of_the_same_numbers_in_f32() {
    for (m, n, k) in
        [(1, 1, 1), (5, 7, 9), (17, 49, 130), (60, 130, 1100), (1, 200, 500), (200, 1, 520), (300, 500, 40), (4, 4, 0)]
    {
        for shape in (Shape { pad: 2, ..Shape::plain(m, n, k) }).everywhere() {
            if shape.trans_a == Transpose::Conjugate || shape.trans_b == Transpose::Conjugate {
                continue;
            }
            let mut dice = Dice(10);
            let mut case = Case::<f32>::new(shape, 0.9, -1.1, || dice.fraction());
            let (a, b) = (rounded(&case.a), rounded(&case.b));
            case.a.memory = a.iter().map(|x| x.to_f32()).collect();
            case.b.memory = b.iter().map(|x| x.to_f32()).collect();
            let before = case.c.memory.clone();
            for level in levels() {
                let expected = case.run(level, &Serial::default());
                for workers in [1, 3] {
                    let Gemm { layout, trans_a, trans_b, m, n, k, alpha, lda, ldb, beta, c, ldc, .. } = case.gemm();
                    let (a, b) = (a[1..].as_ptr(), b[1..].as_ptr());
                    let gemm = Gemm { layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc };
                    // SAFETY: the matrices are here.
                    unsafe { gemm_at(level, &gemm, &Threads::new(workers, 5)) }.unwrap();
                    assert_bits(&case.c.memory, &expected, (level, shape, workers));
                    case.c.memory.clone_from(&before);
                }
            }
        }
    }
}
