//! Products by way of bf16: the kernel for AMX gives the bits that its instructions are defined to give, within the error bound; what cannot be split is
//! left to the plain product.

use super::super::split::{
    parts::split,
    tiles::{try_run, try_run_within},
};
use super::accuracy::Exact;
use super::tile_registers::{add_products, in_use, provide};
use super::*;
use crate::gemm::{gemm, gemm_bf16x3, has_bf16x3};

/// Whether the kernel can run here: what it does beside tiles needs AVX-512.
fn can_run() -> bool {
    provide();
    Level::Avx512.is_available() && std::arch::is_x86_feature_detected!("avx512bw")
}

/// The memory of C after the product, and whether it went by way of bf16.
fn run(case: &Case<f32>, tiles: &dyn TileRunner) -> (Vec<f32>, bool) {
    let mut case = case.clone();
    let product = case.gemm().check().unwrap();
    // SAFETY: the case owns its three matrices; there are tile registers, or what stands in for them.
    let done = unsafe { try_run(&product, tiles) }.unwrap();
    assert!(!in_use(), "the registers are given back");
    (case.c.memory, done)
}

/// One element as the kernel is to compute it: A and B in the order that the kernel sees them.
fn element(a: &[f32], b: &[f32], (alpha, beta, old): (f32, f32, f32)) -> f32 {
    let depth = a.len().div_ceil(a.len().div_ceil(f32::K_BLOCK));
    let (mut c, mut beta) = (old, beta);
    for (a, b) in a.chunks(depth).zip(b.chunks(depth)) {
        let mut sum = 0.0;
        for (a, b) in a.chunks(32).zip(b.chunks(32)) {
            // Part `part` of up to 32 numbers, in pairs.
            let pairs = |numbers: &[f32], part: usize| {
                let half = |i: usize| numbers.get(i).map_or(0, |&number| split(number)[part] >> 16);
                core::array::from_fn(|p| half(2 * p) | half(2 * p + 1) << 16)
            };
            for (of_a, of_b) in [(0, 2), (0, 0), (2, 0), (1, 0), (1, 1), (0, 1)] {
                sum = add_products(sum, &pairs(a, of_a), &pairs(b, of_b));
            }
        }
        c = if beta == 0.0 { alpha * sum } else { alpha.mul_add(sum, beta * c) };
        beta = 1.0;
    }
    c
}

fn expected(case: &Case<f32>) -> Vec<f32> {
    let Shape { layout, m, n, k, .. } = case.shape;
    let mut c = case.c.clone();
    for i in 0..m {
        for j in 0..n {
            let at = c.index(i, j);
            let row: Vec<f32> = (0..k).map(|p| case.a.get(i, p)).collect();
            let column: Vec<f32> = (0..k).map(|p| case.b.get(p, j)).collect();
            let [first, second] = if layout == Layout::RowMajor { [row, column] } else { [column, row] };
            c.memory[at] = element(&first, &second, (case.alpha, case.beta, c.memory[at]));
        }
    }
    c.memory
}

fn fractions(shape: Shape, alpha: f32, beta: f32) -> Case<f32> {
    let mut dice = Dice(5);
    Case::new(shape, alpha, beta, || dice.fraction())
}

#[test]
fn the_kernel_gives_the_bits_of_its_instructions_in_every_layout() {
    if !can_run() {
        return;
    }
    for shape in (Shape { pad: 3, ..Shape::plain(45, 38, 70) }).everywhere() {
        let case = fractions(shape, 0.75, -1.1);
        let (got, done) = run(&case, &Serial::default());
        assert!(done);
        assert_bits(&got, &expected(&case), shape);
    }
}

