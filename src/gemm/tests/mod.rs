//! What the tests share: cases that build their own matrices, a naive product, a runner with threads.

mod accuracy;
mod arguments;
mod batch;
mod exact;
#[cfg(not(miri))]
mod files;
mod packed;
mod sharing;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod split;
mod thin;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod tile_registers;

use super::element::Element;
use super::kernel::Level;
use super::{CacheSizes, Gemm, Layout, Serial, TileRunner, Transpose, gemm_at};
use crate::error::Result;
use crate::os::alloc::Allocator;
use core::fmt::Debug;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Numbers that tests make up and compare by their bits.
trait Number: Element {
    fn whole(value: i64) -> Self;
    fn fraction(value: f64) -> Self;
    fn bits(self) -> u64;
    const NAN: Self;
}

impl Number for f32 {
    fn whole(value: i64) -> f32 {
        value as f32
    }
    fn fraction(value: f64) -> f32 {
        value as f32
    }
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
    const NAN: f32 = f32::NAN;
}

impl Number for f64 {
    fn whole(value: i64) -> f64 {
        value as f64
    }
    fn fraction(value: f64) -> f64 {
        value
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
    const NAN: f64 = f64::NAN;
}

/// A small generator, so that a failure repeats.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let x = self.0 ^ (self.0 >> 29);
        x.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
    }
    fn small<T: Number>(&mut self) -> T {
        T::whole((self.next() % 17) as i64 - 8)
    }
    fn fraction<T: Number>(&mut self) -> T {
        T::fraction(self.next() as f64 / (1u64 << 43) as f64 - 1.0)
    }
}

const LAYOUTS: [Layout; 2] = [Layout::RowMajor, Layout::ColMajor];
const TRANSPOSES: [Transpose; 3] = [Transpose::No, Transpose::Yes, Transpose::Conjugate];

/// What a product looks like, without its numbers.
#[derive(Clone, Copy, Debug)]
struct Shape {
    layout: Layout,
    trans_a: Transpose,
    trans_b: Transpose,
    m: usize,
    n: usize,
    k: usize,
    /// What each leading dimension has beyond the least.
    pad: usize,
}

impl Shape {
    fn plain(m: usize, n: usize, k: usize) -> Shape {
        Shape { layout: Layout::RowMajor, trans_a: Transpose::No, trans_b: Transpose::No, m, n, k, pad: 0 }
    }

    /// The same sizes in every layout and transposition.
    fn everywhere(self) -> impl Iterator<Item = Shape> {
        LAYOUTS.into_iter().flat_map(move |layout| {
            TRANSPOSES.into_iter().flat_map(move |trans_a| {
                TRANSPOSES.into_iter().map(move |trans_b| Shape { layout, trans_a, trans_b, ..self })
            })
        })
    }
}

/// A matrix in memory, its padding filled with a sentinel.
#[derive(Clone)]
struct Stored<T> {
    memory: Vec<T>,
    ld: usize,
    in_rows: bool,
}

impl<T: Number> Stored<T> {
    fn new(rows: usize, columns: usize, in_rows: bool, pad: usize, sentinel: T, mut make: impl FnMut() -> T) -> Self {
        let (lines, length) = if in_rows { (rows, columns) } else { (columns, rows) };
        let ld = length.max(1) + pad;
        let mut stored = Stored { memory: vec![sentinel; lines * ld + 1], ld, in_rows };
        for i in 0..rows {
            for j in 0..columns {
                let at = stored.index(i, j);
                stored.memory[at] = make();
            }
        }
        stored
    }

    /// The first element is the second of the memory, so that nothing is aligned to more than an element.
    fn index(&self, i: usize, j: usize) -> usize {
        1 + if self.in_rows { i * self.ld + j } else { j * self.ld + i }
    }

    fn get(&self, i: usize, j: usize) -> T {
        self.memory[self.index(i, j)]
    }
}

/// A product with its numbers.
#[derive(Clone)]
struct Case<T> {
    shape: Shape,
    alpha: T,
    beta: T,
    a: Stored<T>,
    b: Stored<T>,
    c: Stored<T>,
}

impl<T: Number> Case<T> {
    /// A case whose padding holds NaN in A and B, so that a read of it shows, and a sentinel in C.
    fn new(shape: Shape, alpha: T, beta: T, mut make: impl FnMut() -> T) -> Case<T> {
        let rows = shape.layout == Layout::RowMajor;
        let a = Stored::new(shape.m, shape.k, rows == (shape.trans_a == Transpose::No), shape.pad, T::NAN, &mut make);
        let b = Stored::new(shape.k, shape.n, rows == (shape.trans_b == Transpose::No), shape.pad, T::NAN, &mut make);
        let c = Stored::new(shape.m, shape.n, rows, shape.pad, T::whole(-77), &mut make);
        Case { shape, alpha, beta, a, b, c }
    }

