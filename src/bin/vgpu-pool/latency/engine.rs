//! The pools of each mode, and the generator that brings them requests on time.

use super::board::{Board, sleep_until};
use super::simulate::{Job, Policy, simulate};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use vgpu_pool::error::Error;
use vgpu_pool::os::affinity;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::os::clock::monotonic_ns;
use vgpu_pool::pool::{Balance, Config, Group, InboxMode, Micropool, Micropools, Pool, Priority, TaskOptions};
use vgpu_pool::topology::{CpuSet, Topology};

/// Room for so many requests that wait.
const ROOM: usize = 1 << 18;

/// How workers share the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One pool: requests are dealt to the workers, who steal from each other.
    Stealing,
    /// One pool with one queue for all.
    Shared,
    /// One pool: requests are dealt to the workers, who shed what they have too much of into a queue for all.
    Shedding,
    /// A micropool for the short classes and one for the long ones; each request is sent to its own.
    Micropools,
    /// One pool, some of whose workers are kept for the short classes, which all workers take first; they are lent when a long one waits too long.
    Reserved,
    /// As micropools, but nobody knows the class before a worker has begun: a long request hands itself over.
    HandOver,
}

impl Mode {
    pub(super) const ALL: [Mode; 6] =
        [Mode::Stealing, Mode::Shared, Mode::Shedding, Mode::Micropools, Mode::Reserved, Mode::HandOver];

    pub(super) fn name(self) -> &'static str {
        match self {
            Mode::Stealing => "stealing",
            Mode::Shared => "shared",
            Mode::Shedding => "shedding",
            Mode::Micropools => "micropools",
            Mode::Reserved => "reserved",
            Mode::HandOver => "handover",
        }
    }
}

/// How many workers, and how many of them are for the short classes where these are kept apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) workers: usize,
    pub(super) short: usize,
    /// After how long a worker that is kept for short classes is lent.
    pub(super) lend_after_ns: u64,
}

/// The CPUs of a run.
pub(super) struct Machine {
    cpus: CpuSet,
    /// Where the generator runs, if it has a CPU to itself.
    generator: Option<u32>,
}

impl Machine {
    /// The generator gets a CPU to itself if the others can do what takes so many of them.
    pub(super) fn new(busy_cpus: f64) -> Result<Machine, Error> {
        let topology = Topology::detect(Allocator::SYSTEM)?;
        let mut cpus = CpuSet::new(Allocator::SYSTEM);
        for cpu in topology.cpus() {
            cpus.insert(cpu.number)?;
        }
        let first = topology.cpus().first().map(|cpu| cpu.number);
        let generator = first.filter(|_| busy_cpus <= 0.8 * (cpus.len() as f64 - 1.0));
        generator.inspect(|cpu| cpus.remove(*cpu));
        Ok(Machine { cpus, generator })
    }

    pub(super) fn has_own_cpu(&self) -> bool {
        self.generator.is_some()
    }
}

/// What takes requests.
enum Target {
    Pool(Pool),
    Micropools(Micropools),
}

/// Serves all requests of a board, each sent when it is due. Gives the moment from which their times count.
pub(super) fn run(
    mode: Mode,
    sizes: Sizes,
    machine: &Machine,
    board: &Arc<Board>,
    long: &[bool],
) -> Result<u64, Error> {
    // SAFETY: of the calling thread, and of those that it makes.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    let target = target(mode, sizes, machine)?;
    match &target {
        Target::Pool(pool) => {
            let mut group: Group<'_> = pool.group()?;
            let start = generate(machine, board, |request| {
                let is_urgent = mode == Mode::Reserved && !board.is_long(request, long);
                let priority = if is_urgent { Priority::High } else { Priority::Normal };
                let board = board.clone();
                group.submit_with(&TaskOptions::of(priority), move |_| {
                    board.serve(request);
                    Ok(())
                })
            })?;
            group.wait()?;
            Ok(start)
        }
        Target::Micropools(set) => generate(machine, board, |request| {
            let board = board.clone();
            let is_long = board.is_long(request, long);
            if mode == Mode::Micropools {
                return set.submit(usize::from(is_long), move |_| {
                    board.serve(request);
                    Ok(())
                });
            }
            set.submit(0, move |task| {
                if !is_long {
                    board.serve(request);
                    return Ok(());
                }
                let serve = move |_: vgpu_pool::pool::MicropoolTask<'_>| {
                    board.serve(request);
                    Ok(())
                };
                task.hand_over(1, serve).map_err(|(error, ..)| error)
            })
        }),
    }
}

