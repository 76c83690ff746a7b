//! Bits that must not change: over workers, orders, levels, shapes, layouts, and memory budgets.

use super::super::blocking::k_block;
use super::super::driver;
use super::super::element::sealed::Sealed;
use super::*;
use crate::error::Status;
use crate::pool::{Config, Pinning, Pool};
use core::ffi::c_void;

fn fractions<T: Number>(shape: Shape) -> Case<T> {
    let mut dice = Dice(11);
    Case::new(shape, T::fraction(0.9), T::fraction(-1.1), || dice.fraction())
}

fn same_for_any_workers<T: Number>() {
    // Shared B; B of each worker's own; owned columns; B where it lies, shared out; one column.
    for (m, n, k) in [(37, 130, 530), (150, 90, 530), (40, 900, 100), (12, 500, 390), (3000, 1, 400)] {
        for (trans_a, trans_b) in [(Transpose::No, Transpose::No), (Transpose::Yes, Transpose::Yes)] {
            let shape = Shape { trans_a, trans_b, pad: 1, ..Shape::plain(m, n, k) };
            let case = fractions::<T>(shape);
            for level in levels() {
                let expected = case.run(level, &Serial::default());
                for (workers, stride) in [(1, 1), (2, 1), (3, 5), (4, 7)] {
                    let got = case.run(level, &Threads::new(workers, stride));
                    assert_bits(&got, &expected, (level, shape, workers, stride));
                }
            }
        }
    }
}

#[test]
fn f32_bits_do_not_depend_on_workers_or_order() {
    same_for_any_workers::<f32>();
}

#[test]
fn f64_bits_do_not_depend_on_workers_or_order() {
    same_for_any_workers::<f64>();
}

#[test]
fn bits_do_not_depend_on_who_calls_a_pool() {
    let case = fractions::<f64>(Shape::plain(150, 90, 530));
    let expected = case.run(Level::detect(), &Serial::default());
    for workers in [1, 2, 5] {
        let pool = Pool::new(&Config { workers, pinning: Pinning::Off, ..Config::default() }).unwrap();
        for _ in 0..20 {
            assert_bits(&case.run(Level::detect(), &pool), &expected, (workers, "from outside"));
            let inside = pool.run(|_| Ok(case.run(Level::detect(), &pool))).unwrap();
            assert_bits(&inside, &expected, (workers, "from a task"));
        }
    }
}

