//! The pool as a Rust program uses it, on real threads.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

mod common;

use common::fib;
use std::alloc::{self, Layout};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};
use vgpu_pool::error::{Error, Result, Status};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::parallel::{self, Tiling};
use vgpu_pool::pool::{Config, Growth, Pinning, Pool, WaitPolicy, WhenFull, Worker};

fn pool(workers: usize) -> Pool {
    Pool::new(&Config { workers, pinning: Pinning::Off, ..Config::default() }).unwrap()
}

fn status<T>(result: Result<T>) -> Option<Status> {
    result.err().map(|error| error.status())
}

/// A task's success, whatever it did last.
fn done<T>(_: T) -> Result<()> {
    Ok(())
}

fn failure(text: &str) -> Error {
    Error::new(Status::TaskFailed, format_args!("{text}"))
}

/// Waits for another thread to raise the flag.
fn await_flag(flag: &AtomicBool) {
    let start = Instant::now();
    while !flag.load(SeqCst) {
        assert!(start.elapsed() < Duration::from_secs(60), "nobody has raised the flag");
        std::thread::yield_now();
    }
}

#[test]
fn a_future_gives_the_value_of_its_task() {
    let pool = pool(2);
    let futures: Vec<_> = (0..1000).map(|i| pool.submit(move |_| i * 2).unwrap()).collect();
    for (i, future) in futures.into_iter().enumerate() {
        assert_eq!(future.get().unwrap(), i * 2);
    }
}

#[test]
fn a_default_pool_has_a_worker_for_every_cpu_it_may_use() {
    let pool = Pool::new(&Config::default()).unwrap();
    assert!(pool.workers() >= 1);
    assert!(pool.workers() <= std::thread::available_parallelism().unwrap().get());
    assert_eq!(pool.unpinned_workers(), 0);
}

#[test]
fn values_and_closures_are_dropped_exactly_once() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let pool = pool(2);
    for round in 0..100 {
        let counted = Counted(drops.clone());
        let future = pool.submit(move |_| counted).unwrap();
        match round % 4 {
            0 => drop(future.get().unwrap()),
            1 => drop(future),
            2 => drop((future.cancel(), future)),
            _ => future.wait().unwrap(),
        }
    }
    pool.wait_all().unwrap();
    drop(pool);
    assert_eq!(drops.load(SeqCst), 100);
}

#[test]
fn a_panic_comes_out_at_get() {
    let pool = pool(1);
    let future = pool.submit(|_| -> u32 { panic!("seven is {}", 7) }).unwrap();
    let error = future.get().unwrap_err();
    assert_eq!(error.status(), Status::Panic);
    assert!(error.message().contains("seven is 7"), "{error}");
    let future = pool.submit(|_| -> u32 { panic!("again") }).unwrap();
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| future.get_or_resume())).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"again"));
    assert_eq!(pool.submit(|_| 1).unwrap().get().unwrap(), 1);
}

#[test]
fn an_error_comes_out_at_get() {
    let pool = pool(1);
    let future = pool.try_submit(|_| -> Result<u32> { Err(failure("no luck")) }).unwrap();
    assert_eq!(future.get().unwrap_err().message(), "no luck");
}

/// Keeps the only worker busy until told otherwise.
fn blocker(pool: &Pool) -> Arc<AtomicBool> {
    let (started, release) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let inner = (started.clone(), release.clone());
    drop(pool.submit(move |_| {
        inner.0.store(true, SeqCst);
        while !inner.1.load(SeqCst) {
            std::thread::yield_now();
        }
    }));
    while !started.load(SeqCst) {
        std::thread::yield_now();
    }
    release
}

#[test]
fn a_task_can_be_cancelled_until_it_starts() {
    let pool = pool(1);
    let release = blocker(&pool);
    let ran = Arc::new(AtomicBool::new(false));
    let inner = ran.clone();
    let future = pool.submit(move |_| inner.store(true, SeqCst)).unwrap();
    assert!(!future.is_ready());
    assert!(future.cancel());
    assert!(!future.cancel());
    assert!(future.is_ready());
    assert_eq!(status(future.get()), Some(Status::Cancelled));
    release.store(true, SeqCst);
    let done = pool.submit(|_| ()).unwrap();
    done.wait().unwrap();
    assert!(!done.cancel());
    assert!(!ran.load(SeqCst));
}

#[test]
fn a_timed_wait_ends_in_time_and_the_task_goes_on() {
    let pool = pool(1);
    let release = blocker(&pool);
    let future = pool.submit(|_| 5).unwrap();
    let start = Instant::now();
    assert_eq!(status(future.wait_for(Duration::from_millis(30))), Some(Status::TimedOut));
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert_eq!(status(future.wait_for(Duration::ZERO)), Some(Status::TimedOut));
    release.store(true, SeqCst);
    future.wait_for(Duration::MAX).unwrap();
    assert_eq!(future.get().unwrap(), 5);
}

