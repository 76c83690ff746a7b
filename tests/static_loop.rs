//! Loops whose indices go to the same workers each time, on real threads.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use vgpu_pool::error::{Error, Status};
use vgpu_pool::parallel::{for_range_static, for_range_static_on};
use vgpu_pool::pool::{Binding, Config, Pinning, Pool, TaskOptions, WaitPolicy};

fn pool(workers: usize) -> Pool {
    Pool::new(&Config { workers, pinning: Pinning::Off, ..Config::default() }).unwrap()
}

/// The indices of worker `home`, by the rule that is documented.
fn share(n: usize, workers: usize, home: usize) -> Range<usize> {
    n * home / workers..n * (home + 1) / workers
}

/// The pieces of one loop over `n` indices, in order, and who ran each.
fn pieces(pool: &Pool, n: usize, grain: usize) -> Vec<(Range<usize>, usize)> {
    let pieces = Mutex::new(vec![]);
    for_range_static(Some(pool), 0..n, grain, |worker, piece| {
        pieces.lock().unwrap().push((piece, worker.unwrap().index()));
        Ok(())
    })
    .unwrap();
    let mut pieces = pieces.into_inner().unwrap();
    pieces.sort_by_key(|(piece, _)| piece.start);
    pieces
}

#[test]
fn every_index_is_in_one_piece_of_its_share() {
    for workers in 1..=4 {
        let pool = pool(workers);
        for n in [0, 1, 2, 3, 5, 64, 1000] {
            for grain in [0, 1, 7, 5000] {
                let pieces = pieces(&pool, n, grain);
                let mut next = 0;
                for (piece, _) in &pieces {
                    assert_eq!(piece.start, next);
                    assert!(!piece.is_empty() && (grain == 0 || piece.len() <= grain));
                    // With one worker there is one share.
                    assert!((0..workers).any(|home| {
                        let share = share(n, workers, home);
                        share.start <= piece.start && piece.end <= share.end
                    }));
                    next = piece.end;
                }
                assert_eq!(next, n);
            }
        }
    }
}

/// Of many loops nearly all find every worker at home; one that does not may have been late.
#[test]
fn an_index_comes_to_the_same_worker_each_time() {
    const WORKERS: usize = 3;
    let pool = pool(WORKERS);
    let at_home = |&(ref piece, worker): &(Range<usize>, usize)| {
        let share = share(900, WORKERS, worker);
        share.start <= piece.start && piece.end <= share.end
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut kept = 0;
    while kept < 20 {
        kept += usize::from(pieces(&pool, 900, 100).iter().all(at_home));
        assert!(Instant::now() < deadline, "{kept} of many loops were as they should be");
    }
}

/// A worker that is held up loses its share to whoever called, and the others keep theirs.
#[test]
fn a_worker_that_does_not_come_loses_its_share() {
    let pool = pool(2);
    for held_up in 0..2 {
        let open = Arc::new(AtomicBool::new(false));
        let seen = open.clone();
        let options = TaskOptions { binding: Binding::Worker(held_up), ..TaskOptions::default() };
        let block = pool.submit_with(&options, move |_| {
            while !seen.load(SeqCst) {
                thread::yield_now();
            }
            Ok(())
        });
        let pieces = pieces(&pool, 10, 0);
        assert_eq!(pieces, [(0..5, 1 - held_up), (5..10, 1 - held_up)]);
        open.store(true, SeqCst);
        block.unwrap().get().unwrap();
    }
}

/// Two loops, each called from a task on a worker whose share of the other is waited for; no worker helps while it waits.
#[test]
fn loops_within_loops_do_not_wait_for_each_other() {
    for wait_policy in [WaitPolicy::Block, WaitPolicy::HelpOwn, WaitPolicy::HelpAny] {
        let pool = Pool::new(&Config { workers: 2, wait_policy, pinning: Pinning::Off, ..Config::default() }).unwrap();
        for _ in 0..50 {
            let count = AtomicUsize::new(0);
            for_range_static(Some(&pool), 0..2, 0, |worker, _| {
                for_range_static_on(worker.unwrap(), 0..10, 2, |_, piece| {
                    count.fetch_add(piece.len(), SeqCst);
                    Ok(())
                })
            })
            .unwrap();
            assert_eq!(count.into_inner(), 20);
        }
    }
}

#[test]
fn a_failure_comes_out_when_all_pieces_are_done() {
    let pool = pool(3);
    for bad in [0, 4, 8] {
        let running = AtomicUsize::new(0);
        let error = for_range_static(Some(&pool), 0..9, 1, |_, piece| {
            running.fetch_add(1, SeqCst);
            thread::sleep(Duration::from_millis(1));
            running.fetch_sub(1, SeqCst);
            if piece.start == bad { Err(Error::new(Status::TaskFailed, format_args!("the bad index"))) } else { Ok(()) }
        })
        .unwrap_err();
        assert_eq!((error.status(), error.message()), (Status::TaskFailed, "the bad index"));
        assert_eq!(running.load(SeqCst), 0);
        let panic = |_: Option<&_>, piece: Range<usize>| {
            running.fetch_add(1, SeqCst);
            thread::sleep(Duration::from_millis(1));
            running.fetch_sub(1, SeqCst);
            assert_ne!(piece.start, bad, "the bad index");
            Ok(())
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| for_range_static(Some(&pool), 0..9, 1, panic)));
        assert_eq!(outcome.unwrap().unwrap_err().status(), Status::Panic);
        assert_eq!(running.load(SeqCst), 0);
    }
}

/// A task that may not run everywhere has its loops where it may.
#[test]
fn a_bound_task_keeps_its_loop() {
    let pool = pool(2);
    let options = TaskOptions { binding: Binding::Worker(1), ..TaskOptions::default() };
    let task = pool.submit_with(&options, |worker| {
        for_range_static_on(worker, 0..100, 1, |worker, _| {
            assert_eq!(worker.index(), 1);
            Ok(())
        })
    });
    task.unwrap().get().unwrap();
}

/// Neither a spare worker nor a seat for a lent thread has a share.
#[test]
fn only_regular_workers_have_shares() {
    let config = Config { workers: 2, spare_workers: 1, host_seats: 1, pinning: Pinning::Off, ..Config::default() };
    let pool = Pool::new(&config).unwrap();
    assert_eq!(pool.workers(), 4);
    for _ in 0..20 {
        let ranges: Vec<_> = pieces(&pool, 100, 0).into_iter().map(|(piece, _)| piece).collect();
        assert_eq!(ranges, [0..50, 50..100]);
    }
}
