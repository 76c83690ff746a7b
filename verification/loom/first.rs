//! Several offers, of which one is kept, and a reader that waits for all who might offer.

use crate::model::Model;
use loom::thread;
use std::sync::Arc;
use vgpu_pool::protocol::countdown::Countdown;
use vgpu_pool::protocol::first::First;

struct Scene {
    first: First<u64>,
    countdown: Countdown,
}

/// Two tasks of a group fail, and the group is waited for.
///
/// Outcomes: the failure of task 1, or of task 2.
const OFFERS: Model =
    Model { group: "first", name: "two offers", threads: 3, operations: 4, bound: 3, outcomes: &[1, 2], run: &offers };
fn offers() -> u64 {
    let scene = Arc::new(Scene { first: First::new(), countdown: Countdown::new() });
    scene.countdown.add(2, false).unwrap();
    let tasks = [1, 2].map(|failure| {
        let scene = scene.clone();
        thread::spawn(move || {
            scene.first.offer(failure);
            scene.countdown.finish(1).wake_blocked();
        })
    });
    let waiter = {
        let scene = scene.clone();
        thread::spawn(move || {
            scene.countdown.wait(None);
            // SAFETY: all who might offer have finished.
            unsafe { scene.first.take() }.expect("two were offered")
        })
    };
    let kept = waiter.join().unwrap();
    for task in tasks {
        task.join().unwrap();
    }
    assert!(!scene.first.is_taken());
    kept
}

#[test]
fn one_of_two_offers_is_kept() {
    OFFERS.verify();
}