#[test]
fn a_callback_is_called_once_before_or_after_the_task() {
    let pool = pool(1);
    for late in [false, true] {
        let calls = Arc::new(AtomicUsize::new(0));
        let release = blocker(&pool);
        let future = pool.try_submit(|_| -> Result<()> { Err(failure("told")) }).unwrap();
        if late {
            release.store(true, SeqCst);
            future.wait().unwrap();
        }
        let inner = calls.clone();
        future
            .on_complete(move |outcome| {
                assert_eq!(outcome.unwrap_err().message(), "told");
                inner.fetch_add(1, SeqCst);
            })
            .unwrap();
        assert_eq!(calls.load(SeqCst), usize::from(late));
        release.store(true, SeqCst);
        pool.wait_all().unwrap();
        assert_eq!(calls.load(SeqCst), 1);
    }
}

#[test]
fn waiting_inside_a_task_helps() {
    let pool = Arc::new(pool(1));
    let inner = pool.clone();
    let outer = pool.try_submit(move |_| inner.submit(|_| 3)?.get()).unwrap();
    assert_eq!(outer.get().unwrap(), 3);
    let inner = pool.clone();
    let outer = pool.try_submit(move |_| {
        let mut group = inner.group()?;
        for _ in 0..10 {
            group.submit(|_| Ok(()))?;
        }
        group.wait()
    });
    outer.unwrap().get().unwrap();
}

#[test]
fn two_pools_may_wait_for_each_other() {
    let (a, b) = (Arc::new(pool(1)), Arc::new(pool(1)));
    let (a2, b2) = (a.clone(), b.clone());
    let future = a.try_submit(move |_| b2.try_submit(move |_| a2.submit(|_| 9)?.get())?.get()).unwrap();
    assert_eq!(future.get().unwrap(), 9);
}

#[test]
fn what_waits_for_its_own_end_is_refused() {
    let pool = Arc::new(pool(1));
    let inner = pool.clone();
    let future = pool.try_submit(move |_| inner.wait_all()).unwrap();
    assert_eq!(status(future.get()), Some(Status::WouldDeadlock));
}

#[test]
fn a_full_inbox_does_what_was_chosen() {
    for when_full in [WhenFull::Error, WhenFull::Block, WhenFull::Run] {
        let config = Config { workers: 1, inbox_capacity: 2, when_full, pinning: Pinning::Off, ..Config::default() };
        let pool = Pool::new(&config).unwrap();
        let release = blocker(&pool);
        let here = std::thread::current().id();
        let futures: Vec<_> = (0..5).map(|_| pool.submit(move |_| std::thread::current().id() == here)).collect();
        release.store(true, SeqCst);
        let refused = futures.iter().filter(|f| f.as_ref().is_err_and(|e| e.status() == Status::QueueFull)).count();
        let here: Vec<bool> = futures.into_iter().flatten().map(|f| f.get().unwrap()).collect();
        match when_full {
            WhenFull::Error => assert_eq!((refused, here), (3, vec![false, false])),
            WhenFull::Block => assert_eq!((refused, here), (0, vec![true, true, true, false, false])),
            WhenFull::Run => assert_eq!((refused, here), (0, vec![false, false, true, true, true])),
        }
    }
}

/// Room for two at first; then for 2, 4 and 8, or for four times 2.
#[test]
fn a_full_inbox_grows_as_far_as_it_may() {
    for (inbox_growth, room) in [(Growth::Vertical, 14), (Growth::Horizontal, 8)] {
        let growing = Config { inbox_capacity: 2, inbox_limit: 8, inbox_growth, ..Config::default() };
        let pool = Pool::new(&Config { workers: 1, pinning: Pinning::Off, ..growing }).unwrap();
        let release = blocker(&pool);
        let order = Arc::new(Mutex::new(vec![]));
        let mut futures: Vec<_> = (0..20)
            .map(|i| {
                let order = order.clone();
                pool.submit(move |_| order.lock().unwrap().push(i))
            })
            .collect();
        let refused = futures.split_off(room);
        assert!(refused.iter().all(|f| f.as_ref().is_err_and(|e| e.status() == Status::QueueFull)), "{inbox_growth:?}");
        release.store(true, SeqCst);
        futures.into_iter().for_each(|future| future.unwrap().get().unwrap());
        let mut order = order.lock().unwrap();
        if inbox_growth == Growth::Horizontal {
            order.sort_unstable();
        }
        assert_eq!(*order, (0..room).collect::<Vec<_>>(), "{inbox_growth:?}");
    }
}

#[test]
fn an_inbox_that_would_grow_too_far_is_refused() {
    let refused = |config: Config<'_>| Pool::new(&config).map(drop).unwrap_err();
    let rings = Config { inbox_capacity: 2, inbox_limit: 256, inbox_growth: Growth::Horizontal, ..Config::default() };
    assert_eq!(refused(rings).status(), Status::InvalidArgument);
    let huge = refused(Config { inbox_limit: (1 << 24) + 1, ..Config::default() });
    assert!(huge.status() == Status::InvalidArgument && huge.message().contains("16777217"), "{}", huge.message());
}

