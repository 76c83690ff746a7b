//! Pools without threads, on the thread that made them: the pump, the call to the event loop, and orders drawn from a seed.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use vgpu_pool::error::{Result, Status};
use vgpu_pool::parallel::for_range;
use vgpu_pool::parallel::graph::{Builder, Graph};
use vgpu_pool::pool::{Config, OnCaller, Pool, Priority, TaskOptions, Wake, WhenFull, Worker};

unsafe extern "C-unwind" fn count(calls: *mut c_void) {
    // SAFETY: each test passes a counter that outlives its pool.
    unsafe { &*calls.cast::<AtomicUsize>() }.fetch_add(1, SeqCst);
}

fn pool_calling(calls: &AtomicUsize) -> Pool {
    let wake = Wake { call: count, context: ptr::from_ref(calls).cast_mut().cast() };
    let on_caller = Some(OnCaller { wake: Some(wake), seed: None });
    Pool::new(&Config { on_caller, ..Config::default() }).unwrap()
}

fn quiet_pool(seed: Option<u64>) -> Pool {
    Pool::new(&Config { on_caller: Some(OnCaller { wake: None, seed }), ..Config::default() }).unwrap()
}

#[test]
fn tasks_of_all_threads_run_on_the_maker_when_it_pumps() {
    let calls = AtomicUsize::new(0);
    let pool = pool_calling(&calls);
    let here = thread::current().id();
    let ran = AtomicUsize::new(0);
    let futures = thread::scope(|scope| {
        let submit = || {
            let futures: Vec<_> = (0..100).map(|_| pool.submit(|_| thread::current().id()).unwrap()).collect();
            ran.fetch_add(1, SeqCst);
            futures
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(submit)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(calls.load(SeqCst), 1, "one call until the maker looks");
    assert!(futures.iter().all(|future| !future.is_ready()));
    assert_eq!(pool.pump(0, 0).unwrap(), 400);
    assert!(futures.into_iter().all(|future| future.is_ready() && future.get().unwrap() == here));
    drop(pool.submit(|_| ()).unwrap());
    assert_eq!(calls.load(SeqCst), 2, "and another afterwards");
    pool.destroy().unwrap();
}

#[test]
fn a_budget_ends_a_pump_and_what_is_left_is_called_for() {
    let calls = AtomicUsize::new(0);
    let pool = pool_calling(&calls);
    let futures: Vec<_> = (0..10).map(|_| pool.submit(|_| ()).unwrap()).collect();
    assert_eq!(pool.pump(3, 0).unwrap(), 3);
    assert_eq!(calls.load(SeqCst), 2);
    assert_eq!(futures.iter().filter(|future| future.is_ready()).count(), 3);
    for _ in 0..5 {
        drop(pool.submit(|_| thread::sleep(Duration::from_millis(20))).unwrap());
    }
    assert_eq!(pool.pump(7, 0).unwrap(), 7);
    let begin = Instant::now();
    let ran = pool.pump(0, 30_000_000).unwrap();
    assert!((1..5).contains(&ran) && begin.elapsed() < Duration::from_millis(95), "{ran} in {:?}", begin.elapsed());
    // A budget that is spent before it begins still makes headway.
    assert_eq!(pool.pump(0, 1).unwrap(), 1);
    // The end runs the others.
    pool.destroy().unwrap();
}

#[test]
fn the_makers_waits_run_what_is_queued() {
    let pool = quiet_pool(None);
    let first = pool.submit(|_| 1).unwrap();
    let second = pool.submit(|worker| worker.join(|_| 2, |_| 3)).unwrap();
    assert_eq!(second.get().unwrap(), (2, 3));
    assert_eq!(first.get().unwrap(), 1);
    let mut group = pool.group().unwrap();
    let sum = AtomicUsize::new(0);
    let pool = &pool;
    pool.run(|worker| {
        assert_eq!(worker.index(), 0);
        for_range(Some(pool), 0..1000, 10, |_, range| {
            sum.fetch_add(range.sum::<usize>(), SeqCst);
            Ok(())
        })
    })
    .unwrap();
    assert_eq!(sum.load(SeqCst), 499_500);
    let add: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
    for _ in 0..20 {
        group
            .submit(|_| {
                add.fetch_add(1, SeqCst);
                Ok(())
            })
            .unwrap();
    }
    group.wait().unwrap();
    assert_eq!(add.load(SeqCst), 20);
    drop(pool.submit(|_| add.fetch_add(1, SeqCst)).unwrap());
    pool.wait_all().unwrap();
    assert_eq!(add.load(SeqCst), 21);
}

#[test]
fn others_wait_for_the_maker_and_may_be_workers_of_their_own_pools() {
    let main = quiet_pool(None);
    let workers = Pool::new(&Config { workers: 2, ..Config::default() }).unwrap();
    thread::scope(|scope| {
        let main = &main;
        let waiter = scope.spawn(move || main.submit(|_| 5).unwrap().get().unwrap());
        let from_task = scope.spawn(|| workers.run(|_| main.submit(|_| 6).unwrap().get()).unwrap());
        while !(waiter.is_finished() && from_task.is_finished()) {
            main.pump(0, 0).unwrap();
            thread::yield_now();
        }
        assert_eq!((waiter.join().unwrap(), from_task.join().unwrap()), (5, 6));
    });
    // A pool made in a task of another, and two pools of one thread, each waiting for the other's tasks.
    let inner = workers.run(|_| {
        let own = quiet_pool(None);
        let other = quiet_pool(None);
        let future = own.submit(|_| 8).unwrap();
        let other_future = other.submit(move |_| future.get().unwrap() + 1).unwrap();
        other_future.get()
    });
    assert_eq!(inner.unwrap(), 9);
}

#[test]
fn another_thread_may_neither_pump_nor_end_the_pool() {
    let pool = quiet_pool(None);
    let pool = thread::spawn(move || {
        assert_eq!(pool.pump(0, 0).unwrap_err().status(), Status::InvalidArgument);
        let (error, pool) = pool.destroy().unwrap_err();
        assert_eq!(error.status(), Status::InvalidArgument);
        pool.unwrap()
    })
    .join()
    .unwrap();
    let future = pool.submit(|_| 1).unwrap();
    assert_eq!(future.get().unwrap(), 1);
    // Dropped elsewhere it is left alone, and its maker may go on with others.
    let lost = pool.submit(|_| 2).unwrap();
    thread::spawn(move || drop(pool)).join().unwrap();
    assert!(!lost.is_ready());
    drop(lost);
    assert_eq!(quiet_pool(None).submit(|_| 3).unwrap().get().unwrap(), 3);

    let threads = Pool::new(&Config { workers: 1, ..Config::default() }).unwrap();
    assert_eq!(threads.pump(0, 0).unwrap_err().status(), Status::InvalidArgument);
    let refused = |config: Config<'_>| Pool::new(&config).unwrap_err().status();
    let on_caller = Some(OnCaller::default());
    assert_eq!(refused(Config { on_caller, workers: 2, ..Config::default() }), Status::InvalidArgument);
    assert_eq!(refused(Config { on_caller, spare_workers: 1, ..Config::default() }), Status::InvalidArgument);
    assert_eq!(refused(Config { on_caller, when_full: WhenFull::Run, ..Config::default() }), Status::InvalidArgument);
}

#[test]
fn a_panic_leaves_the_maker_as_it_was() {
    let pool = quiet_pool(None);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pool.run(|worker| -> Result<()> {
            worker.join(|_| std::panic::resume_unwind(Box::new("as asked")), |_| ());
            Ok(())
        })
    }));
    assert!(unwound.is_err());
    assert_eq!(pool.submit(|_| 4).unwrap().get().unwrap(), 4);
    assert_eq!(
        pool.submit(|_| -> u32 { std::panic::resume_unwind(Box::new("again")) }).unwrap().get().unwrap_err().status(),
        Status::Panic
    );
}

