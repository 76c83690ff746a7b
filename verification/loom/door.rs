//! Handles that outlive what they lead to.

use crate::fork_stack::Place;
use crate::model::Model;
use loom::thread;
use std::sync::Arc;
use vgpu_pool::protocol::door::Door;

/// A door with two keys: the owner's and a handle's.
pub(crate) trait Passage: Send + Sync + 'static {
    fn new() -> Self;
    fn enter(&self, behind: &Place) -> bool;
    fn leave(&self);
    fn close(&self);
    fn give_back(&self) -> bool;
}

impl Passage for Door {
    fn new() -> Door {
        let door = Door::new();
        door.cut_key();
        door
    }
    fn enter(&self, _: &Place) -> bool {
        Door::enter(self)
    }
    fn leave(&self) {
        Door::leave(self).wake_blocked();
    }
    fn close(&self) {
        Door::close(self);
    }
    fn give_back(&self) -> bool {
        Door::give_back(self)
    }
}

/// A visitor comes while the owner ends what is behind the door. Both give back their keys.
///
/// Outcomes: the visitor was refused (0) or came in (1); and 2 more if it was the one that freed the door.
pub(crate) const VISIT: Model = Model {
    group: "door",
    name: "a visitor against the end",
    threads: 2,
    operations: 5,
    bound: 4,
    outcomes: &[0, 1, 2, 3],
    run: &visit::<Door>,
};

struct Scene<P> {
    passage: P,
    /// What is behind the door, and the door's own memory: written when it is freed.
    behind: Place,
    memory: Place,
}

impl<P: Passage> Scene<P> {
    /// Gives back a key, and frees the door with the last. Says whether it was.
    fn give_back(&self) -> bool {
        self.memory.read();
        let is_last = self.passage.give_back();
        if is_last {
            self.memory.write(self.memory.read() + 1);
        }
        is_last
    }
}

pub(crate) fn visit<P: Passage>() -> u64 {
    let scene = Arc::new(Scene { passage: P::new(), behind: Place::new(), memory: Place::new() });
    let visitor = {
        let scene = scene.clone();
        thread::spawn(move || {
            let enters = scene.passage.enter(&scene.behind);
            if enters {
                assert_eq!(scene.behind.read(), 0, "what is behind the door is there");
                scene.passage.leave();
            }
            u64::from(enters) + 2 * u64::from(scene.give_back())
        })
    };
    scene.passage.close();
    scene.behind.write(1);
    let owner_was_last = scene.give_back();
    let outcome = visitor.join().unwrap();
    assert!(owner_was_last != (outcome >= 2), "freed once");
    assert_eq!(scene.memory.read(), 1);
    outcome
}

#[test]
fn whoever_comes_is_let_in_or_learns_that_it_is_gone() {
    VISIT.verify();
}
