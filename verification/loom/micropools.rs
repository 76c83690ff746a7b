//! Micropools: the code of `src/pool/micropools/` over cores on threads of the model, and the design that waits.

use crate::full_lines::{Lines, Room};
use crate::model::{Model, tells_apart};
use crate::pool::small;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use vgpu_pool::error::Result;
use vgpu_pool::pool::core::Core;
use vgpu_pool::pool::micropools::joint::Joint;
use vgpu_pool::pool::{MicropoolTask, WhenFull};

/// A set of two micropools with one worker and one place each. What `before` submits is there when the workers come; `action` uses the
/// set on a thread of its own, and then it ends.
fn with_set(before: impl FnOnce(&Joint), action: impl FnOnce(&Joint) + Send + 'static) {
    let config = small(WhenFull::Error);
    let cores = [0, 1].map(|_| Arc::new(Core::new(1, &config).unwrap()));
    // SAFETY: the cores outlive the joint, which outlives the workers and does not move.
    let joint = unsafe {
        let members = cores.iter().map(|core| (&**core, 1));
        let joint = Arc::new(Joint::new(config.allocator, WhenFull::Error, members).unwrap());
        joint.open();
        joint
    };
    before(&joint);
    let workers = [0, 1].map(|i| {
        let core = cores[i].clone();
        thread::spawn(move || core.run_worker(0))
    });
    let inside = (joint.clone(), cores.clone());
    let caller = thread::spawn(move || {
        let (joint, cores) = inside;
        action(&joint);
        joint.close();
        cores.iter().for_each(|core| core.close());
    });
    caller.join().unwrap();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    drop(joint);
}

/// A task's first stage: on to the other micropool.
fn cross(task: MicropoolTask<'_>, ends: Arc<AtomicU64>) -> Result<()> {
    let to = 1 - task.micropool();
    let arrive = move |task: MicropoolTask<'_>| {
        assert_eq!(task.micropool(), to);
        ends.fetch_add(1 << (8 * to), Relaxed);
        Ok(())
    };
    task.hand_over(to, arrive).map_err(|(error, ..)| error)
}

/// A task that hands itself to the other micropool while the set is being closed.
///
/// One outcome: it has ended there.
const ONWARD: Model = Model {
    group: "micropools",
    name: "a task hands itself over",
    threads: 3,
    operations: 4,
    bound: 1,
    outcomes: &[0x100],
    run: &onward,
};
fn onward() -> u64 {
    let ends = Arc::new(AtomicU64::new(0));
    let counted = ends.clone();
    with_set(|_| (), move |joint| joint.submit(0, |task| cross(task, counted)).unwrap());
    ends.load(Relaxed)
}

#[test]
fn a_task_goes_on_elsewhere_before_the_set_ends() {
    ONWARD.verify();
}

/// The one place of each micropool is taken by a task that hands itself to the other: all there is room for.
///
/// One outcome: each has ended where the other began.
const EXCHANGE: Model = Model {
    name: "two full micropools hand to each other",
    operations: 6,
    outcomes: &[0x101],
    run: &exchange,
    ..ONWARD
};
fn exchange() -> u64 {
    let ends = Arc::new(AtomicU64::new(0));
    let counted = ends.clone();
    let both = |joint: &Joint| {
        for first in [0, 1] {
            let counted = counted.clone();
            joint.submit(first, |task| cross(task, counted)).unwrap();
        }
    };
    with_set(both, |_| ());
    drop(counted);
    ends.load(Relaxed)
}

#[test]
fn two_full_micropools_hand_to_each_other() {
    EXCHANGE.verify();
}

/// Two workers with full lines hand each other a task, while two newcomers ask to come in.
///
/// One outcome: as many tasks as came in, and as stood there in the beginning.
const fn lines_of(run: &'static dyn crate::model::Run) -> Model {
    Model { group: "micropools", name: "full lines", threads: 3, operations: 4, bound: 2, outcomes: &[4], run }
}
fn lines(room: Room) -> u64 {
    let lines = Arc::new(Lines::new(room));
    let workers = [0, 1].map(|own| {
        let lines = lines.clone();
        thread::spawn(move || lines.hand_one_over(own))
    });
    let entrance = lines.clone();
    let newcomers =
        thread::spawn(move || [0, 1].map(|line| usize::from(entrance.bring_in(line))).iter().sum::<usize>());
    let came = newcomers.join().unwrap();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    (lines.len() - came) as u64
}

#[test]
fn who_hands_over_must_not_wait_for_room() {
    tells_apart(
        "a worker with a task in hand waits for room in the other's queue",
        lines_of(&|| lines(Room::IsWaitedFor)),
        lines_of(&|| lines(Room::ForAllPlaces)).of("a place for each task"),
    );
}
