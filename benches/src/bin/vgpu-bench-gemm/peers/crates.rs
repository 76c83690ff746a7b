//! Libraries written in Rust.

use super::{Multiply, Operands, Peer};
use crate::matrix::Element;
use gemm::Parallelism;
use rayon::ThreadPoolBuilder;
use vgpu_bench::catalogue::Product;
use vgpu_bench::cpus;

/// The crate `gemm`, called by a thread outside rayon's pool, which it uses where it finds a product large enough.
struct Gemm(Parallelism);

pub(super) fn gemm<T: Element>(workers: usize, pinned: bool) -> Result<Peer<T>, String> {
    let cpus = if pinned { cpus::allowed().map_err(|error| error.to_string())? } else { Vec::new() };
    let parallelism = if workers > 1 {
        let pin = move |worker: usize| {
            if !cpus.is_empty() {
                // One that may not be pinned works as well.
                let _ = cpus::pin(&[cpus[worker % cpus.len()]]);
            }
        };
        let pool = ThreadPoolBuilder::new().num_threads(workers).start_handler(pin);
        pool.build_global().map_err(|error| error.to_string())?;
        Parallelism::Rayon(workers)
    } else {
        Parallelism::None
    };
    Ok(Peer {
        version: concat!("gemm ", env!("GEMM_VERSION"), ", rayon ", env!("RAYON_VERSION")).to_owned(),
        // The one worker may be the caller.
        pins_itself: workers > 1,
        library: Box::new(Gemm(parallelism)),
    })
}

impl<T: Element> Multiply<T> for Gemm {
    fn multiply(&self, operands: &mut Operands<T>) -> Result<(), String> {
        let Product { m, n, k, .. } = operands.product;
        // SAFETY: the matrices are as large as is said, and C is nobody else's.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                operands.c.as_mut_ptr(),
                1,
                n as isize,
                false,
                operands.a.as_ptr(),
                1,
                k as isize,
                operands.b.as_ptr(),
                1,
                n as isize,
                T::ZERO,
                T::ONE,
                false,
                false,
                false,
                self.0,
            );
        }
        Ok(())
    }
}
