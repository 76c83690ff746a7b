//! How far a dealt queue departs from first in, first out: the bound that `src/protocol/sharded.rs` states.
//!
//! Two ways to break it are tried. Random programs on one thread run on the real queue. And a machine that does step by step what the
//! queue does is walked through all its interleavings, with threads that push and pop without end: it knows which element is watched,
//! which came after it, and how many of these have left. The same machine with one mistake exceeds the bound.

use crate::{long, power_of_two, shorter, word};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::collections::{HashSet, VecDeque};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::protocol::sharded::Dealt;

/// The bound, as the module's text has it.
fn bound(shards: usize, producers: usize, consumers: usize, lost: usize) -> usize {
    if shards == 1 { 0 } else { (shards - 1) * (2 * producers + 3 * consumers + 2 + lost) + consumers }
}

#[derive(Clone, Debug)]
struct Program {
    shards: usize,
    capacity: usize,
    /// Pushes, and else pops.
    pushes: Vec<bool>,
}

impl Arbitrary for Program {
    fn arbitrary(g: &mut Gen) -> Program {
        let pushes = long::<u8>(g).into_iter().map(|draw| draw % 16 < 9).collect();
        Program { shards: 1 + usize::arbitrary(g) % 5, capacity: power_of_two(g, 8, 9), pushes }
    }
    fn shrink(&self) -> Box<dyn Iterator<Item = Program>> {
        let program = self.clone();
        Box::new(shorter(&self.pushes).into_iter().map(move |pushes| Program { pushes, ..program }))
    }
}

/// With one thread nobody is ever in the middle of anything.
#[test]
fn one_thread_overtakes_as_little_as_is_stated() {
    fn holds(program: Program) -> bool {
        let queue = Dealt::new(Allocator::SYSTEM, program.shards, program.capacity).expect("memory");
        let mut waiting: Vec<(usize, usize)> = vec![];
        let mut pushed = 0;
        for push in program.pushes {
            if push {
                assert!(queue.push(word(pushed)).is_ok(), "there is room");
                waiting.push((pushed, 0));
                pushed += 1;
            } else {
                let Some(element) = queue.pop() else {
                    assert!(waiting.is_empty() && !queue.has_work(), "one thread finds what there is");
                    continue;
                };
                let number = element.as_ptr().addr() - 1;
                let place = waiting.iter().position(|(other, _)| *other == number).expect("once each");
                waiting.remove(place);
                for (_, overtaken) in &mut waiting[..place] {
                    *overtaken += 1;
                    if *overtaken > bound(program.shards, 0, 0, 0) {
                        return false;
                    }
                }
            }
        }
        true
    }
    QuickCheck::new().tests(3_000).quickcheck(holds as fn(Program) -> bool);
}

/// Where a thread looks, or brings its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// To the next shard in turn.
    Dealt,
    /// To the first shard, and on to the others when that comes to nothing.
    FromHome,
}