#[test]
fn bits_do_not_depend_on_caches_or_the_memory_budget() {
    for trans_b in [Transpose::No, Transpose::Yes] {
        let shape = Shape { trans_b, ..Shape::plain(50, 300, 1100) };
        let mut case = fractions::<f32>(shape);
        let expected = case.run(Level::detect(), &Serial::default());
        let before = case.c.memory.clone();
        for workers in [1, 2] {
            for budget in [0, 100_000, 300_000, 1 << 20] {
                case.c.memory.clone_from(&before);
                let mut tiles = Threads::new(workers, 3);
                tiles.cache_sizes = CacheSizes { l1d: 0, l2: budget, l3: 0 };
                let product = case.gemm().check().unwrap();
                // SAFETY: the case owns its three matrices, and the CPU has the level it was asked for.
                unsafe { driver::run_within(budget, &product, f32::kernels(Level::detect()), &tiles) }.unwrap();
                assert_bits(&case.c.memory, &expected, (trans_b, workers, budget));
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_layout_or_transposition() {
    let source = fractions::<f32>(Shape::plain(21, 55, 600));
    for level in levels() {
        let plain = source.run(level, &Serial::default());
        for shape in (Shape { pad: 3, ..source.shape }).everywhere() {
            let mut case = Case::<f32>::new(shape, source.alpha, source.beta, || 0.0);
            for (to, from, rows, columns) in
                [(&mut case.a, &source.a, 21, 600), (&mut case.b, &source.b, 600, 55), (&mut case.c, &source.c, 21, 55)]
            {
                for i in 0..rows {
                    for j in 0..columns {
                        let at = to.index(i, j);
                        to.memory[at] = from.get(i, j);
                    }
                }
            }
            let c = case.run(level, &Serial::default());
            for i in 0..21 {
                for j in 0..55 {
                    let (x, y) = (c[case.c.index(i, j)], plain[source.c.index(i, j)]);
                    assert_eq!(x.to_bits(), y.to_bits(), "{level:?} {shape:?} at {i}, {j}");
                }
            }
        }
    }
}

#[test]
fn a_row_or_column_alone_has_the_bits_it_has_in_a_large_product() {
    let case = fractions::<f64>(Shape::plain(70, 90, 500));
    for level in levels() {
        let whole = case.run(level, &Serial::default());
        let mut alone = case.clone();
        let mut one = alone.gemm();
        one.m = 1;
        // SAFETY: the case owns its three matrices; the pointers are moved to row 33.
        unsafe {
            (one.a, one.c) = (one.a.add(33 * 500), one.c.add(33 * 90));
            gemm_at(level, &one, &Serial::default()).unwrap();
        }
        assert_bits(&alone.c.memory[1 + 33 * 90..1 + 34 * 90], &whole[1 + 33 * 90..1 + 34 * 90], level);
        let mut alone = case.clone();
        let mut one = alone.gemm();
        one.n = 1;
        // SAFETY: as above, with column 47.
        unsafe {
            (one.b, one.c) = (one.b.add(47), one.c.add(47));
            gemm_at(level, &one, &Serial::default()).unwrap();
        }
        for i in 0..70 {
            let at = 1 + i * 90 + 47;
            assert_eq!(alone.c.memory[at].to_bits(), whole[at].to_bits(), "{level:?} row {i}");
        }
    }
}

/// The sum as the kernels' module writes it down, with the standard library's fused multiply-add.
fn fused<T: Number>(case: &Case<T>, mul_add: fn(T, T, T) -> T) -> Vec<T> {
    let mut c = case.c.clone();
    let (k, depth) = (case.shape.k, k_block(case.shape.k, T::K_BLOCK));
    for i in 0..case.shape.m {
        for j in 0..case.shape.n {
            let at = c.index(i, j);
            for first in (0..k).step_by(depth) {
                let mut sum = T::ZERO;
                for p in first..(first + depth).min(k) {
                    sum = mul_add(case.a.get(i, p), case.b.get(p, j), sum);
                }
                let beta = if first == 0 { case.beta } else { T::ONE };
                c.memory[at] = mul_add(case.alpha, sum, beta * c.memory[at]);
            }
        }
    }
    c.memory
}

#[test]
fn fused_levels_give_the_bits_that_are_written_down() {
    for shape in (Shape { pad: 1, ..Shape::plain(31, 75, 700) }).everywhere() {
        let (single, double) = (fractions::<f32>(shape), fractions::<f64>(shape));
        let (single_bits, double_bits) = (fused(&single, f32::mul_add), fused(&double, f64::mul_add));
        for level in levels().filter(|&level| level != Level::Portable) {
            assert_bits(&single.run(level, &Serial::default()), &single_bits, (level, shape));
            assert_bits(&double.run(level, &Serial::default()), &double_bits, (level, shape));
        }
    }
}

unsafe extern "C-unwind" fn nothing(_: *mut c_void, _: usize, _: usize) -> *mut c_void {
    core::ptr::null_mut()
}

unsafe extern "C-unwind" fn never(_: *mut c_void, _: *mut c_void, _: usize, _: usize) {
    unreachable!("nothing was allocated");
}

#[test]
fn without_memory_c_is_untouched() {
    for (workers, n) in [(1, 300), (2, 300), (2, 3000)] {
        let mut case = fractions::<f32>(Shape::plain(90, n, 100));
        let before = case.c.memory.clone();
        let mut tiles = Threads::new(workers, 1);
        // SAFETY: both functions may be called by anyone.
        tiles.allocator = unsafe { Allocator::from_host(nothing, never, core::ptr::null_mut()) };
        let gemm = case.gemm();
        // SAFETY: the case owns its three matrices.
        let result = unsafe { gemm_at(Level::detect(), &gemm, &tiles) };
        assert_eq!(result.err().map(|error| error.status()), Some(Status::OutOfMemory));
        assert_bits(&case.c.memory, &before, n);
    }
}

#[test]
fn a_small_product_takes_neither_memory_nor_a_task() {
    struct Nobody;
    impl TileRunner for Nobody {
        fn workers(&self) -> usize {
            4
        }
        fn allocator(&self) -> Allocator {
            // SAFETY: both functions may be called by anyone.
            unsafe { Allocator::from_host(nothing, never, core::ptr::null_mut()) }
        }
        fn cache_sizes(&self) -> CacheSizes {
            CacheSizes::default()
        }
        fn enter(&self, _: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync)) -> Result<()> {
            unreachable!("the pool was entered")
        }
        fn for_each_seated(&self, _: usize, _: &(dyn Fn(usize, usize) -> Result<()> + Sync)) -> Result<()> {
            unreachable!("a task was made")
        }
        fn both(
            &self,
            _: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync),
            _: &(dyn Fn() -> Result<()> + Sync),
        ) -> Result<()> {
            unreachable!("a task was made")
        }
    }
    for (m, n, k) in [(8, 8, 8), (64, 64, 64), (13, 70, 1100), (1, 700, 300), (700, 2, 300)] {
        for shape in (Shape { pad: 1, ..Shape::plain(m, n, k) }).everywhere() {
            let mut dice = Dice(2);
            let case = Case::<f32>::new(shape, 2.0, -1.0, || dice.small());
            assert_same(&case.run(Level::detect(), &Nobody), &case.naive(), shape);
        }
    }
}

#[test]
fn small_products_have_the_bits_of_large_ones() {
    // The whole is packed and shared out; its corner is neither.
    for (trans_a, trans_b) in [(Transpose::No, Transpose::No), (Transpose::Yes, Transpose::Yes)] {
        let case = fractions::<f32>(Shape { trans_a, trans_b, ..Shape::plain(130, 150, 700) });
        for level in levels() {
            let whole = case.run(level, &Threads::new(2, 1));
            for (m, n) in [(1, 150), (130, 1), (16, 16), (17, 65), (23, 49), (12, 31)] {
                let mut corner = case.clone();
                let mut gemm = corner.gemm();
                (gemm.m, gemm.n) = (m as i64, n as i64);
                // SAFETY: the case owns its three matrices, and the corner is a part of each.
                unsafe { gemm_at(level, &gemm, &Serial::default()) }.unwrap();
                for i in 0..m {
                    for j in 0..n {
                        let at = case.c.index(i, j);
                        assert_eq!(
                            corner.c.memory[at].to_bits(),
                            whole[at].to_bits(),
                            "{level:?} {m} x {n} at {i}, {j}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn an_error_of_the_runner_is_passed_on() {
    struct Closed;
    impl TileRunner for Closed {
        fn workers(&self) -> usize {
            2
        }
        fn allocator(&self) -> Allocator {
            Allocator::SYSTEM
        }
        fn cache_sizes(&self) -> CacheSizes {
            CacheSizes::default()
        }
        fn enter(&self, rounds: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync)) -> Result<()> {
            rounds(self)
        }
        fn for_each_seated(&self, _: usize, _: &(dyn Fn(usize, usize) -> Result<()> + Sync)) -> Result<()> {
            Err(crate::error::error!(Closed, "the pool is shutting down"))
        }
        fn both(
            &self,
            first: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync),
            _: &(dyn Fn() -> Result<()> + Sync),
        ) -> Result<()> {
            first(self)
        }
    }
    let mut case = fractions::<f32>(Shape::plain(150, 150, 150));
    let gemm = case.gemm();
    // SAFETY: the case owns its three matrices.
    let result = unsafe { gemm_at(Level::detect(), &gemm, &Closed) };
    assert_eq!(result.err().map(|error| error.status()), Some(Status::Closed));
}
