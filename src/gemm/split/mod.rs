//! Products of f32 by way of bf16, on CPUs with AMX: several times as many operations, each of which is far more than several times as fast.
//!
//! Every number of A and B is split into three bf16 numbers of 8 bits, whose sum it is [exactly](parts). A product of two is then the sum of nine
//! products, of which the three smallest, 2^-23 of the whole together, are left out. Products are exact, and sums are of f32.
//! It is what is elsewhere called bf16x3, or bf16x6 for the six products that remain; see Henry, Tang and Heinecke, *Leveraging the bfloat16
//! artificial intelligence datatype for higher-precision computations* (ARITH 2019).
//!
//! Infinities and NaN cannot be split, and tiles take numbers below the normal ones for zero. So all of A and B is [looked at](range) first, and where
//! there is a number for which it could matter, the product is the plain one.

#[cfg(target_arch = "x86_64")]
pub(super) mod parts;
#[cfg(target_arch = "x86_64")]
mod range;
#[cfg(target_arch = "x86_64")]
pub(super) mod tiles;

#[cfg(target_arch = "x86_64")]
use super::blocking::SERIAL_BELOW;
use super::gemm;
use super::problem::Gemm;
use super::runner::TileRunner;
use crate::error::Result;

/// Whether [`gemm_bf16x3`] uses AMX here, because the CPU has it and the system lets this process have it.
pub fn has_bf16x3() -> bool {
    #[cfg(target_arch = "x86_64")]
    return crate::os::amx::is_available();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// As [`gemm`] for f32, by way of bf16 where the CPU has AMX and it pays.
///
/// It is the plain product, to the last bit, on other CPUs; where m, n or k is below 32, or their product below 2^20; and where A or B holds an infinity, a
/// NaN, or a number so large or small that a sum could overflow or a part of a product be lost. Else the error is at most `(k / 5 + 24) u (|alpha| sum |a||b| + |beta c|)`, with `u` half the
/// machine epsilon, barring overflow and underflow of C.
/// The bits do not depend on the number of workers or the order in which tiles run.
///
/// # Errors
/// As [`gemm`].
///
/// # Safety
/// As [`gemm`].
pub unsafe fn gemm_bf16x3(product: &Gemm<f32>, tiles: &dyn TileRunner) -> Result<()> {
    // SAFETY: passed on to the caller; the process may use tiles.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if has_bf16x3() {
            let checked = product.check()?;
            // A smaller one is done before its parts would be packed.
            if checked.work() >= SERIAL_BELOW && tiles::try_run(&checked, tiles)? {
                return Ok(());
            }
        }
        gemm(product, tiles)
    }
}