    fn gemm(&mut self) -> Gemm<T> {
        let shape = self.shape;
        Gemm {
            layout: shape.layout,
            trans_a: shape.trans_a,
            trans_b: shape.trans_b,
            m: shape.m as i64,
            n: shape.n as i64,
            k: shape.k as i64,
            alpha: self.alpha,
            a: self.a.memory[1..].as_ptr(),
            lda: self.a.ld as i64,
            b: self.b.memory[1..].as_ptr(),
            ldb: self.b.ld as i64,
            beta: self.beta,
            c: self.c.memory[1..].as_mut_ptr(),
            ldc: self.c.ld as i64,
        }
    }

    /// The memory of C after the product.
    fn run(&self, level: Level, tiles: &impl TileRunner) -> Vec<T> {
        let mut case = self.clone();
        let gemm = case.gemm();
        // SAFETY: the case owns its three matrices.
        unsafe { gemm_at(level, &gemm, tiles) }.unwrap();
        case.c.memory
    }

    /// The memory of C after a triple loop, exact for small whole numbers.
    fn naive(&self) -> Vec<T> {
        let mut c = self.c.clone();
        for i in 0..self.shape.m {
            for j in 0..self.shape.n {
                let mut sum = T::ZERO;
                if self.alpha != T::ZERO {
                    for p in 0..self.shape.k {
                        sum = sum + self.a.get(i, p) * self.b.get(p, j);
                    }
                    sum = self.alpha * sum;
                }
                let at = c.index(i, j);
                c.memory[at] = if self.beta == T::ZERO { sum } else { sum + self.beta * c.memory[at] };
            }
        }
        c.memory
    }
}

/// Compares bit for bit, but for the sign of zero, which a naive sum may have differently.
#[track_caller]
fn assert_same<T: Number>(got: &[T], expected: &[T], what: impl Debug) {
    assert_eq!(got.len(), expected.len());
    for (i, (&x, &y)) in got.iter().zip(expected).enumerate() {
        let same = x.bits() == y.bits() || (x == T::ZERO && y == T::ZERO);
        assert!(same, "{what:?}: element {i} of the memory of C is {x:?}, not {y:?}");
    }
}

/// Compares bit for bit.
#[track_caller]
fn assert_bits<T: Number>(got: &[T], expected: &[T], what: impl Debug) {
    let differs = got.iter().zip(expected).position(|(x, y)| x.bits() != y.bits());
    assert_eq!((differs, got.len()), (None, expected.len()), "{what:?}");
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_available())
}

/// Threads which take the tiles from a counter, in an order that a stride scatters.
struct Threads {
    workers: usize,
    stride: usize,
    allocator: Allocator,
    cache_sizes: CacheSizes,
}

impl Threads {
    fn new(workers: usize, stride: usize) -> Threads {
        Threads { workers, stride, allocator: Allocator::SYSTEM, cache_sizes: CacheSizes::default() }
    }
}

impl TileRunner for Threads {
    fn workers(&self) -> usize {
        self.workers
    }
    fn allocator(&self) -> Allocator {
        self.allocator
    }
    fn cache_sizes(&self) -> CacheSizes {
        self.cache_sizes
    }
    fn enter(&self, rounds: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync)) -> Result<()> {
        rounds(self)
    }
    fn both(
        &self,
        first: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync),
        second: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        std::thread::scope(|scope| {
            let second = scope.spawn(second);
            first(self).and(second.join().unwrap())
        })
    }
    fn for_each_seated(&self, count: usize, body: &(dyn Fn(usize, usize) -> Result<()> + Sync)) -> Result<()> {
        let stride = (self.stride..)
            .find(|&stride| (2..=count).all(|d| !stride.is_multiple_of(d) || !count.is_multiple_of(d)))
            .unwrap_or(1);
        if self.workers == 1 || count == 1 {
            // Without a thread for each, of which an emulator makes few in a second.
            return (0..count).try_for_each(|i| body(0, i * stride % count));
        }
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for seat in 0..self.workers {
                let next = &next;
                scope.spawn(move || {
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        if i >= count {
                            return;
                        }
                        body(seat, i * stride % count).unwrap();
                    }
                });
            }
        });
        Ok(())
    }
}
