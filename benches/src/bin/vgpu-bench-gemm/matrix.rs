//! Matrices that begin on a page, on huge pages where the kernel has some.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};

/// The types that are multiplied.
pub trait Element: Copy + Send + Sync + 'static + Into<f64> {
    /// The letter by which BLAS calls it.
    const LETTER: char;
    const EPSILON: f64;
    const IS_DOUBLE: bool;
    const NAN: Self;
    const ZERO: Self;
    const ONE: Self;
    fn from_f64(value: f64) -> Self;
}

impl Element for f32 {
    const LETTER: char = 's';
    const EPSILON: f64 = f32::EPSILON as f64;
    const IS_DOUBLE: bool = false;
    const NAN: f32 = f32::NAN;
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    fn from_f64(value: f64) -> f32 {
        value as f32
    }
}

impl Element for f64 {
    const LETTER: char = 'd';
    const EPSILON: f64 = f64::EPSILON;
    const IS_DOUBLE: bool = true;
    const NAN: f64 = f64::NAN;
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    fn from_f64(value: f64) -> f64 {
        value
    }
}

const HUGE_PAGE: usize = 2 << 20;
const PAGE: usize = 4096;

pub struct Matrix<T> {
    first: *mut T,
    layout: Layout,
    count: usize,
}

impl<T: Element> Matrix<T> {
    /// `count` elements, each of which `element` says in turn.
    pub fn new(count: usize, mut element: impl FnMut() -> T) -> Matrix<T> {
        let bytes = count.max(1) * size_of::<T>();
        let alignment = if bytes >= HUGE_PAGE { HUGE_PAGE } else { PAGE };
        let layout =
            Layout::from_size_align(bytes, alignment).expect("matrices are far smaller than the address space");
        // SAFETY: the layout is not empty.
        let first: *mut T = unsafe { alloc(layout) }.cast();
        if first.is_null() {
            handle_alloc_error(layout);
        }
        if bytes >= HUGE_PAGE {
            // SAFETY: the pages were just allocated. It is advice: whether it is taken makes no difference to what is read and written.
            unsafe { libc::madvise(first.cast(), bytes, libc::MADV_HUGEPAGE) };
        }
        for i in 0..count {
            // SAFETY: the place is one of those allocated.
            unsafe { first.add(i).write(element()) };
        }
        Matrix { first, layout, count }
    }

    /// Numbers in [-1, 1] with all the digits of the type, the same in every run.
    ///
    /// Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    pub fn random(count: usize, seed: u64) -> Matrix<T> {
        let mut state = seed;
        Matrix::new(count, move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            T::from_f64(((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
        })
    }
}

impl<T> Deref for Matrix<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: so many were written when it was made.
        unsafe { std::slice::from_raw_parts(self.first, self.count) }
    }
}

impl<T> DerefMut for Matrix<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and nobody else has them.
        unsafe { std::slice::from_raw_parts_mut(self.first, self.count) }
    }
}

impl<T> Drop for Matrix<T> {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout.
        unsafe { dealloc(self.first.cast(), self.layout) };
    }
}
