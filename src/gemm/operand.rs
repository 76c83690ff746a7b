//! What the elements of A and B may be: those of C, or bf16, which is widened to f32 on its way into the kernels.

use super::element::Element;

/// A number of 16 bits with the range of f32 and 8 bits of precision: the upper half of an f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(pub u16);

impl Bf16 {
    /// The nearest bf16, the even one of two equally near; a NaN stays one.
    pub fn from_f32(value: f32) -> Bf16 {
        let bits = value.to_bits();
        if value.is_nan() {
            return Bf16((bits >> 16) as u16 | 0x40);
        }
        Bf16(((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16)
    }

    /// The same number as f32, exactly.
    #[inline(always)]
    pub fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

/// An element of A or B in a product whose sums are of type `T`. Sealed: `f32` and `f64` for themselves, [`Bf16`] for `f32`.
pub trait Operand<T>: sealed::Sealed + Copy + Default + Send + Sync + 'static {
    /// Whether reading one changes its form, so that kernels read copies only.
    const WIDENED: bool;
    /// The same number as the kernels want it.
    fn widen(self) -> T;
}

mod sealed {
    /// What only this module can implement.
    pub trait Sealed {}
    impl<T: super::Element> Sealed for T {}
    impl Sealed for super::Bf16 {}
}

impl<T: Element> Operand<T> for T {
    const WIDENED: bool = false;
    #[inline(always)]
    fn widen(self) -> T {
        self
    }
}

impl Operand<f32> for Bf16 {
    const WIDENED: bool = true;
    #[inline(always)]
    fn widen(self) -> f32 {
        self.to_f32()
    }
}