#[test]
fn a_group_reports_its_first_failure_and_can_be_used_again() {
    let pool = pool(2);
    let mut group = pool.group().unwrap();
    for i in 0..20 {
        group.submit(move |_| if i == 7 { Err(failure("seven")) } else { Ok(()) }).unwrap();
    }
    assert_eq!(group.wait().unwrap_err().message(), "seven");
    group.submit(|_| Ok(())).unwrap();
    group.wait().unwrap();
}

#[test]
fn destroying_runs_what_was_accepted() {
    let done = Arc::new(AtomicUsize::new(0));
    let pool = Arc::new(pool(2));
    for _ in 0..100 {
        let (inner, done) = (Arc::downgrade(&pool), done.clone());
        drop(pool.submit(move |_| {
            std::thread::sleep(Duration::from_micros(50));
            if let Some(pool) = inner.upgrade() {
                let done = done.clone();
                drop(pool.submit(move |_| done.fetch_add(1, SeqCst)));
            }
            done.fetch_add(1, SeqCst);
        }));
    }
    // The last reference may be one of the tasks': then that task would destroy the pool. Wait for them first.
    pool.wait_all().unwrap();
    drop(Arc::into_inner(pool));
    assert_eq!(done.load(SeqCst), 200);
}

/// A worker takes tasks out of the queue that somebody has cancelled before. Those that it does not come to, the pool frees.
/// Counts a host's blocks: those that are out, those that were ever asked for, and how many it still gives.
struct Host {
    out: AtomicUsize,
    asked: AtomicUsize,
    left: AtomicUsize,
}

impl Host {
    const fn new() -> Host {
        Host { out: AtomicUsize::new(0), asked: AtomicUsize::new(0), left: AtomicUsize::new(usize::MAX) }
    }

    fn allocator(&'static self) -> Allocator {
        unsafe extern "C-unwind" fn allocate(host: *mut c_void, size: usize, align: usize) -> *mut c_void {
            // SAFETY: a static.
            let host = unsafe { &*host.cast::<Host>() };
            if host.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err() {
                return ptr::null_mut();
            }
            host.out.fetch_add(1, SeqCst);
            host.asked.fetch_add(1, SeqCst);
            let room = size + align.max(16);
            // SAFETY: not empty. What was asked for is noted in front.
            unsafe {
                let memory = alloc::alloc(Layout::from_size_align(room, align.max(16)).unwrap());
                let memory = memory.add(align.max(16));
                memory.sub(16).cast::<[usize; 2]>().write([size, align]);
                memory.cast()
            }
        }
        unsafe extern "C-unwind" fn free(host: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
            // SAFETY: from `allocate`, with the same size and alignment, or the assertion ends it.
            unsafe {
                let memory = memory.cast::<u8>();
                assert_eq!(memory.sub(16).cast::<[usize; 2]>().read(), [size, align], "given back as something else");
                let room = size + align.max(16);
                let layout = Layout::from_size_align(room, align.max(16)).unwrap();
                alloc::dealloc(memory.sub(align.max(16)), layout);
                (*host.cast::<Host>()).out.fetch_sub(1, SeqCst);
            }
        }
        // SAFETY: any thread may call them.
        unsafe { Allocator::from_host(allocate, free, ptr::from_ref(self).cast_mut().cast()) }
    }
}

fn pool_of(host: &'static Host, workers: usize, inbox_capacity: usize) -> Pool {
    let when_full = WhenFull::Block;
    let allocator = host.allocator();
    Pool::new(&Config { workers, inbox_capacity, when_full, pinning: Pinning::Off, allocator, ..Config::default() })
        .unwrap()
}

#[test]
fn the_memory_of_tasks_is_used_again_and_given_back() {
    static HOST: Host = Host::new();
    let pool = pool_of(&HOST, 2, 64);
    let sum = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (pool, sum) = (&pool, &sum);
            scope.spawn(move || {
                let mut group = pool.group().unwrap();
                for i in 0..3000 {
                    let sum = sum.clone();
                    match (thread + i) % 4 {
                        // Of each size, and one larger than all.
                        0 => group.submit(move |_| done(sum.fetch_add(1, SeqCst))).unwrap(),
                        1 => group.submit(move |_| done(sum.fetch_add([1usize; 9][i % 9], SeqCst))).unwrap(),
                        2 => {
                            let many = [1usize; 20];
                            group.submit(move |_| done(sum.fetch_add(many[i % 20], SeqCst))).unwrap();
                        }
                        _ => {
                            let many = [1usize; 100];
                            group.submit(move |_| done(sum.fetch_add(many[i % 100], SeqCst))).unwrap();
                        }
                    }
                }
                group.wait().unwrap();
            });
        }
    });
    assert_eq!(sum.load(SeqCst), 9000);
    drop(pool);
    assert_eq!(HOST.out.load(SeqCst), 0);
    assert_eq!(Arc::strong_count(&sum), 1);
}

