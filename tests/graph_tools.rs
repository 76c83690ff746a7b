//! What the tests of graphs share.

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};
use vgpu_pool::error::{Result, Status};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::parallel::graph::{Builder, Graph, Vertex};
use vgpu_pool::pool::{Config, Pinning, Pool, Worker};

pub(crate) fn pool(workers: usize) -> Pool {
    Pool::new(&Config { workers, pinning: Pinning::Off, ..Config::default() }).unwrap()
}

pub(crate) fn status<T>(result: Result<T>) -> Option<Status> {
    result.err().map(|error| error.status())
}

/// What a vertex does that counts its runs.
pub(crate) fn counted_up(counter: &AtomicU32) -> Result<()> {
    counter.fetch_add(1, SeqCst);
    Ok(())
}

pub(crate) fn nothing(_: &Worker) -> Result<()> {
    Ok(())
}

/// Numbers without a pattern, the same in every run.
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1))
    }
    pub(crate) fn below(&self, bound: usize) -> usize {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        (x >> 11) as usize % bound
    }
}

/// Edges from lower numbers to higher ones, some of them twice.
pub(crate) fn random_edges(vertices: usize, edges: usize, random: &Random) -> Vec<(usize, usize)> {
    let edge = |_| {
        let (a, b) = (random.below(vertices), random.below(vertices));
        (a.min(b), a.max(b))
    };
    (0..edges).map(edge).filter(|(a, b)| a != b).collect()
}

/// What ran when: each vertex notes the moment at which it started and that at which it ended.
pub(crate) struct Log {
    clock: AtomicU32,
    started: Vec<AtomicU32>,
    ended: Vec<AtomicU32>,
    /// How often each ran.
    pub(crate) runs: Vec<AtomicU32>,
}

impl Log {
    pub(crate) fn new(vertices: usize) -> Arc<Log> {
        let zeros = || (0..vertices).map(|_| AtomicU32::new(0)).collect();
        Arc::new(Log { clock: AtomicU32::new(1), started: zeros(), ended: zeros(), runs: zeros() })
    }
    pub(crate) fn note(&self, vertex: usize) -> Result<()> {
        self.started[vertex].store(self.clock.fetch_add(1, SeqCst), SeqCst);
        self.runs[vertex].fetch_add(1, SeqCst);
        self.ended[vertex].store(self.clock.fetch_add(1, SeqCst), SeqCst);
        Ok(())
    }
    pub(crate) fn ran(&self, vertex: usize) -> u32 {
        self.runs[vertex].load(SeqCst)
    }
    /// In the last run every vertex ran after those before it.
    pub(crate) fn check_order(&self, edges: &[(usize, usize)]) {
        for &(before, after) in edges {
            let (end, start) = (self.ended[before].load(SeqCst), self.started[after].load(SeqCst));
            assert!(end < start, "{after} started at {start}, {before} ended at {end}");
        }
    }
}

/// A graph whose vertices note when they run.
pub(crate) fn logged(log: &Arc<Log>, edges: &[(usize, usize)]) -> Graph<'static> {
    let mut builder = Builder::new();
    let vertices: Vec<Vertex> = (0..log.runs.len())
        .map(|vertex| {
            let log = log.clone();
            builder.add(move |_| log.note(vertex)).unwrap()
        })
        .collect();
    for &(before, after) in edges {
        builder.precede(vertices[before], vertices[after]).unwrap();
    }
    builder.build().unwrap()
}

/// Counts the blocks that are asked for.
pub(crate) struct Counted {
    pub(crate) asked: AtomicUsize,
    pub(crate) out: AtomicUsize,
    /// So many are given, and no more.
    pub(crate) budget: AtomicUsize,
}

impl Counted {
    pub(crate) fn new() -> &'static Counted {
        let counted = Counted { asked: 0.into(), out: 0.into(), budget: usize::MAX.into() };
        Box::leak(Box::new(counted))
    }

    pub(crate) fn allocator(&'static self) -> Allocator {
        unsafe extern "C-unwind" fn allocate(context: *mut c_void, size: usize, align: usize) -> *mut c_void {
            // SAFETY: the context is a `Counted` that lives for ever, and no block is empty.
            unsafe {
                let counted = &*context.cast::<Counted>();
                counted.asked.fetch_add(1, SeqCst);
                if counted.budget.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err() {
                    return std::ptr::null_mut();
                }
                counted.out.fetch_add(1, SeqCst);
                alloc::alloc(Layout::from_size_align(size, align).unwrap()).cast()
            }
        }
        unsafe extern "C-unwind" fn free(context: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
            // SAFETY: as above; the block is from `allocate`.
            unsafe {
                (*context.cast::<Counted>()).out.fetch_sub(1, SeqCst);
                alloc::dealloc(memory.cast(), Layout::from_size_align(size, align).unwrap());
            }
        }
        // SAFETY: both may be called from any thread, and do not unwind.
        unsafe { Allocator::from_host(allocate, free, std::ptr::from_ref(self).cast_mut().cast()) }
    }
}

/// A gate that a vertex waits at.
pub(crate) struct Gate {
    reached: AtomicBool,
    pub(crate) open: AtomicBool,
}

impl Gate {
    pub(crate) fn new() -> Arc<Gate> {
        Arc::new(Gate { reached: false.into(), open: false.into() })
    }
    pub(crate) fn pass(&self) -> Result<()> {
        self.reached.store(true, SeqCst);
        wait_for(|| self.open.load(SeqCst));
        Ok(())
    }
    pub(crate) fn await_vertex(&self) {
        wait_for(|| self.reached.load(SeqCst));
    }
}

pub(crate) fn wait_for(condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "waited for a minute");
        std::thread::yield_now();
    }
}

/// A vertex at a gate, and another after it that counts.
pub(crate) fn gated(gate: &Arc<Gate>, ran: &Arc<AtomicU32>) -> Graph<'static> {
    let mut builder = Builder::new();
    let (gate, ran) = (gate.clone(), ran.clone());
    let first = builder.add(move |_| gate.pass()).unwrap();
    let second = builder.add(move |_| counted_up(&ran)).unwrap();
    builder.precede(first, second).unwrap();
    builder.build().unwrap()
}