#[test]
fn edges_and_blocks_of_k_are_right_for_any_workers() {
    if !can_run() {
        return;
    }
    for (m, n, k) in [(32, 32, 32), (33, 64, 33), (64, 33, 1030), (170, 50, 40), (40, 290, 65)] {
        let mut case = fractions(Shape { pad: 1, ..Shape::plain(m, n, k) }, 1.0, 0.0);
        // Where beta is zero C is not read.
        case.c.memory.iter_mut().filter(|value| **value != -77.0).for_each(|value| *value = f32::NAN);
        let expected = expected(&case);
        for (workers, stride) in [(1, 1), (2, 1), (3, 5)] {
            let (got, done) = run(&case, &Threads::new(workers, stride));
            assert!(done);
            assert_bits(&got, &expected, (m, n, k, workers));
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_memory_budget() {
    if !can_run() {
        return;
    }
    let case = fractions(Shape::plain(40, 100, 1030), 0.9, -1.1);
    let (expected, _) = run(&case, &Serial::default());
    let panel = 6144 * 344usize.div_ceil(32);
    // One panel of one block, two of one, all of one, all of two.
    for (budget, workers) in [(1, 1), (2 * panel, 2), (4 * panel, 1), (9 * panel, 3)] {
        let mut case = case.clone();
        let product = case.gemm().check().unwrap();
        // SAFETY: as in `run`.
        assert!(unsafe { try_run_within(budget, &product, &Threads::new(workers, 1)) }.unwrap());
        assert_bits(&case.c.memory, &expected, budget);
    }
}

#[test]
fn errors_are_within_the_bound_and_like_those_of_the_plain_product() {
    if !can_run() {
        return;
    }
    for (m, n, k) in [(40, 33, 64), (32, 50, 700)] {
        let mut case = fractions(Shape::plain(m, n, k), -0.7, 1.3);
        // Magnitudes that differ, within what can be split.
        let mut dice = Dice(6);
        for value in case.a.memory.iter_mut().chain(&mut case.b.memory) {
            *value *= 2f32.powi((dice.next() % 40) as i32 - 20);
        }
        let (got, done) = run(&case, &Serial::default());
        assert!(done);
        let plain = case.run(Level::detect(), &Serial::default());
        let (mut most, mut most_plain) = (0f64, 0f64);
        for i in 0..m {
            for j in 0..n {
                let exact = Exact::of(&case, i, j);
                let at = case.c.index(i, j);
                let unit = f64::from(f32::EPSILON) / 2.0 * exact.size;
                let error = exact.distance(got[at]);
                assert!(error <= (k as f64 / 5.0 + 24.0) * unit, "{error:e} at {i}, {j} of {m} {n} {k}");
                most = most.max(error / unit);
                most_plain = most_plain.max(exact.distance(plain[at]) / unit);
            }
        }
        assert!(most <= most_plain + 1.0, "{m} {n} {k}: {most} units, and {most_plain} in the plain product");
    }
}

#[test]
fn whole_numbers_are_exact() {
    if !can_run() {
        return;
    }
    let mut dice = Dice(9);
    // Numbers of up to 20 bits, so that all three parts matter, and few enough that sums are exact.
    let case = Case::<f32>::new(Shape::plain(34, 40, 32), 1.0, 0.0, || {
        let value = (dice.next() % 3) as i64 - 1;
        f32::whole(if dice.next().is_multiple_of(32) { value * 1_048_573 } else { value })
    });
    let (got, done) = run(&case, &Serial::default());
    assert!(done);
    let naive: Vec<f64> = (0..34 * 40)
        .map(|at| (0..32).map(|p| f64::from(case.a.get(at / 40, p)) * f64::from(case.b.get(p, at % 40))).sum())
        .collect();
    let sums = naive.iter().enumerate().filter(|(_, sum)| sum.abs() < 16_777_216.0);
    assert!(sums.clone().count() > 1000, "most sums have room in 24 bits");
    for (at, sum) in sums {
        let got = f64::from(got[case.c.index(at / 40, at % 40)]);
        assert!((got - sum).abs() <= 1.0, "{got} for {sum}: all that is left out is below one");
    }
}

#[test]
fn what_cannot_be_split_is_left_to_the_plain_product() {
    if !can_run() {
        return;
    }
    for odd in [f32::NAN, f32::INFINITY, -f32::MAX, 1e-40] {
        for in_a in [true, false] {
            let mut case = fractions(Shape::plain(40, 35, 33), 1.0, 0.5);
            let matrix = if in_a { &mut case.a } else { &mut case.b };
            let last = matrix.memory.len() - 1;
            matrix.memory[last] = odd;
            let (c, done) = run(&case, &Serial::default());
            assert!(!done, "{odd}");
            assert_bits(&c, &case.c.memory, "C is untouched");
        }
    }
    for (m, n, k) in [(31, 40, 40), (40, 31, 40), (40, 40, 31), (40, 40, 0)] {
        assert!(!run(&fractions(Shape::plain(m, n, k), 1.0, 0.0), &Serial::default()).1);
    }
    // Zeros hide nothing.
    for odd in [f32::INFINITY, f32::MAX, f32::from_bits(u32::MAX)] {
        for in_a in [true, false] {
            let mut case = fractions(Shape::plain(40, 40, 40), 1.0, 0.5);
            let (matrix, zeros) = if in_a { (&mut case.a, &mut case.b) } else { (&mut case.b, &mut case.a) };
            zeros.memory.fill(0.0);
            matrix.memory[1] = odd;
            assert!(!run(&case, &Serial::default()).1, "{odd}");
        }
    }
    // Where alpha is zero A and B may be anything.
    assert!(!run(&fractions(Shape::plain(40, 40, 40), 0.0, 1.0), &Serial::default()).1);
}

#[test]
fn without_amx_it_is_the_plain_product() {
    for infinite in [false, true] {
        let mut case = fractions(Shape::plain(130, 126, 80), 0.5, 2.0);
        if infinite {
            case.a.memory[1] = f32::INFINITY;
        }
        let (mut by_parts, mut plain) = (case.clone(), case);
        // SAFETY: the cases own their matrices.
        unsafe {
            gemm_bf16x3(&by_parts.gemm(), &Serial::default()).unwrap();
            gemm(&plain.gemm(), &Serial::default()).unwrap();
        }
        if infinite || !has_bf16x3() {
            assert_bits(&by_parts.c.memory, &plain.c.memory, infinite);
        }
    }
    let mut wrong = fractions(Shape::plain(130, 126, 80), 0.5, 2.0);
    let mut product = wrong.gemm();
    product.lda = 79;
    // SAFETY: the arguments are refused.
    let error = unsafe { gemm_bf16x3(&product, &Serial::default()) }.unwrap_err();
    assert_eq!(error.status(), crate::error::Status::InvalidArgument);
}
