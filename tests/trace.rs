//! Traces on real threads: what is written is JSON as Perfetto takes it, and says what the statistics say.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

mod common;

use common::fib;
use serde_json::Value;
use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use std::{env, fs, process, thread};
use vgpu_pool::error::Status;
use vgpu_pool::pool::{Config, Hooks, Pinning, Pool, Stats, WhenFull, WorkerStats};

fn pool(workers: usize) -> Pool {
    Pool::new(&Config { workers, pinning: Pinning::Off, ..Config::default() }).unwrap()
}

/// A file of its own, gone at the end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> File {
        File(env::temp_dir().join(format!("vgpu-trace-{}-{name}.json", process::id())))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The trace's events and how many were dropped.
fn written(pool: &Pool, name: &str) -> (Vec<Value>, u64) {
    let file = File::new(name);
    pool.trace_write(file.0.to_str().unwrap()).unwrap();
    let mut trace: Value = serde_json::from_str(&fs::read_to_string(&file.0).unwrap()).expect("the trace is JSON");
    let dropped = trace["otherData"]["dropped_events"].as_u64().unwrap();
    let Value::Array(events) = trace["traceEvents"].take() else { panic!("traceEvents is no array") };
    for event in &events {
        check_event(event);
    }
    (events, dropped)
}

/// What the format asks of each event.
fn check_event(event: &Value) {
    assert!(event["pid"].is_u64() && event["name"].is_string(), "{event}");
    match event["ph"].as_str().unwrap() {
        "M" => assert!(event["args"]["name"].is_string(), "{event}"),
        "X" => assert!(event["ts"].is_number() && event["dur"].is_number() && event["tid"].is_u64(), "{event}"),
        "i" => assert!(event["ts"].is_number() && event["s"] == "t" && event["tid"].is_u64(), "{event}"),
        other => panic!("a phase {other}"),
    }
}

fn of_kind<'e>(events: &'e [Value], worker: usize, kind: &'e str) -> impl Iterator<Item = &'e Value> {
    events.iter().filter(move |event| event["cat"] == kind && event["tid"] == worker as u64)
}

fn ns(value: &Value) -> u64 {
    (value.as_f64().unwrap() * 1000.0).round() as u64
}

/// Occupies all workers until told otherwise.
struct Gate {
    entered: Arc<Barrier>,
    left: Arc<Barrier>,
}

impl Gate {
    fn close(pool: &Pool) -> Gate {
        let workers = pool.workers();
        let gate = Gate { entered: Arc::new(Barrier::new(workers + 1)), left: Arc::new(Barrier::new(workers + 1)) };
        for _ in 0..workers {
            let (entered, left) = (gate.entered.clone(), gate.left.clone());
            drop(pool.submit(move |_| {
                entered.wait();
                left.wait();
            }));
        }
        gate.entered.wait();
        gate
    }
    fn open(self) {
        self.left.wait();
    }
}