#[test]
fn small_tasks_need_no_allocation_once_it_is_warm() {
    static HOST: Host = Host::new();
    let pool = pool_of(&HOST, 1, 64);
    let mut group = pool.group().unwrap();
    for _ in 0..2000 {
        group.submit(|_| Ok(())).unwrap();
    }
    group.wait().unwrap();
    let warm = HOST.asked.load(SeqCst);
    assert!(warm < 400, "{warm} allocations for 2000 tasks through an inbox of 64");
    for _ in 0..20 {
        group.submit_batch((0..1000).map(|_| |_: &Worker| Ok(()))).unwrap();
    }
    group.wait().unwrap();
    let more = HOST.asked.load(SeqCst) - warm;
    assert!(more < 400, "{more} allocations for 20000 tasks more");
    drop(group);
    drop(pool);
    assert_eq!(HOST.out.load(SeqCst), 0);
}

#[test]
fn a_task_for_which_there_is_no_memory_is_refused_and_dropped() {
    static HOST: Host = Host::new();
    let pool = pool_of(&HOST, 1, 64);
    let mut group = pool.group().unwrap();
    let release = blocker(&pool);
    HOST.left.store(10, SeqCst);
    let ran = Arc::new(AtomicUsize::new(0));
    let task = || {
        let ran = ran.clone();
        move |_: &Worker| done(ran.fetch_add(1, SeqCst))
    };
    let (submitted, error) = group.submit_batch((0..40).map(|_| task())).unwrap_err();
    assert_eq!((submitted, error.status()), (10, Status::OutOfMemory));
    assert_eq!(status(group.submit(task())), Some(Status::OutOfMemory));
    HOST.left.store(usize::MAX, SeqCst);
    group.submit(task()).unwrap();
    release.store(true, SeqCst);
    group.wait().unwrap();
    assert_eq!(ran.load(SeqCst), 11);
    assert_eq!(Arc::strong_count(&ran), 1, "what was refused is dropped");
    drop(group);
    drop(pool);
    assert_eq!(HOST.out.load(SeqCst), 0);
}

#[test]
fn a_batch_runs_each_task_once_and_tells_how_far_it_came() {
    let pool = pool(2);
    let mut group = pool.group().unwrap();
    let ran: Arc<Vec<AtomicUsize>> = Arc::new((0..1000).map(|_| AtomicUsize::new(0)).collect());
    let task = |i: usize| {
        let ran = ran.clone();
        move |_: &Worker| done(ran[i].fetch_add(1, SeqCst))
    };
    group.submit_batch((0..1000).map(task)).unwrap();
    group.submit_batch((0..0).map(task)).unwrap();
    group.wait().unwrap();
    assert!(ran.iter().all(|count| count.load(SeqCst) == 1));
    drop(group);

    for when_full in [WhenFull::Error, WhenFull::Block, WhenFull::Run] {
        let config = Config { workers: 1, inbox_capacity: 8, when_full, pinning: Pinning::Off, ..Config::default() };
        let pool = Pool::new(&config).unwrap();
        let release = blocker(&pool);
        let before: Vec<_> = ran.iter().map(|count| count.load(SeqCst)).collect();
        let mut group = pool.group().unwrap();
        let result = group.submit_batch((0..100).map(task));
        let accepted = match (when_full, result) {
            (WhenFull::Error, Err((accepted, error))) => {
                assert_eq!(error.status(), Status::QueueFull);
                accepted
            }
            (_, result) => {
                result.unwrap();
                100
            }
        };
        assert_eq!(accepted, if when_full == WhenFull::Error { 8 } else { 100 });
        release.store(true, SeqCst);
        group.wait().unwrap();
        let after = ran.iter().map(|count| count.load(SeqCst));
        for (i, (before, after)) in before.into_iter().zip(after).enumerate() {
            assert_eq!(after - before, usize::from(i < accepted), "task {i}, {when_full:?}");
        }
    }
}

#[test]
fn a_batch_reports_its_first_failure_and_its_panics() {
    let pool = pool(2);
    let mut group = pool.group().unwrap();
    let tasks =
        |bad: usize| (0..200).map(move |i| move |_: &Worker| if i == bad { Err(failure("bad")) } else { Ok(()) });
    group.submit_batch(tasks(77)).unwrap();
    assert_eq!(group.wait().unwrap_err().message(), "bad");
    group.submit_batch(tasks(200)).unwrap();
    group.wait().unwrap();
    group.submit(|_| panic!("not here")).unwrap();
    assert_eq!(status(group.wait()), Some(Status::Panic));
}

/// A worker counts tasks off several at a time; what waits for the last of them must not notice.
#[test]
fn a_group_is_done_before_its_worker_turns_to_something_long() {
    let pool = pool(1);
    for _ in 0..20 {
        let release = blocker(&pool);
        let (mut short, mut long) = (pool.group().unwrap(), pool.group().unwrap());
        short.submit_batch((0..10).map(|_| |_: &Worker| Ok(()))).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        long.submit(move |_| {
            while !until.load(SeqCst) {
                std::thread::yield_now();
            }
            Ok(())
        })
        .unwrap();
        release.store(true, SeqCst);
        short.wait().unwrap();
        over.store(true, SeqCst);
        long.wait().unwrap();
    }
}