/// In which order tasks, forks, pieces of a loop and vertices of a graph are run under a seed.
fn order(seed: u64) -> Vec<u32> {
    let log: &'static Mutex<Vec<u32>> = Box::leak(Box::default());
    let say = |number: u32| log.lock().unwrap().push(number);
    let said = move |number: u32| -> Result<()> {
        say(number);
        Ok(())
    };
    let pool = quiet_pool(Some(seed));
    fn tree(worker: &Worker, depth: u32, number: u32, say: &(impl Fn(u32) + Sync)) {
        if depth == 0 {
            return say(number);
        }
        worker.join(
            |worker| tree(worker, depth - 1, 2 * number, say),
            |worker| tree(worker, depth - 1, 2 * number + 1, say),
        );
    }
    let futures: Vec<_> = (0..8).map(|i| pool.submit(move |_| say(i)).unwrap()).collect();
    let forks = pool.submit(move |worker| tree(worker, 3, 1, &|leaf| say(100 + leaf))).unwrap();
    let urgent = TaskOptions { priority: Priority::High, ..TaskOptions::default() };
    let high = pool.submit_with(&urgent, move |_| said(50)).unwrap();
    pool.pump(4, 0).unwrap();
    forks.get().unwrap();
    high.get().unwrap();
    for future in futures {
        future.get().unwrap();
    }
    for_range(Some(&pool), 0..64, 0, |_, range| said(200 + range.start as u32)).unwrap();
    let graph: Graph<'static> = {
        let mut graph = Builder::new();
        let root = graph.add(move |_| said(300)).unwrap();
        for i in 1..6 {
            let next = graph.add(move |_| said(300 + i)).unwrap();
            graph.precede(root, next).unwrap();
        }
        graph.build().unwrap()
    };
    graph.run(&pool).unwrap();
    pool.destroy().unwrap();
    log.lock().unwrap().clone()
}

