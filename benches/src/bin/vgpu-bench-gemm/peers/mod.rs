//! The libraries, each behind the same call.

mod cblas;
mod crates;
mod vgpu;

use crate::matrix::Element;
use vgpu_bench::catalogue::Product;

/// What is multiplied: C = A B, all three with their rows side by side.
pub struct Operands<'a, T> {
    pub product: Product,
    pub a: &'a [T],
    pub b: &'a [T],
    pub c: &'a mut [T],
}

impl<T> Operands<'_, T> {
    /// Whether the matrices are as large as is said.
    fn fit(&self) -> bool {
        let Product { m, n, k, .. } = self.product;
        self.a.len() >= m * k && self.b.len() >= k * n && self.c.len() >= m * n
    }
}

/// What such a library does.
trait Multiply<T> {
    /// C = A B, for operands that fit.
    fn multiply(&self, operands: &mut Operands<T>) -> Result<(), String>;
}

/// A library that was opened.
pub struct Peer<T> {
    /// Name and version, and the kernels it chose where it says so.
    pub version: String,
    /// Whether its threads have been kept on CPUs of their own from the beginning.
    pub pins_itself: bool,
    library: Box<dyn Multiply<T>>,
}

impl<T: Element> Peer<T> {
    pub fn multiply(&self, operands: &mut Operands<T>) -> Result<(), String> {
        assert!(operands.fit());
        self.library.multiply(operands)
    }
}

/// Opens the library of an implementation, for so many workers.
pub fn open<T: Element>(implementation: &str, workers: usize, pinned: bool) -> Result<Peer<T>, String> {
    match implementation {
        "vgpu" => vgpu::open(workers, pinned),
        "vgpu-bf16x3" => vgpu::open_bf16x3(workers, pinned),
        "openblas" => cblas::openblas(workers),
        "blis" => cblas::blis(workers),
        "mkl" => cblas::mkl(workers),
        "gemm" => crates::gemm(workers, pinned),
        other => Err(format!("{other} does not multiply matrices")),
    }
}