/// As above, when the worker ran the group's task while it waited for something else, which was done meanwhile.
#[test]
fn what_a_waiting_task_ran_is_done_before_it_goes_on() {
    let pool = pool(2);
    let flags: Arc<[AtomicBool; 3]> = Arc::default();
    let until = |flag: &AtomicBool| {
        while !flag.load(SeqCst) {
            std::thread::yield_now();
        }
    };
    let shared = flags.clone();
    let awaited = Arc::new(pool.submit(move |_| until(&shared[0])).unwrap());
    let (shared, inner) = (flags.clone(), awaited.clone());
    let outer = pool
        .try_submit(move |_| {
            until(&shared[1]);
            inner.wait_for(Duration::from_secs(100))?;
            until(&shared[2]);
            Ok(())
        })
        .unwrap();
    let mut group = pool.group().unwrap();
    let shared = flags.clone();
    group
        .submit(move |_| {
            shared[0].store(true, SeqCst);
            while !awaited.is_ready() {
                std::thread::yield_now();
            }
            Ok(())
        })
        .unwrap();
    flags[1].store(true, SeqCst);
    group.wait().unwrap();
    flags[2].store(true, SeqCst);
    outer.get().unwrap();
}

#[test]
fn the_memory_kept_for_tasks_is_bounded() {
    static HOST: Host = Host::new();
    let pool = pool_of(&HOST, 1, 1 << 14);
    let mut group = pool.group().unwrap();
    let release = blocker(&pool);
    let many = [1usize; 24];
    for i in 0..12_000 {
        group.submit(move |_| done(std::hint::black_box(many[i % 24]))).unwrap();
    }
    assert!(HOST.out.load(SeqCst) > 12_000);
    release.store(true, SeqCst);
    group.wait().unwrap();
    let kept = HOST.out.load(SeqCst);
    assert!(kept < 4_500, "{kept} blocks are kept after 12000 tasks of 256 bytes");
    drop(group);
    drop(pool);
    assert_eq!(HOST.out.load(SeqCst), 0);
}

#[test]
fn tasks_may_submit_batches_to_their_own_group() {
    let pool = Arc::new(pool(2));
    let mut group = pool.group().unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let inner = pool.clone();
    for _ in 0..50 {
        let (ran, pool) = (ran.clone(), inner.clone());
        group
            .submit(move |_| {
                let mut own = pool.group()?;
                let ran = ran.clone();
                own.submit_batch((0..20).map(|_| {
                    let ran = ran.clone();
                    move |_: &Worker| done(ran.fetch_add(1, SeqCst))
                }))
                .map_err(|(_, error)| error)?;
                own.wait()
            })
            .unwrap();
    }
    group.wait().unwrap();
    pool.wait_all().unwrap();
    assert_eq!(ran.load(SeqCst), 1000);
}

#[test]
fn destroying_frees_what_was_cancelled() {
    static BLOCKS: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C-unwind" fn allocate(_: *mut c_void, size: usize, align: usize) -> *mut c_void {
        BLOCKS.fetch_add(1, SeqCst);
        // SAFETY: the pool asks for no empty blocks.
        unsafe { alloc::alloc(Layout::from_size_align(size, align).unwrap()).cast() }
    }
    unsafe extern "C-unwind" fn free(_: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
        BLOCKS.fetch_sub(1, SeqCst);
        // SAFETY: from `allocate`, with the same size and alignment.
        unsafe { alloc::dealloc(memory.cast(), Layout::from_size_align(size, align).unwrap()) }
    }
    // SAFETY: any thread may call them.
    let allocator = unsafe { Allocator::from_host(allocate, free, ptr::null_mut()) };
    for _ in 0..20 {
        let pool = Pool::new(&Config { workers: 1, pinning: Pinning::Off, allocator, ..Config::default() }).unwrap();
        let futures: Vec<_> = (0..100).map(|_| pool.submit(|_| ()).unwrap()).collect();
        for future in &futures {
            let _ = future.cancel();
        }
        drop(futures);
        drop(pool);
        assert_eq!(BLOCKS.load(SeqCst), 0);
    }
}

/// A wait inside a fork takes the inner of two public jobs and leaves the outer one: each frame must find its own job.
#[test]
fn a_wait_inside_a_fork_may_run_the_forks_own_jobs() {
    let pool = pool(1);
    let ran = AtomicUsize::new(0);
    let sum = pool
        .run(|worker| {
            let task = pool.submit(|_| 4).unwrap();
            let inner = |worker: &Worker| {
                // Timed, so that the wait does not run the task itself: the second half does.
                let wait = |_: &Worker| task.wait_for(Duration::from_secs(100)).unwrap();
                let run_task = |_: &Worker| {
                    task.wait().unwrap();
                    ran.fetch_add(1, SeqCst);
                };
                worker.join(wait, run_task);
            };
            let (_, outer) = worker.join(inner, |_| ran.fetch_add(1, SeqCst));
            assert_eq!(outer, 1, "the outer job ran last");
            task.get()
        })
        .unwrap();
    assert_eq!((sum, ran.into_inner()), (4, 2));
}