fn target(mode: Mode, sizes: Sizes, machine: &Machine) -> Result<Target, Error> {
    let pool = |balance: Balance| -> Result<Target, Error> {
        let topology = Topology::read(Allocator::SYSTEM, "/", Some(&machine.cpus))?;
        let config = Config {
            workers: sizes.workers,
            inbox_capacity: ROOM,
            topology: Some(&topology),
            balance,
            ..Config::default()
        };
        Ok(Target::Pool(Pool::new(&config)?))
    };
    match mode {
        Mode::Stealing => pool(Balance { inbox: InboxMode::RoundRobin, ..Balance::default() }),
        Mode::Shared => pool(Balance { inbox: InboxMode::Shared, ..Balance::default() }),
        Mode::Shedding => pool(Balance { inbox: InboxMode::RoundRobin, shedding: true, ..Balance::default() }),
        Mode::Reserved => pool(Balance {
            inbox: InboxMode::Shared,
            reserved: sizes.short,
            lend_after_ns: sizes.lend_after_ns,
            ..Balance::default()
        }),
        Mode::Micropools | Mode::HandOver => {
            let mut sets = vec![];
            let mut next = machine.cpus.iter().collect::<Vec<_>>().into_iter().cycle();
            for workers in [sizes.short, sizes.workers - sizes.short] {
                let mut cpus = CpuSet::new(Allocator::SYSTEM);
                for cpu in next.by_ref().take(workers) {
                    cpus.insert(cpu)?;
                }
                sets.push((workers, cpus));
            }
            let micropools: Vec<Micropool<'_>> = ["short", "long"]
                .into_iter()
                .zip(&sets)
                .map(|(name, (workers, cpus))| Micropool { name, workers: *workers, cpus: Some(cpus), places: ROOM })
                .collect();
            Ok(Target::Micropools(Micropools::new(&micropools, &Config::default())?))
        }
    }
}

/// Sends each request at its time, and never skips one; how late it was is on the board.
fn generate(machine: &Machine, board: &Board, mut send: impl FnMut(usize) -> Result<(), Error>) -> Result<u64, Error> {
    let _urgent = Urgent::new(machine.generator);
    let start = monotonic_ns() + 2_000_000;
    for (request, due) in board.requests.iter().map(|request| start + request.at_ns).enumerate() {
        wait_until(due, machine.has_own_cpu());
        board.sent[request].store(monotonic_ns(), Relaxed);
        send(request)?;
    }
    Ok(start)
}

/// The calling thread before others, as far as the system lets it, and on a CPU of its own if there is one.
struct Urgent {
    cpus: Option<CpuSet>,
}

impl Urgent {
    fn new(cpu: Option<u32>) -> Urgent {
        // SAFETY: of the calling thread alone; what is refused changes nothing.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -15) };
        let before = affinity::allowed_cpus(Allocator::SYSTEM).ok().map(CpuSet::from_words);
        if let Some(cpu) = cpu {
            allow(&[cpu]);
        }
        Urgent { cpus: before }
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 0) };
        if let Some(cpus) = &self.cpus {
            allow(&cpus.iter().collect::<Vec<_>>());
        }
    }
}

fn allow(cpus: &[u32]) {
    // SAFETY: a set of bits, of which zeroes are the empty one; numbers past its end are left out.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        for &cpu in cpus.iter().filter(|cpu| (**cpu as usize) < libc::CPU_SETSIZE as usize) {
            libc::CPU_SET(cpu as usize, &mut set);
        }
        libc::sched_setaffinity(0, mem::size_of_val(&set), &set);
    }
}

fn wait_until(due: u64, spins: bool) {
    loop {
        let now = monotonic_ns();
        if now >= due {
            return;
        }
        if spins && due - now < 100_000 {
            std::hint::spin_loop();
            continue;
        }
        sleep_until(if spins { due - 50_000 } else { due });
    }
}

/// When the simulator has each request done, given how long each really took. One that finds a worker idle waits for `wake_ns`.
pub(super) fn simulated(mode: Mode, sizes: Sizes, jobs: &[Job], wake_ns: u64) -> Vec<u64> {
    let apart = Policy::apart(&[sizes.short, sizes.workers - sizes.short]);
    let woken = |mut done: Vec<u64>, jobs: &[Job]| {
        for (done, job) in done.iter_mut().zip(jobs) {
            *done += if *done == job.at_ns + job.service_ns { wake_ns } else { 0 };
        }
        done
    };
    match mode {
        Mode::Stealing | Mode::Shared | Mode::Shedding => {
            let jobs: Vec<Job> = jobs.iter().map(|job| Job { queue: 0, ..*job }).collect();
            woken(simulate(&Policy::one_queue(sizes.workers), &jobs), &jobs)
        }
        Mode::Micropools => woken(simulate(&apart, jobs), jobs),
        Mode::Reserved => {
            let policy = Policy::reserving(sizes.workers, sizes.short, sizes.lend_after_ns);
            woken(simulate(&policy, jobs), jobs)
        }
        Mode::HandOver => {
            // First all through the short micropool, where the long ones take no time; then these through the other.
            let first: Vec<Job> = jobs
                .iter()
                .map(|job| Job { service_ns: if job.queue == 0 { job.service_ns } else { 0 }, queue: 0, ..*job })
                .collect();
            let mut done = woken(simulate(&Policy::one_queue(sizes.short), &first), &first);
            let mut onward: Vec<usize> = (0..jobs.len()).filter(|job| jobs[*job].queue != 0).collect();
            onward.sort_by_key(|job| done[*job]);
            let second: Vec<Job> = onward.iter().map(|job| Job { at_ns: done[*job], queue: 0, ..jobs[*job] }).collect();
            let ends = woken(simulate(&Policy::one_queue(sizes.workers - sizes.short), &second), &second);
            onward.iter().zip(ends).for_each(|(job, end)| done[*job] = end);
            done
        }
    }
}
