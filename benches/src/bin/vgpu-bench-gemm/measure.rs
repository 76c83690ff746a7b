//! Times one product, again and again.

use crate::hog::Hog;
use crate::matrix::{Element, Matrix};
use crate::peers::{self, Operands, Peer};
use crate::{peak, reference, threads};
use std::time::{Duration, Instant};
use vgpu_bench::catalogue::{Product, WITHIN_BOUND};
use vgpu_bench::sample::{Request, Sample};
use vgpu_bench::{cpus, kernels};

/// So long before threads are pinned: they are there then.
const BEFORE_PINNING: Duration = Duration::from_millis(30);
/// So long after it. A CPU of a virtual machine that was idle takes up to 200 ms until it is as fast as it will be.
const WARM: Duration = Duration::from_millis(250);
/// Timed calls go on for so long, one at least.
const TIMED: Duration = Duration::from_millis(80);
/// Short calls are timed together until they take so long.
const BATCH: Duration = Duration::from_millis(2);
/// Beside a busy loop all calls are timed together: the scheduler's turns are longer than most calls.
const DISTURBED: Duration = Duration::from_millis(500);
/// A call that only warms has rows for so many operations.
const WARM_FLOPS: usize = 1 << 30;

pub fn measure<T: Element>(request: &Request, product: Product) -> Result<Sample, String> {
    let Product { m, n, k, is_pinned, is_disturbed, .. } = product;
    let mut cpus = cpus::allowed().map_err(|error| error.to_string())?;
    cpus.truncate(request.workers);
    let peer = peers::open::<T>(&request.implementation, request.workers, is_pinned)?;
    let (a, b) = (Matrix::<T>::random(m * k, 1), Matrix::<T>::random(k * n, 2));
    // beta is 0: what is here must not matter.
    let mut c = Matrix::new(m * n, || T::NAN);
    let mut operands = Operands { product, a: &a, b: &b, c: &mut c };

    warm(&peer, &mut operands, BEFORE_PINNING)?;
    if is_pinned && !peer.pins_itself {
        threads::pin_all(&cpus)?;
    }
    warm(&peer, &mut operands, WARM)?;
    let hog = match cpus.last() {
        Some(cpu) if is_disturbed => Some(Hog::start(*cpu)?),
        _ => None,
    };
    let mut timed = Timed::default();
    if is_disturbed {
        timed.add(&peer, &mut operands, DISTURBED)?;
    } else {
        while timed.total < TIMED {
            timed.add(&peer, &mut operands, BATCH)?;
            timed.peaks.push(peak::gflops::<T>(&cpus));
        }
    }
    drop(hog);

    let seconds = median(&timed.seconds);
    let gflops = |seconds: f64| product.flops() as f64 / seconds * 1e-9;
    let error = reference::error(product, &a, &b, &c);
    let mut sample = Sample {
        version: peer.version,
        seconds,
        cpu_s: timed.cpu_s / timed.calls as f64,
        check: if error <= reference::bound(product) { WITHIN_BOUND.to_owned() } else { format!("wrong by {error:e}") },
        units: product.flops(),
        ..Sample::default()
    };
    sample.extra.insert("gflops".to_owned(), gflops(seconds));
    sample.extra.insert("error".to_owned(), error);
    if !timed.peaks.is_empty() {
        let shares: Vec<f64> =
            timed.seconds.iter().zip(&timed.peaks).map(|(seconds, peak)| gflops(*seconds) / peak).collect();
        sample.extra.insert("peak_share".to_owned(), median(&shares));
    }
    Ok(sample)
}

/// Starts the library's threads, and has its buffers and the matrices in memory. Large products are cut short.
fn warm<T: Element>(peer: &Peer<T>, operands: &mut Operands<T>, least: Duration) -> Result<(), String> {
    let Product { m, n, k, .. } = operands.product;
    let rows = (WARM_FLOPS / (2 * n * k)).clamp(1, m);
    let mut less = Operands {
        product: Product { m: rows, ..operands.product },
        a: operands.a,
        b: operands.b,
        c: &mut *operands.c,
    };
    let begin = Instant::now();
    while begin.elapsed() < least {
        peer.multiply(&mut less)?;
    }
    Ok(())
}

#[derive(Default)]
struct Timed {
    /// Of a call, in each batch.
    seconds: Vec<f64>,
    /// The CPUs' limit after each batch.
    peaks: Vec<f64>,
    cpu_s: f64,
    calls: u64,
    total: Duration,
}

impl Timed {
    /// Calls until `least` has passed.
    fn add<T: Element>(&mut self, peer: &Peer<T>, operands: &mut Operands<T>, least: Duration) -> Result<(), String> {
        let cpu_ns = kernels::process_cpu_ns();
        let begin = Instant::now();
        let mut calls = 0u32;
        let taken = loop {
            peer.multiply(operands)?;
            calls += 1;
            let taken = begin.elapsed();
            if taken >= least {
                break taken;
            }
        };
        self.cpu_s += (kernels::process_cpu_ns() - cpu_ns) as f64 * 1e-9;
        self.seconds.push(taken.as_secs_f64() / f64::from(calls));
        self.calls += u64::from(calls);
        self.total += taken;
        Ok(())
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}