#[test]
fn what_a_wait_depends_on_is_not_private() {
    let pool = pool(1);
    pool.run(|worker| {
        let done = Arc::new(AtomicBool::new(false));
        let seen = done.clone();
        let inner = |worker: &Worker| {
            let task = pool.submit(move |_| assert!(seen.load(SeqCst))).unwrap();
            worker.join(|_| task.wait_for(Duration::from_secs(100)).unwrap(), |_| done.store(true, SeqCst));
            task.get().unwrap();
        };
        worker.join(inner, |_| ());
        Ok(())
    })
    .unwrap();
}

/// Submits `queued` empty tasks and one that depends on a private job of its submitter, and waits for it. The pool's other worker is
/// held up until that task runs, and then finds the outer job, and perhaps nothing else.
fn wait_for_what_a_private_job_does(pool: &Pool, queued: usize) {
    let [begun, release, go] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
    let (held, until) = (begun.clone(), release.clone());
    drop(pool.submit(move |_| {
        held.store(true, SeqCst);
        await_flag(&until);
    }));
    await_flag(&begun);
    let wait = |_: &Worker| {
        for _ in 0..queued {
            drop(pool.submit(|_| ()).unwrap());
        }
        let (release, go) = (release.clone(), go.clone());
        let task = move |_: &Worker| {
            release.store(true, SeqCst);
            await_flag(&go);
        };
        pool.submit(task).unwrap().get().unwrap();
    };
    pool.run(|worker| {
        worker.join(|worker| worker.join(wait, |_| go.store(true, SeqCst)), |_| ());
        Ok(())
    })
    .unwrap();
}

/// A task that nobody has begun is run by whoever waits for it. What it depends on must not stay private either.
#[test]
fn what_a_task_that_the_waiter_runs_depends_on_is_not_private() {
    wait_for_what_a_private_job_does(&pool(2), 0);
}

/// As above, for a task that its submitter runs because the inbox is full.
#[test]
fn what_a_task_that_the_submitter_runs_depends_on_is_not_private() {
    let config =
        Config { workers: 2, inbox_capacity: 2, when_full: WhenFull::Run, pinning: Pinning::Off, ..Config::default() };
    wait_for_what_a_private_job_does(&Pool::new(&config).unwrap(), 4);
}

#[test]
fn joins_nest() {
    for workers in [1, 2, 4] {
        assert_eq!(pool(workers).run(|worker| Ok(fib(worker, 22))).unwrap(), 17711);
    }
}

/// A list as deep as it is long, walked by forks.
fn walk(worker: &Worker, depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let (below, here) = worker.join(|worker| walk(worker, depth - 1), |_| 1);
    below + here
}

#[test]
fn a_recursion_too_deep_for_the_stack_is_an_error() {
    for workers in [1, 2] {
        let config = Config { workers, stack_size: 256 << 10, pinning: Pinning::Off, ..Config::default() };
        let small = Pool::new(&config).unwrap();
        assert_eq!(small.run(|worker| Ok(walk(worker, 50))).unwrap(), 50);
        let outcome = small.run(|worker| Ok(walk(worker, 1_000_000)));
        assert_eq!(status(outcome), Some(Status::StackLimit));
        let future = small.submit(|worker| walk(worker, 1_000_000)).unwrap();
        assert_eq!(status(future.get()), Some(Status::StackLimit));
        // Nothing is left behind.
        assert_eq!(small.run(|worker| Ok(fib(worker, 20))).unwrap(), 6765);
        let large = Pool::new(&Config { stack_size: 64 << 20, ..config }).unwrap();
        assert_eq!(large.run(|worker| Ok(walk(worker, 17_844))).unwrap(), 17_844);
    }
}

/// Tasks that wait for tasks that wait, with groups, futures and forks in turn.
fn tree(pool: &Arc<Pool>, worker: &Worker, depth: u32) -> Result<u64> {
    if depth == 0 {
        return Ok(1);
    }
    let branch = || {
        let pool = pool.clone();
        move |worker: &Worker| tree(&pool, worker, depth - 1)
    };
    match depth % 3 {
        0 => {
            let sum = Arc::new(AtomicUsize::new(0));
            let mut group = pool.group()?;
            for _ in 0..2 {
                let (sum, branch) = (sum.clone(), branch());
                group.submit(move |worker| {
                    sum.fetch_add(branch(worker)? as usize, SeqCst);
                    Ok(())
                })?;
            }
            group.wait()?;
            Ok(sum.load(SeqCst) as u64)
        }
        1 => {
            let futures = [pool.try_submit(branch())?, pool.try_submit(branch())?];
            futures.into_iter().map(|future| future.get()).sum()
        }
        _ => {
            let (left, right) = worker.join(branch(), branch());
            Ok(left? + right?)
        }
    }
}

#[test]
fn no_way_to_wait_ends_in_a_deadlock() {
    for wait_policy in [WaitPolicy::HelpAny, WaitPolicy::HelpOwn, WaitPolicy::Block] {
        for (workers, help_depth) in [(1, 0), (2, 0), (3, 1)] {
            let config = Config { workers, wait_policy, help_depth, pinning: Pinning::Off, ..Config::default() };
            let pool = Arc::new(Pool::new(&config).unwrap());
            let inside = pool.clone();
            assert_eq!(pool.run(|worker| tree(&inside, worker, 9)).unwrap(), 512, "{wait_policy:?}, {workers} workers");
        }
    }
}

