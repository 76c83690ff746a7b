//! Small whole numbers, whose sums are exact in any order, against a triple loop.

use super::*;

fn exact<T: Number>(shape: Shape, alpha: i64, beta: i64) {
    let mut dice = Dice((shape.m * 1000 + shape.n * 100 + shape.k) as u64);
    let case = Case::<T>::new(shape, T::whole(alpha), T::whole(beta), || dice.small());
    let expected = case.naive();
    for level in levels() {
        assert_same(&case.run(level, &Serial::default()), &expected, (level, shape, alpha, beta));
    }
}

/// Every number of rows up to two tiles and one, every column count near a vector's or a tile's edge, in every layout.
fn every_edge<T: Number>(lanes: usize) {
    let columns =
        [1, 2, lanes - 1, lanes, lanes + 1, 2 * lanes + 3, 3 * lanes, 3 * lanes + 1, 4 * lanes, 6 * lanes + 1];
    for m in 1..=17 {
        for (i, n) in columns.into_iter().enumerate() {
            let k = [1, 4, 7][(m + i) % 3];
            for shape in (Shape { pad: 3, ..Shape::plain(m, n, k) }).everywhere() {
                if shape.trans_a == Transpose::Conjugate || shape.trans_b == Transpose::Conjugate {
                    continue;
                }
                exact::<T>(shape, 2, [0, 1, -3][(m + n) % 3]);
            }
        }
    }
}

#[test]
fn every_edge_of_an_f32_tile_is_exact() {
    every_edge::<f32>(16);
    every_edge::<f32>(4);
}

#[test]
fn every_edge_of_an_f64_tile_is_exact() {
    every_edge::<f64>(8);
    every_edge::<f64>(2);
}

#[test]
fn every_tiny_product_is_exact() {
    for m in 0..6 {
        for n in 0..6 {
            for k in 0..6 {
                for shape in (Shape { pad: 1, ..Shape::plain(m, n, k) }).everywhere() {
                    exact::<f32>(shape, 3, 2);
                    exact::<f64>(shape, -1, 0);
                }
            }
        }
    }
}

#[test]
fn products_of_several_blocks_of_k_are_exact() {
    for (m, n, k) in [(3, 5, 513), (19, 50, 1030), (1, 130, 700), (130, 1, 700), (40, 33, 1200)] {
        for shape in (Shape { pad: 2, ..Shape::plain(m, n, k) }).everywhere() {
            if shape.trans_a != Transpose::Conjugate && shape.trans_b != Transpose::Conjugate {
                exact::<f32>(shape, 1, -1);
                exact::<f64>(shape, 2, 3);
            }
        }
    }
}

#[test]
fn a_packed_product_is_exact() {
    for (trans_a, trans_b) in [(Transpose::No, Transpose::No), (Transpose::Yes, Transpose::Yes)] {
        exact::<f32>(Shape { trans_a, trans_b, pad: 5, ..Shape::plain(60, 205, 150) }, 2, 1);
        exact::<f64>(Shape { trans_a, trans_b, pad: 5, ..Shape::plain(60, 205, 150) }, 1, 0);
    }
}

#[test]
fn where_beta_is_zero_c_is_not_read() {
    for shape in Shape::plain(9, 50, 5).everywhere() {
        let mut dice = Dice(1);
        let mut case = Case::<f32>::new(shape, 1.0, 0.0, || dice.small());
        case.c.memory.fill(f32::NAN);
        for k in [5, 0] {
            case.shape.k = k;
            for level in levels() {
                let c = case.run(level, &Serial::default());
                assert!(c[1..].iter().take(9 * 50).all(|x| !x.is_nan()), "{level:?} {shape:?} k = {k}");
            }
        }
    }
}

#[test]
fn where_alpha_or_k_is_zero_a_and_b_are_not_read() {
    for (alpha, k) in [(0.0, 5), (2.0, 0)] {
        for beta in [0.0, 1.0, -2.0] {
            let shape = Shape { pad: 2, ..Shape::plain(7, 9, k) };
            let mut case = Case::<f64>::new(shape, alpha, beta, || 3.0);
            case.a.memory.fill(f64::NAN);
            case.b.memory.fill(f64::INFINITY);
            let expected = case.naive();
            assert_same(&case.run(Level::detect(), &Serial::default()), &expected, (alpha, k, beta));
            let mut gemm = case.gemm();
            (gemm.a, gemm.b) = (core::ptr::null(), core::ptr::null());
            // SAFETY: A and B may be null here, and the case owns C.
            unsafe { gemm_at(Level::detect(), &gemm, &Serial::default()) }.unwrap();
            assert_same(&case.c.memory, &expected, (alpha, k, beta));
        }
    }
}

