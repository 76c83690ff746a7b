//! Whom a worker goes to on another node, look by look: two workers, each on a node of its own, and one thread that is both in turn.

use super::Balance;
use super::config::Config;
use super::core::Core;
use super::inbox::FAIR_TURN;
use super::worker::{Far, Worker};
use crate::os::thread;
use crate::sync::IS_CHECKED;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

fn core(min_remote_length: usize) -> Core {
    let balance = Balance { min_remote_length, ..Balance::default() };
    Core::new_apart(2, &Config { balance, ..Config::default() }).unwrap()
}

/// Queues a task at worker 1.
fn queue(core: &Core) {
    let far = Worker::new(core, 1, thread::stack_bottom());
    far.run_as_current(|_| drop(core.try_submit(|_| Ok(())).unwrap()));
}

/// Has worker 0 look, and run what it finds.
fn finds(near: &Worker, far: Far) -> bool {
    near.run_as_current(|near| near.steal(None, far).is_some_and(|work| near.run(work)))
}

#[test]
fn a_short_inbox_on_another_node_is_left_alone_until_all_will_do() {
    if IS_CHECKED {
        return;
    }
    let core = core(3);
    let near = Worker::new(&core, 0, thread::stack_bottom());
    queue(&core);
    queue(&core);
    assert!(!finds(&near, Far::Long));
    assert!(finds(&near, Far::All) && finds(&near, Far::All) && !finds(&near, Far::All));
    (0..3).for_each(|_| queue(&core));
    assert!(finds(&near, Far::Long), "three are enough");
    assert!(!finds(&near, Far::Long), "two are not");
    // At every so many turns the length does not matter. There is one lane and there are two shards, of which the second is meant.
    let looks = (1..).find(|_| finds(&near, Far::Long)).unwrap();
    assert!(looks <= 2 * FAIR_TURN, "{looks} looks");
    assert!(finds(&near, Far::All));
}

#[test]
fn without_the_setting_nodes_make_no_difference() {
    if IS_CHECKED {
        return;
    }
    let core = core(1);
    let near = Worker::new(&core, 0, thread::stack_bottom());
    queue(&core);
    assert!(finds(&near, Far::Long));
}

#[test]
fn few_jobs_on_another_node_are_left_alone_until_all_will_do() {
    if IS_CHECKED {
        return;
    }
    let core = core(2);
    let far = Worker::new(&core, 1, thread::stack_bottom());
    let ran = AtomicU32::new(0);
    let leaf = |worker: &Worker| _ = ran.fetch_add(1 + 10 * worker.index() as u32, Relaxed);
    far.run_as_current(|far| {
        // While the first half runs, the second is public, and alone.
        far.join(
            |_| {
                let near = Worker::new(&core, 0, thread::stack_bottom());
                assert!(!finds(&near, Far::Long));
                assert!(finds(&near, Far::All));
            },
            leaf,
        )
    });
    assert_eq!(ran.into_inner(), 1, "the half was to run once, on worker 0");
}
