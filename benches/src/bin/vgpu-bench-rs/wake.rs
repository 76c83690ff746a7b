//! From the moment a task was to be submitted to the moment it starts, on a pool that has slept. Arrivals follow a schedule
//! made beforehand; a latency counts from the intended moment, so the generator's own lateness is in it, and is told beside.

use crate::submit::Submit;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use vgpu_bench::cpus;
use vgpu_bench::kernels;
use vgpu_bench::sample::{Request, Sample};

/// How long a pool sleeps between two tasks, at least.
const GAP_NS: u64 = 30_000_000;
const SEED: u32 = 7;
/// Tasks before the first that counts, so that no latency measures how threads are started.
const WARM_UP: u64 = 100;

/// When a task started; 0 as long as it has not.
#[derive(Default)]
struct Stamp(AtomicU64);

impl Stamp {
    /// For as long as the process lives: tasks that nobody waits for write them.
    fn many(count: u64) -> &'static [Stamp] {
        Vec::leak((0..count).map(|_| Stamp::default()).collect())
    }

    fn set(&self) {
        self.0.store(kernels::now_ns(), Ordering::Release);
    }

    fn wait(&self) -> u64 {
        loop {
            match self.0.load(Ordering::Acquire) {
                0 => thread::sleep(Duration::from_millis(1)),
                set => return set,
            }
        }
    }
}

pub fn measure<S: Submit>(request: &Request) -> Sample {
    let pool = S::start(request.workers);
    pool.submit_and_wait(WARM_UP);
    let stamps = Stamp::many(request.size);
    arrivals(stamps, |number| {
        let stamp = &stamps[number];
        pool.spawn(|| stamp.set());
    })
}

/// Where the two threads of [`measure_futex`] run.
#[derive(Clone, Copy)]
pub enum Threads {
    /// Where the kernel puts them: the sleeper, mostly, on the CPU of who wakes it, which soon sleeps itself.
    Anywhere,
    /// Each on a CPU of its own, as pinned workers are: who wakes and who is woken can both go on.
    Pinned,
}

/// What the machine takes: a thread blocked in a futex, and another that wakes it.
pub fn measure_futex(request: &Request, threads: Threads) -> Sample {
    static ARRIVED: AtomicU32 = AtomicU32::new(0);
    let stamps = Stamp::many(request.size);
    let cpus = cpus::allowed().expect("this thread's CPUs");
    let pin = move |place: usize| {
        if let Threads::Pinned = threads {
            cpus::pin(&[cpus[place % cpus.len()]]).expect("one of this thread's CPUs");
        }
    };
    pin(0);
    let sleeper = thread::spawn(move || {
        pin(1);
        for (number, stamp) in stamps.iter().enumerate() {
            while ARRIVED.load(Ordering::Acquire) as usize == number {
                futex(&ARRIVED, libc::FUTEX_WAIT, number as u32);
            }
            stamp.set();
        }
    });
    let sample = arrivals(stamps, |_| {
        ARRIVED.fetch_add(1, Ordering::Release);
        futex(&ARRIVED, libc::FUTEX_WAKE, 1);
    });
    sleeper.join().expect("the sleeper does not panic");
    sample
}

fn futex(word: &AtomicU32, operation: i32, value: u32) {
    let no_deadline = std::ptr::null::<libc::timespec>();
    // SAFETY: the word lives through the call, and waiting takes no deadline.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), operation | libc::FUTEX_PRIVATE_FLAG, value, no_deadline);
    }
}

/// Has each stamp's number submitted when its time has come.
fn arrivals(stamps: &[Stamp], mut submit: impl FnMut(usize)) -> Sample {
    let offsets = kernels::schedule(stamps.len(), GAP_NS, SEED);
    let cpu = || kernels::process_cpu_ns() - kernels::thread_cpu_ns();
    let cpu_before = cpu();
    let begin = kernels::now_ns() + GAP_NS;
    let mut sample = Sample::default();
    for (number, offset) in offsets.iter().enumerate() {
        kernels::wait_until(begin + offset);
        sample.lateness_ns.push(kernels::now_ns() - (begin + offset));
        submit(number);
    }
    sample.latencies_ns = stamps.iter().zip(&offsets).map(|(stamp, offset)| stamp.wait() - (begin + offset)).collect();
    // The generator spins before each arrival; that is not the pool's.
    sample.cpu_s = (cpu() - cpu_before) as f64 * 1e-9;
    sample.seconds = (kernels::now_ns() - begin) as f64 * 1e-9;
    sample.check = sample.latencies_ns.len().to_string();
    sample
}