/// What an element is to the watched one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// Its push began before the end of the watched one's push.
    Other,
    Watched,
    /// Its push began after that.
    Younger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Producer {
    Idle,
    /// It has a turn at this shard.
    Turn(usize, Kind),
    /// It has claimed the slot of an element there, and not written it.
    Claimed(usize, Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Consumer {
    Idle,
    /// It has a turn at this shard, and may look so many times more.
    Turn(usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Element {
    kind: Kind,
    /// By which producer it is still to be written.
    writer: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    rings: Vec<VecDeque<Element>>,
    /// Looks that came to nothing although the shard was not empty, since it was.
    lost: Vec<usize>,
    next_push: usize,
    next_look: usize,
    producers: Vec<Producer>,
    consumers: Vec<Consumer>,
    /// Whether an element is watched, and whether its push has ended.
    watching: bool,
    ended: bool,
    overtaken: usize,
}

struct Machine {
    shards: usize,
    pushes: Way,
    looks: Way,
    /// States with longer rings, or more lost looks, are not gone into.
    longest: usize,
    most_lost: usize,
}

impl Machine {
    fn start(&self, producers: usize, consumers: usize) -> State {
        State {
            rings: vec![VecDeque::new(); self.shards],
            lost: vec![0; self.shards],
            next_push: 0,
            next_look: 0,
            producers: vec![Producer::Idle; producers],
            consumers: vec![Consumer::Idle; consumers],
            watching: false,
            ended: false,
            overtaken: 0,
        }
    }

    fn turn(way: Way, next: &mut usize, shards: usize) -> usize {
        match way {
            Way::FromHome => 0,
            Way::Dealt => {
                let turn = *next;
                *next = (turn + 1) % shards;
                turn
            }
        }
    }

    /// Where one step of one thread may lead.
    fn steps(&self, state: &State) -> Vec<State> {
        let mut after = vec![];
        for (i, &producer) in state.producers.iter().enumerate() {
            let mut next = state.clone();
            match producer {
                Producer::Idle => {
                    let shard = Machine::turn(self.pushes, &mut next.next_push, self.shards);
                    let kinds: &[Kind] = match (state.watching, state.ended) {
                        (false, _) => &[Kind::Other, Kind::Watched],
                        (true, false) => &[Kind::Other],
                        (true, true) => &[Kind::Younger],
                    };
                    for &kind in kinds {
                        let mut begun = next.clone();
                        begun.watching |= kind == Kind::Watched;
                        begun.producers[i] = Producer::Turn(shard, kind);
                        after.push(begun);
                    }
                    continue;
                }
                Producer::Turn(shard, kind) => {
                    if next.rings[shard].len() == self.longest {
                        continue;
                    }
                    next.rings[shard].push_back(Element { kind, writer: Some(i) });
                    next.producers[i] = Producer::Claimed(shard, kind);
                }
                Producer::Claimed(shard, kind) => {
                    let mine = next.rings[shard].iter_mut().find(|element| element.writer == Some(i));
                    mine.expect("nobody takes what is not written").writer = None;
                    next.ended |= kind == Kind::Watched;
                    next.producers[i] = Producer::Idle;
                }
            }
            after.push(next);
        }
        for (i, &consumer) in state.consumers.iter().enumerate() {
            let mut next = state.clone();
            match consumer {
                Consumer::Idle => {
                    let shard = Machine::turn(self.looks, &mut next.next_look, self.shards);
                    next.consumers[i] = Consumer::Turn(shard, self.shards - 1);
                }
                Consumer::Turn(shard, left) => match state.rings[shard].front() {
                    Some(element) if element.writer.is_none() => {
                        let element = next.rings[shard].pop_front().expect("there is one");
                        if element.kind == Kind::Watched {
                            // The end of this story.
                            continue;
                        }
                        next.overtaken += usize::from(element.kind == Kind::Younger);
                        next.consumers[i] = Consumer::Idle;
                        if next.rings[shard].is_empty() {
                            next.lost[shard] = 0;
                        }
                    }
                    front => {
                        if front.is_some() {
                            next.lost[shard] += 1;
                            if next.lost[shard] > self.most_lost {
                                continue;
                            }
                        }
                        next.consumers[i] = match (left, self.looks) {
                            (0, _) => Consumer::Idle,
                            (_, Way::FromHome) => Consumer::Turn((shard + 1) % self.shards, left - 1),
                            (_, Way::Dealt) => {
                                let shard = Machine::turn(Way::Dealt, &mut next.next_look, self.shards);
                                Consumer::Turn(shard, left - 1)
                            }
                        };
                    }
                },
            }
            after.push(next);
        }
        after
    }

    /// Walks through everything that can happen. Gives the most that overtake, or `None` when the bound is exceeded.
    fn walk(&self, producers: usize, consumers: usize) -> Option<usize> {
        let start = self.start(producers, consumers);
        let mut seen = HashSet::from([start.clone()]);
        let mut open = vec![start];
        let mut most = 0;
        while let Some(state) = open.pop() {
            let home = state.rings.iter().position(|ring| ring.iter().any(|element| element.kind == Kind::Watched));
            let lost = home.map_or(0, |home| state.lost[home]);
            if state.overtaken > bound(self.shards, producers, consumers, lost) {
                return None;
            }
            most = most.max(state.overtaken);
            for next in self.steps(&state) {
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        println!(
            "overtaking: {} shards, {producers} producers, {consumers} consumers: {} states, at most {most} overtake",
            self.shards,
            seen.len()
        );
        Some(most)
    }
}

const DEALT: Machine = Machine { shards: 2, pushes: Way::Dealt, looks: Way::Dealt, longest: 4, most_lost: 1 };

#[test]
fn no_interleaving_overtakes_more_than_is_stated() {
    // Some do overtake: else this would say little.
    assert!(DEALT.walk(1, 1).expect("within the bound") >= 1);
    assert!(Machine { longest: 3, ..DEALT }.walk(1, 2).expect("within the bound") >= 2);
    assert!(Machine { longest: 3, most_lost: 0, ..DEALT }.walk(2, 1).expect("within the bound") >= 1);
    assert!(Machine { longest: 3, most_lost: 0, ..DEALT }.walk(2, 2).expect("within the bound") >= 2);
    assert!(Machine { shards: 3, longest: 2, most_lost: 0, ..DEALT }.walk(1, 1).expect("within the bound") >= 2);
    assert_eq!(Machine { shards: 1, ..DEALT }.walk(2, 2), Some(0));
}

#[test]
fn looks_that_begin_at_home_overtake_without_bound() {
    assert_eq!(Machine { looks: Way::FromHome, longest: 12, ..DEALT }.walk(1, 1), None);
}
