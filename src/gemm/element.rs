//! The element types of a product: f32 and f64.

use super::kernel::{self, Kernels, Level};
use core::fmt::Debug;
use core::ops::{Add, Mul};

/// A matrix element: `f32` or `f64`. Sealed: the micro-kernels exist for these two.
pub trait Element:
    sealed::Sealed + Copy + Send + Sync + PartialEq + Default + Debug + Mul<Output = Self> + Add<Output = Self> + 'static
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The longest run of k summed in registers before the sum is added to C.
    ///
    /// Part of what fixes the bits of a result, hence a constant and not a function of the machine's caches: between
    /// 384 and 1024 the speed is the same, and a longer run saves passes over C.
    const K_BLOCK: usize;
}

impl Element for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const K_BLOCK: usize = 512;
}

impl Element for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const K_BLOCK: usize = 384;
}

pub(super) mod sealed {
    use super::{Kernels, Level};

    /// What only this module can implement.
    pub trait Sealed: Sized {
        /// The micro-kernels of a level, which the CPU has if they are to be called.
        fn kernels(level: Level) -> &'static Kernels<Self>;
    }
}

impl sealed::Sealed for f32 {
    #[inline]
    fn kernels(level: Level) -> &'static Kernels<f32> {
        kernel::kernels_f32(level)
    }
}

impl sealed::Sealed for f64 {
    #[inline]
    fn kernels(level: Level) -> &'static Kernels<f64> {
        kernel::kernels_f64(level)
    }
}