#[test]
fn the_same_seed_gives_the_same_order_and_others_give_others() {
    let orders: Vec<_> = (0..40).map(order).collect();
    for (seed, first) in orders.iter().enumerate() {
        assert_eq!(*first, order(seed as u64), "seed {seed}");
        // Everything once, whatever the order, and what has to come before.
        let all: BTreeSet<_> = first.iter().copied().collect();
        assert_eq!(all.len(), first.len());
        assert_eq!(all, orders[0].iter().copied().collect());
        let at = |number| first.iter().position(|&found| found == number).unwrap();
        assert!((301..306).all(|vertex| at(300) < at(vertex)));
        // Urgent before usual, as long as both are queued.
        assert_eq!(at(50), 0, "{first:?}");
    }
    let part = |from: u32, to: u32| {
        let of =
            |order: &Vec<u32>| order.iter().copied().filter(|number| (from..to).contains(number)).collect::<Vec<_>>();
        orders.iter().map(of).collect::<BTreeSet<_>>().len()
    };
    let kinds = [part(0, 8), part(100, 200), part(200, 300), part(300, 400)];
    assert!(kinds[0] > 30 && kinds[1] > 20 && kinds[2] > 20 && kinds[3] > 1, "different orders: {kinds:?} of 40");
}

#[test]
fn a_seed_finds_an_order_that_breaks_a_test_and_finds_it_again() {
    /// Two tasks, of which the second must not be first: a mistake of the program under test.
    fn breaks(seed: u64) -> bool {
        let pool = quiet_pool(Some(seed));
        let set: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
        let first = pool.submit(|_| set.store(1, SeqCst)).unwrap();
        let second = pool.submit(|_| set.load(SeqCst) == 0).unwrap();
        pool.wait_all().unwrap();
        first.get().unwrap();
        second.get().unwrap()
    }
    let failing: Vec<_> = (0..100).filter(|&seed| breaks(seed)).collect();
    assert!((20..80).contains(&failing.len()), "{} of 100", failing.len());
    assert!(failing.iter().all(|&seed| breaks(seed)));
}
