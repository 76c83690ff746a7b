//! Node memory and the pool of node threads, on this machine as it is: one node or many, with memory policies or without.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use vgpu_pool::error::Status;
use vgpu_pool::memory::cuda::{Driver, Pin};
use vgpu_pool::memory::numa_pool::{patience_ns, process_wide};
use vgpu_pool::memory::{NodeMemory, NumaPool, Place, Request, Verified};
use vgpu_pool::os::alloc::Allocator;

const MIB: usize = 1 << 20;

fn pool() -> NumaPool {
    NumaPool::new(Allocator::SYSTEM).unwrap()
}

fn first_node(pool: &NumaPool) -> u32 {
    pool.topology().nodes()[0].number
}

/// Pages that are where they were to be, all of them, unless nobody tells.
fn assert_placed(memory: &NodeMemory) {
    let report = memory.report().unwrap();
    assert_eq!(report.absent, 0, "{report:?}");
    if report.verified != Verified::Nobody {
        assert_eq!(report.on_node(memory.node()), report.pages, "{memory:?} {report:?}");
    }
}

#[test]
fn every_node_serves_requests_from_many_threads() {
    let pool = pool();
    let served = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (pool, served) = (&pool, &served);
            scope.spawn(move || {
                for round in 0..20 {
                    for node in pool.topology().nodes() {
                        let bytes = 1 + (thread * 20 + round) * 4099;
                        let memory = pool.allocate(&Request::on_node(bytes, node.number), None).unwrap();
                        assert_eq!((memory.bytes(), memory.place()), (bytes, Place::Node(node.number)));
                        assert_placed(&memory);
                        // SAFETY: the memory is ours.
                        unsafe { memory.start().as_ptr().write_bytes(1, bytes) };
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(served.into_inner(), 80 * pool.topology().nodes().len());
}

#[test]
fn memory_outlives_the_pool_that_placed_it() {
    let pool = pool();
    let request = Request { huge_pages: true, ..Request::on_node(33 * MIB, first_node(&pool)) };
    let memory = pool.allocate(&request, None).unwrap();
    drop(pool);
    assert_placed(&memory);
}

#[test]
fn bad_requests_are_errors_and_the_pool_goes_on() {
    let pool = pool();
    let node = first_node(&pool);
    let refused = |request: Request| pool.allocate(&request, None).unwrap_err();
    assert_eq!(refused(Request::on_node(0, node)).status(), Status::InvalidArgument);
    let unknown = refused(Request::on_node(1, 1023));
    assert_eq!(unknown.status(), Status::InvalidArgument);
    assert!(unknown.message().contains("node 1023"), "{unknown}");
    let large = refused(Request::on_node(1 << 40, node));
    assert_eq!(large.status(), Status::OutOfMemory, "{large}");
    assert!(large.message().contains("1099511627776"), "{large}");
    let zero_pinned = pool.allocate_pinned(0, 0, Pin::Register, None);
    assert_eq!(zero_pinned.err().unwrap().status(), Status::InvalidArgument);
    assert_placed(&pool.allocate(&Request::on_node(1, node), None).unwrap());
}

#[test]
fn patience_grows_with_the_request_up_to_300_seconds() {
    const SECOND: u64 = 1_000_000_000;
    assert_eq!(patience_ns(1), 11 * SECOND);
    assert_eq!(patience_ns(1 << 30), 11 * SECOND);
    assert_eq!(patience_ns((1 << 30) + 1), 12 * SECOND);
    assert_eq!(patience_ns(289 << 30), 299 * SECOND);
    assert_eq!(patience_ns(usize::MAX), 300 * SECOND);
}

/// The address space in bytes. Memory that nobody freed shows here.
fn address_space() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').next().unwrap().parse::<usize>().unwrap() * 4096
}

/// In a process of its own, since other tests map memory too.
fn alone(test: &str) {
    if std::env::var_os("VGPU_TEST_ALONE").is_some() {
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env("VGPU_TEST_ALONE", "1")
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn what_nobody_waits_for_any_more_is_freed() {
    alone("what_nobody_waits_for_any_more_is_freed");
    if std::env::var_os("VGPU_TEST_ALONE").is_none() {
        return;
    }
    let pool = pool();
    let node = first_node(&pool);
    assert_placed(&pool.allocate(&Request::on_node(64 * MIB, node), None).unwrap());
    let before = address_space();
    let mut timeouts = 0;
    for _ in 0..20 {
        match pool.allocate(&Request::on_node(64 * MIB, node), Some(1)) {
            Ok(memory) => drop(memory),
            Err(error) => {
                assert_eq!(error.status(), Status::TimedOut, "{error}");
                timeouts += 1;
            }
        }
    }
    assert!(timeouts > 10, "{timeouts} of 20 requests that would not wait timed out");
    // What is still in the queue is served before this, or dropped.
    assert_placed(&pool.allocate(&Request::on_node(1, node), None).unwrap());
    let grown = address_space().saturating_sub(before);
    assert!(grown < 64 * MIB, "{grown} bytes were left behind");
}

#[test]
fn a_pool_is_dropped_while_its_threads_are_busy() {
    alone("a_pool_is_dropped_while_its_threads_are_busy");
    if std::env::var_os("VGPU_TEST_ALONE").is_none() {
        return;
    }
    let before = address_space();
    for _ in 0..10 {
        let pool = pool();
        let node = first_node(&pool);
        for _ in 0..4 {
            _ = pool.allocate(&Request::on_node(256 * MIB, node), Some(1));
        }
        let began = Instant::now();
        drop(pool);
        // What is being written is finished; what is only queued is not begun.
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    // Stacks that the C library keeps for new threads, and its own arenas, stay.
    let grown = address_space().saturating_sub(before);
    assert!(grown < 256 * MIB, "{grown} bytes were left behind");
}

#[test]
fn the_process_has_one_pool() {
    let pool = process_wide().unwrap();
    assert!(std::ptr::eq(pool, process_wide().unwrap()));
    assert_placed(&pool.allocate(&Request::on_node(MIB, first_node(pool)), None).unwrap());
}

#[test]
fn without_a_driver_pinned_memory_is_a_clear_error() {
    let Err(error) = Driver::open() else { return println!("skipped: there is a CUDA driver here") };
    assert_eq!(error.status(), Status::Unsupported);
    assert!(error.message().contains("CUDA driver"), "{error}");
    let refused = pool().allocate_pinned(0, 4096, Pin::Register, None);
    assert_eq!(refused.err().unwrap().status(), Status::Unsupported);
}