/// A bit of everything.
fn work(pool: &Pool) {
    for _ in 0..5 {
        pool.run(|worker| Ok(fib(worker, 16))).unwrap();
        let mut group = pool.group().unwrap();
        for _ in 0..20 {
            group.submit(|_| Ok(())).unwrap();
        }
        group.wait().unwrap();
        thread::sleep(Duration::from_millis(3));
        let both = Barrier::new(2);
        pool.run(|worker| {
            worker.join(|_| both.wait(), |_| both.wait());
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn the_spans_sum_to_the_statistics() {
    let pool = pool(2);
    let gate = Gate::close(&pool);
    pool.trace_start(0).unwrap();
    let before = pool.stats().unwrap();
    gate.open();
    work(&pool);
    let gate = Gate::close(&pool);
    let stats = pool.stats().unwrap().since(&before);
    assert!(pool.trace_stop());
    gate.open();
    pool.wait_all().unwrap();

    let (events, dropped) = written(&pool, "sums");
    assert_eq!(dropped, 0);
    for (worker, own) in stats.workers.iter().enumerate() {
        let count = |kind| of_kind(&events, worker, kind).count() as u64;
        let sum = |kind| of_kind(&events, worker, kind).map(|event| ns(&event["dur"])).sum::<u64>();
        // The task of the first gate ended in this session and began before.
        assert_eq!(count("task") + 1, own.executed, "tasks of worker {worker}");
        assert_eq!(count("steal"), own.all_steals().done, "thefts of worker {worker}");
        assert_eq!(count("park"), own.parks, "sleeps of worker {worker}");
        assert_eq!(count("wake"), own.wakeups, "calls of worker {worker}");
        for (kind, counted) in [("search", own.searching_ns), ("park", own.sleeping_ns)] {
            // A stopwatch keeps even numbers: it may lose a nanosecond at each start and stop.
            let slack = 2 * count(kind);
            assert!(sum(kind).abs_diff(counted) <= slack, "{kind} of worker {worker}: {} is not {counted}", sum(kind));
        }
    }
    let all = |of: fn(&WorkerStats) -> u64| stats.workers.iter().map(of).sum::<u64>();
    assert!(all(|own| own.parks) > 0 && all(|own| own.wakeups) > 0 && all(|own| own.all_steals().done) >= 5);
    check_nesting(&events, &stats);
}

/// Spans of one worker lie beside or inside one another.
fn check_nesting(events: &[Value], stats: &Stats) {
    for worker in 0..stats.workers.len() {
        let spans = events.iter().filter(|event| event["ph"] == "X" && event["tid"] == worker as u64);
        let mut spans: Vec<(u64, u64)> =
            spans.map(|span| (ns(&span["ts"]), ns(&span["ts"]) + ns(&span["dur"]))).collect();
        spans.sort_by_key(|&(start, end)| (start, u64::MAX - end));
        let mut open: Vec<u64> = Vec::new();
        for (start, end) in spans {
            while open.last().is_some_and(|&last| last <= start) {
                open.pop();
            }
            assert!(open.last().is_none_or(|&last| end <= last), "a span of worker {worker} sticks out of another");
            open.push(end);
        }
    }
}

#[test]
fn labels_name_the_piece_of_work_they_were_set_in() {
    let pool = pool(1);
    pool.trace_start(100).unwrap();
    let tricky = "a \"quoted\\\" \n näme, which is much too long to be kept";
    pool.run(|worker| {
        worker.set_label(tricky);
        Ok(())
    })
    .unwrap();
    let outer = pool.submit(|worker| worker.set_label("outer")).unwrap();
    outer.get().unwrap();
    pool.submit(|_| ()).unwrap().get().unwrap();
    pool.wait_all().unwrap();
    assert!(pool.trace_stop());
    let (events, _) = written(&pool, "labels");
    let names: Vec<&str> = of_kind(&events, 0, "task").map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 3);
    assert!(tricky.starts_with(names[0]) && names[0].len() >= 36, "{names:?}");
    assert_eq!(names[1..], ["outer", "task"]);
}

#[test]
fn a_full_log_counts_what_it_drops() {
    let pool = pool(1);
    pool.trace_start(10).unwrap();
    for _ in 0..100 {
        pool.submit(|_| ()).unwrap().get().unwrap();
    }
    pool.wait_all().unwrap();
    assert!(pool.trace_stop());
    let (events, dropped) = written(&pool, "full");
    assert_eq!(events.iter().filter(|event| event["ph"] != "M").count(), 10);
    assert!(dropped >= 90, "{dropped}");
    let name = events.iter().find(|event| event["name"] == "thread_name").unwrap()["args"]["name"].as_str().unwrap();
    assert_eq!(name, format!("worker 0 ({dropped} later events dropped)"));

    // The next one begins anew, in the room there is.
    assert_eq!(pool.trace_start(11).unwrap_err().status(), Status::InvalidArgument);
    pool.trace_start(0).unwrap();
    pool.submit(|worker| worker.set_label("again")).unwrap().get().unwrap();
    assert!(pool.trace_stop());
    let (events, dropped) = written(&pool, "again");
    assert_eq!(dropped, 0);
    assert!(events.iter().any(|event| event["name"] == "again"));
}

#[test]
fn a_trace_out_of_turn_is_refused() {
    let pool = pool(1);
    let file = File::new("refused");
    let path = file.0.to_str().unwrap();
    assert_eq!(pool.trace_write(path).unwrap_err().status(), Status::InvalidArgument);
    assert!(!file.0.exists());
    assert!(!pool.trace_stop());
    pool.trace_start(4).unwrap();
    assert_eq!(pool.trace_start(4).unwrap_err().status(), Status::AlreadyStarted);
    assert_eq!(pool.trace_write(path).unwrap_err().status(), Status::AlreadyStarted);
    assert!(pool.trace_stop());
    assert!(!pool.trace_stop());
    assert_eq!(pool.trace_write("/nowhere/at/all").unwrap_err().status(), Status::Io);
    let full = pool.trace_write("/dev/full").unwrap_err();
    assert_eq!(full.status(), Status::Io);
    assert!(full.message().starts_with("/dev/full: cannot be written"), "{full}");
    pool.trace_write(path).unwrap();
    assert_eq!(pool.trace_start(usize::MAX).unwrap_err().status(), Status::InvalidArgument);
}

#[derive(Default)]
struct Watched {
    begun: AtomicU64,
    ended: AtomicU64,
    parked: AtomicU64,
    unparked: AtomicU64,
    /// Work that stands on all workers' stacks.
    depth: AtomicI64,
    outside: AtomicU64,
}

unsafe extern "C-unwind" fn on_begin(context: *mut c_void, worker: u32) {
    // SAFETY: the test keeps it until the pool is gone.
    let watched = unsafe { &*context.cast::<Watched>() };
    watched.begun.fetch_add(1, SeqCst);
    watched.depth.fetch_add(1, SeqCst);
    if worker == u32::MAX {
        watched.outside.fetch_add(1, SeqCst);
    }
}

unsafe extern "C-unwind" fn on_end(context: *mut c_void, _: u32) {
    // SAFETY: as above.
    let watched = unsafe { &*context.cast::<Watched>() };
    watched.ended.fetch_add(1, SeqCst);
    watched.depth.fetch_sub(1, SeqCst);
}

unsafe extern "C-unwind" fn on_park(context: *mut c_void, _: u32) {
    // SAFETY: as above.
    unsafe { &*context.cast::<Watched>() }.parked.fetch_add(1, SeqCst);
}

unsafe extern "C-unwind" fn on_unpark(context: *mut c_void, _: u32) {
    // SAFETY: as above.
    unsafe { &*context.cast::<Watched>() }.unparked.fetch_add(1, SeqCst);
}

#[test]
fn a_profiler_is_told_of_each_piece_of_work_and_each_sleep() {
    let watched = Watched::default();
    let hooks = Hooks {
        on_work_begin: Some(on_begin),
        on_work_end: Some(on_end),
        on_park: Some(on_park),
        on_unpark: Some(on_unpark),
        context: (&raw const watched).cast_mut().cast(),
        ..Hooks::default()
    };
    let config = Config {
        workers: 2,
        pinning: Pinning::Off,
        inbox_capacity: 2,
        when_full: WhenFull::Run,
        hooks,
        ..Config::default()
    };
    let pool = Pool::new(&config).unwrap();
    work(&pool);
    // Whoever submits runs what the inbox has no room for.
    let gate = Gate::close(&pool);
    let mut group = pool.group().unwrap();
    for _ in 0..10 {
        group.submit(|_| Ok(())).unwrap();
    }
    gate.open();
    group.wait().unwrap();
    drop(group);
    pool.wait_all().unwrap();
    let stats = pool.stats().unwrap();
    drop(pool);
    let jobs = stats.workers.iter().map(|own| own.all_steals().done).sum::<u64>();
    assert_eq!(watched.begun.load(SeqCst), stats.executed() + jobs);
    assert_eq!(watched.begun.load(SeqCst), watched.ended.load(SeqCst));
    assert_eq!(watched.depth.load(SeqCst), 0);
    assert_eq!(watched.outside.load(SeqCst), stats.executed_outside);
    assert!(stats.executed_outside > 0);
    assert!(watched.parked.load(SeqCst) >= stats.workers.iter().map(|own| own.parks).sum());
    assert_eq!(watched.parked.load(SeqCst), watched.unparked.load(SeqCst));
}