/// Strangers that a worker must not run while it waits, as it may hold a lock that they take.
#[test]
fn a_wait_that_blocks_runs_no_stranger() {
    let pool = Arc::new(pool(2));
    for round in 0..50 {
        let inside = pool.clone();
        let holder = move |worker: &Worker| {
            let policy = if round % 2 == 0 { WaitPolicy::Block } else { WaitPolicy::HelpOwn };
            assert_eq!(worker.set_wait_policy(policy), WaitPolicy::HelpAny);
            let begun = Arc::new(Barrier::new(2));
            let other = begun.clone();
            // On the other worker, so that there is something to wait for.
            let slow = inside.submit(move |_| {
                other.wait();
                std::thread::sleep(Duration::from_millis(1));
            })?;
            begun.wait();
            let ran_here = Arc::new(AtomicBool::new(false));
            let (seen, here) = (ran_here.clone(), worker.index());
            let stranger = inside.submit(move |worker| seen.store(worker.index() == here, SeqCst))?;
            slow.wait()?;
            assert!(!ran_here.load(SeqCst));
            stranger.get()
        };
        pool.try_submit(holder).unwrap().get().unwrap();
    }
}

/// Each task waits for the next, which nobody else has begun, and so runs it itself.
fn chain(pool: &Arc<Pool>, length: u32) -> Result<u32> {
    if length == 0 {
        return Ok(0);
    }
    let inside = pool.clone();
    Ok(pool.try_submit(move |_| chain(&inside, length - 1))?.get()? + 1)
}

#[test]
fn a_chain_of_waits_too_deep_for_the_stack_is_an_error() {
    for wait_policy in [WaitPolicy::HelpAny, WaitPolicy::HelpOwn, WaitPolicy::Block] {
        let config =
            Config { workers: 1, stack_size: 256 << 10, wait_policy, pinning: Pinning::Off, ..Config::default() };
        let pool = Arc::new(Pool::new(&config).unwrap());
        let inside = pool.clone();
        assert_eq!(pool.run(|_| chain(&inside, 10)).unwrap(), 10);
        assert_eq!(status(pool.run(|_| chain(&inside, 1_000_000))), Some(Status::StackLimit), "{wait_policy:?}");
        pool.wait_all().unwrap();
    }
}

#[test]
fn a_panic_in_either_half_of_a_join_comes_out() {
    let pool = pool(2);
    for half in 0..2 {
        let result = pool.run(|worker| {
            worker.join(|_| assert!(half != 0, "left"), |_| assert!(half != 1, "right"));
            Ok(())
        });
        let error = result.unwrap_err();
        assert_eq!(error.status(), Status::Panic);
        assert!(error.message().contains(["left", "right"][half]), "{error}");
    }
}

#[test]
fn a_loop_covers_its_range_exactly_once() {
    let pool = pool(3);
    for n in [0usize, 1, 2, 7, 100, 1001] {
        for grain in [0usize, 1, 3, 64, usize::MAX] {
            for pool in [Some(&pool), None] {
                let counts: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
                parallel::for_range(pool, 0..n, grain, |_, piece| {
                    assert!(!piece.is_empty() && (grain == 0 || piece.len() <= grain));
                    piece.for_each(|i| {
                        counts[i].fetch_add(1, SeqCst);
                    });
                    Ok(())
                })
                .unwrap();
                assert!(counts.iter().all(|count| count.load(SeqCst) == 1));
            }
        }
    }
}

#[test]
fn a_fold_calls_each_index_once_and_keeps_their_order() {
    for workers in [1, 2, 4] {
        let pool = pool(workers);
        for count in [0, 1, 2, 3, 10, 1000] {
            let calls: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
            let text = pool.run(|worker| {
                let map = |worker: &Worker, i: usize| {
                    calls[i].fetch_add(1, SeqCst);
                    // Sometimes it takes long, and sometimes it forks, which publishes what is left.
                    if i.is_multiple_of(7) {
                        worker.join(|_| std::thread::yield_now(), |_| ());
                    }
                    i.to_string()
                };
                Ok(worker.fold(0..count, map, |a, b| a + " " + &b))
            });
            let in_order: Vec<String> = (0..count).map(|i| i.to_string()).collect();
            assert_eq!(text.unwrap(), (count > 0).then(|| in_order.join(" ")));
            assert!(calls.iter().all(|calls| calls.load(SeqCst) == 1));
        }
    }
}

#[test]
fn folds_nest_and_use_all_workers() {
    fn leaves(worker: &Worker, depth: u32, seen: &[AtomicBool]) -> u64 {
        seen[worker.index()].store(true, SeqCst);
        match depth {
            0 => 1,
            depth => worker.fold(0..10, |worker, _| leaves(worker, depth - 1, seen), |a, b| a + b).unwrap(),
        }
    }
    let pool = pool(3);
    let start = Instant::now();
    loop {
        let seen: [AtomicBool; 3] = Default::default();
        assert_eq!(pool.run(|worker| Ok(leaves(worker, 5, &seen))).unwrap(), 100_000);
        if seen.iter().all(|seen| seen.load(SeqCst)) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "not every worker takes part");
    }
}