#[test]
fn nan_and_infinity_go_through_and_beta_scales_them() {
    let mut case = Case::<f32>::new(Shape::plain(3, 20, 4), 1.0, 1.0, || 1.0);
    case.a.memory[1] = f32::NAN;
    case.c.memory[1 + 2 * 20] = f32::INFINITY;
    for level in levels() {
        let c = case.run(level, &Serial::default());
        assert!(c[1..21].iter().all(|x| x.is_nan()), "{level:?}");
        assert_eq!((c[21], c[41]), (5.0, f32::INFINITY), "{level:?}");
    }
}

#[test]
fn pointers_need_no_alignment_at_all() {
    let mut dice = Dice(3);
    let mut case = Case::<f32>::new(Shape::plain(9, 70, 30), 1.0, 1.0, || dice.small());
    let expected = case.naive();
    let shifted = |values: &[f32]| {
        let mut bytes = vec![0u8; values.len() * 4 + 1];
        for (to, value) in bytes[1..].chunks_exact_mut(4).zip(values) {
            to.copy_from_slice(&value.to_ne_bytes());
        }
        bytes
    };
    for level in levels() {
        for trans_b in [Transpose::No, Transpose::Yes] {
            let (a, b) = (shifted(&case.a.memory[1..]), shifted(&case.b.memory[1..]));
            let mut c = shifted(&case.c.memory[1..]);
            let mut gemm = case.gemm();
            (gemm.a, gemm.b, gemm.c) = (a[1..].as_ptr().cast(), b[1..].as_ptr().cast(), c[1..].as_mut_ptr().cast());
            if trans_b == Transpose::Yes {
                // The same numbers read as an n x k matrix: only that nothing faults is of interest.
                (gemm.trans_b, gemm.ldb) = (trans_b, 30);
            }
            // SAFETY: the three buffers hold the matrices, one byte off.
            unsafe { gemm_at(level, &gemm, &Serial::default()) }.unwrap();
            if trans_b == Transpose::No {
                let got: Vec<f32> = c[1..].chunks_exact(4).map(|x| f32::from_ne_bytes(x.try_into().unwrap())).collect();
                assert_same(&got, &expected[1..], level);
            }
        }
    }
}

/// Memory whose last byte is followed, and whose first page preceded, by pages that may not be touched.
#[cfg(unix)]
struct Fenced {
    base: *mut u8,
    length: usize,
    first: *mut f32,
}

#[cfg(unix)]
impl Fenced {
    /// `values` ending, or else beginning, at a forbidden page.
    fn new(values: &[f32], at_end: bool) -> Fenced {
        let page = 4096;
        let inner = (values.len() * 4).next_multiple_of(page).max(page);
        let length = inner + 2 * page;
        // SAFETY: a fresh private mapping, whose middle is then opened; the values fit there.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let base = libc::mmap(core::ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0).cast::<u8>();
            assert_ne!(base.cast(), libc::MAP_FAILED);
            assert_eq!(libc::mprotect(base.add(page).cast(), inner, libc::PROT_READ | libc::PROT_WRITE), 0);
            let first = base.add(page + if at_end { inner - values.len() * 4 } else { 0 }).cast::<f32>();
            first.copy_from_nonoverlapping(values.as_ptr(), values.len());
            Fenced { base, length, first }
        }
    }
}

#[cfg(unix)]
impl Drop for Fenced {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own.
        unsafe { libc::munmap(self.base.cast(), self.length) };
    }
}

#[test]
#[cfg(all(unix, not(miri)))]
fn nothing_outside_the_matrices_is_touched() {
    for (m, n, k) in [
        (1, 1, 1),
        (5, 3, 2),
        (9, 17, 5),
        (13, 47, 33),
        (8, 50, 4),
        (1, 100, 30),
        (100, 1, 30),
        (90, 150, 120),
        (1, 1500, 701),
        (1500, 1, 701),
        (41, 150, 520),
        (600, 7, 260),
    ] {
        for shape in Shape::plain(m, n, k).everywhere() {
            if shape.trans_a == Transpose::Conjugate || shape.trans_b == Transpose::Conjugate {
                continue;
            }
            let mut dice = Dice(5);
            let mut case = Case::<f32>::new(shape, 1.0, 1.0, || dice.small());
            let expected = if m < 90 { case.naive() } else { case.run(Level::Portable, &Serial::default()) };
            for at_end in [false, true] {
                for level in levels() {
                    let inner = |stored: &Stored<f32>| Fenced::new(&stored.memory[1..], at_end);
                    let (a, b, c) = (inner(&case.a), inner(&case.b), inner(&case.c));
                    let mut gemm = case.gemm();
                    (gemm.a, gemm.b, gemm.c) = (a.first, b.first, c.first);
                    // SAFETY: the mappings hold the matrices.
                    let got = unsafe {
                        gemm_at(level, &gemm, &Serial::default()).unwrap();
                        core::slice::from_raw_parts(c.first, m * n)
                    };
                    assert_same(got, &expected[1..], (level, shape));
                }
            }
        }
    }
}
