//! What is left of a product whose A and B have no part in it: `C = beta * C`.

use super::blocking::part;
use super::element::Element;
use super::operand::Operand;
use super::problem::Product;
use super::runner::TileRunner;
use crate::error::Result;
use core::ops::Range;

/// Elements of C below which scaling is not shared out.
const SCALE_SERIAL_BELOW: usize = 1 << 18;

/// `C = beta * C`, or zero where beta is zero.
///
/// # Safety
/// C is as [`gemm`](super::gemm) demands.
pub(super) unsafe fn scale<T: Element, S: Operand<T>>(product: &Product<T, S>, tiles: &dyn TileRunner) -> Result<()> {
    let elements = product.m.saturating_mul(product.n);
    let shared = elements >= SCALE_SERIAL_BELOW && product.beta != T::ONE;
    let parts = if shared { tiles.workers().max(1).min(product.m) } else { 1 };
    let body = |i: usize| {
        // SAFETY: the parts are disjoint; the rest is passed on to the caller.
        unsafe { scale_rows(product, part(0..product.m, parts, i)) };
        Ok(())
    };
    if parts == 1 { body(0) } else { tiles.for_each(parts, &body) }
}

/// # Safety
/// As [`scale`], for these rows.
pub(super) unsafe fn scale_rows<T: Element, S: Operand<T>>(product: &Product<T, S>, rows: Range<usize>) {
    if product.beta == T::ONE {
        return;
    }
    for row in rows {
        let line = product.c.wrapping_add(row * product.c_row);
        for j in 0..product.n {
            // SAFETY: an element of C in these rows; where beta is zero it is not read.
            unsafe {
                let at = line.add(j);
                let value = if product.beta == T::ZERO { T::ZERO } else { product.beta * at.read_unaligned() };
                at.write_unaligned(value);
            }
        }
    }
}