/// An index waits until another worker has begun a later one: so whoever is idle must find the rest, though no index forks. The loop begins
/// beside a fork, with its rest private, and the other worker is idle only after it has run that.
#[test]
fn a_flat_fold_is_shared() {
    let pool = pool(2);
    for _ in 0..100 {
        let (begun, idle) = (AtomicBool::new(false), AtomicBool::new(false));
        let sum = pool.run(|worker| {
            let owner = worker.index();
            let map = |worker: &Worker, i: usize| {
                match i {
                    _ if worker.index() != owner => begun.store(true, SeqCst),
                    0 => await_flag(&idle),
                    40 => await_flag(&begun),
                    _ => {}
                }
                i
            };
            let looped = |worker: &Worker| worker.fold(0..100, map, |a, b| a + b);
            Ok(worker.join(looped, |_| idle.store(true, SeqCst)).0)
        });
        assert_eq!(sum.unwrap(), Some(4950));
    }
}

#[test]
fn a_panic_in_a_fold_comes_out_and_nothing_is_lost() {
    let pool = pool(2);
    for bad in [0, 1, 5, 9] {
        let live = AtomicUsize::new(0);
        struct Value<'a>(&'a AtomicUsize);
        impl Drop for Value<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, SeqCst);
            }
        }
        let result = pool.run(|worker| {
            let map = |worker: &Worker, i: usize| {
                worker.join(|_| (), |_| ());
                assert_ne!(i, bad, "the bad index");
                live.fetch_add(1, SeqCst);
                Value(&live)
            };
            Ok(done(worker.fold(0..10, map, |a, _| a)))
        });
        let error = result.and_then(|result| result).unwrap_err();
        assert_eq!(error.status(), Status::Panic);
        assert!(error.to_string().contains("the bad index"), "{error}");
        assert_eq!(live.load(SeqCst), 0);
    }
}

/// Whatever index panics, the last one too, the loop's rest has left the private stack once.
#[test]
fn a_panic_in_a_private_fold_comes_out() {
    let pool = pool(1);
    for bad in 0..10 {
        let told = pool.run(|worker| {
            let fold = |worker: &Worker| worker.fold(0..10, |_, i| assert_ne!(i, bad, "the bad index"), |(), ()| ());
            let caught = |worker: &Worker| catch_unwind(AssertUnwindSafe(|| fold(worker)));
            // What the join publishes nobody steals, so that nothing of the loop is wanted.
            let (result, _) = worker.join(caught, |_| ());
            Ok(result.unwrap_err().downcast_ref::<String>().cloned())
        });
        let told = told.unwrap().expect("a panic with a text");
        assert!(told.contains("the bad index"), "index {bad}: {told}");
    }
}

#[test]
fn a_failing_piece_ends_the_loop() {
    let pool = pool(2);
    for pool in [Some(&pool), None] {
        let result = parallel::for_range(pool, 0..1000, 1, |_, piece| match piece.start {
            500 => Err(failure("five hundred")),
            _ => Ok(()),
        });
        assert_eq!(result.unwrap_err().message(), "five hundred");
    }
}

#[test]
fn tiles_cover_the_rectangle_exactly_once() {
    let pool = pool(2);
    for (rows, columns, tile_rows, tile_columns) in [(10, 7, 3, 2), (1, 1, 5, 5), (0, 5, 1, 1), (64, 64, 8, 64)] {
        let counts: Vec<AtomicUsize> = (0..rows * columns).map(|_| AtomicUsize::new(0)).collect();
        let tiling = Tiling { rows, columns, tile_rows, tile_columns };
        parallel::for_tiles(Some(&pool), tiling, |_, tile| {
            for row in tile.rows {
                for column in tile.columns.clone() {
                    counts[row * columns + column].fetch_add(1, SeqCst);
                }
            }
            Ok(())
        })
        .unwrap();
        assert!(counts.iter().all(|count| count.load(SeqCst) == 1));
    }
    let tiling = Tiling { rows: 4, columns: 4, tile_rows: 0, tile_columns: 1 };
    assert_eq!(status(parallel::for_tiles(Some(&pool), tiling, |_, _| Ok(()))), Some(Status::InvalidArgument));
    let tiling = Tiling { rows: usize::MAX, columns: usize::MAX, tile_rows: 1, tile_columns: 1 };
    assert_eq!(status(parallel::for_tiles(Some(&pool), tiling, |_, _| Ok(()))), Some(Status::Overflow));
}

#[test]
fn many_threads_submit_at_a_time() {
    let pool = pool(2);
    let sum = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..2000 {
                    let sum = sum.clone();
                    drop(pool.submit(move |_| sum.fetch_add(i, SeqCst)));
                    if i % 100 == 0 {
                        pool.submit(|_| ()).unwrap().wait().unwrap();
                    }
                }
            });
        }
    });
    pool.wait_all().unwrap();
    assert_eq!(sum.load(SeqCst), 4 * 1999 * 1000);
}
