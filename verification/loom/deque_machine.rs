//! What a scenario can end in, found without loom: the deque as an abstract machine, one step for each access of shared
//! memory, all interleavings walked. It knows only sequential consistency; loom knows weak memory too, and must end up
//! with the same outcomes: the orderings of the deque are right when weak memory adds nothing.

use crate::steal_deque::{Scenario, outcome};
use std::collections::{BTreeSet, HashSet};

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct State {
    top: isize,
    bottom: isize,
    /// Every buffer there has been; the last is the live one.
    buffers: Vec<Vec<usize>>,
    pushed: usize,
    /// Operations the owner has finished, and what they gave.
    owner_done: usize,
    popped: Vec<usize>,
    owner: Owner,
    thieves: Vec<(Thief, Vec<usize>)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
enum Owner {
    #[default]
    Between,
    Push {
        top: isize,
    },
    WriteSlot,
    RaiseBottom,
    ReadTop,
    Exchange {
        top: isize,
    },
    RestoreBottom {
        result: usize,
    },
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
enum Thief {
    #[default]
    Between,
    ReadBottom {
        top: isize,
    },
    ReadBuffer {
        top: isize,
    },
    ReadSlot {
        top: isize,
        buffer: usize,
    },
    Exchange {
        top: isize,
        element: usize,
    },
}

impl State {
    fn slot(&mut self, buffer: usize, index: isize) -> &mut usize {
        let slots = &mut self.buffers[buffer];
        let at = index.rem_euclid(slots.len() as isize) as usize;
        &mut slots[at]
    }

    fn live(&self) -> usize {
        self.buffers.len() - 1
    }

    /// The owner's next step; `false` when it has finished all its operations.
    fn step_owner(&mut self, operations: &str, max_capacity: usize) -> bool {
        let Some(operation) = operations.chars().nth(self.owner_done) else { return false };
        let (live, bottom) = (self.live(), self.bottom);
        let next = match self.owner {
            Owner::Between if operation == 'u' => Owner::Push { top: self.top },
            Owner::Between => {
                self.bottom -= 1;
                Owner::ReadTop
            }
            Owner::Push { top } => {
                let capacity = self.buffers[live].len();
                if bottom - top < capacity as isize {
                    *self.slot(live, bottom) = self.pushed + 1;
                    Owner::RaiseBottom
                } else if capacity < max_capacity {
                    self.buffers.push(vec![0; capacity * 2]);
                    for index in top..bottom {
                        *self.slot(live + 1, index) = *self.slot(live, index);
                    }
                    Owner::WriteSlot
                } else {
                    self.owner_done += 1;
                    Owner::Between
                }
            }
            Owner::WriteSlot => {
                *self.slot(live, bottom) = self.pushed + 1;
                Owner::RaiseBottom
            }
            Owner::RaiseBottom => {
                self.bottom += 1;
                self.pushed += 1;
                self.owner_done += 1;
                Owner::Between
            }
            Owner::ReadTop if self.top > bottom => Owner::RestoreBottom { result: 0 },
            Owner::ReadTop if self.top == bottom => Owner::Exchange { top: self.top },
            Owner::ReadTop => {
                let element = *self.slot(live, bottom);
                self.popped.push(element);
                self.owner_done += 1;
                Owner::Between
            }
            Owner::Exchange { top } if top == self.top => {
                self.top += 1;
                Owner::RestoreBottom { result: *self.slot(live, bottom) }
            }
            Owner::Exchange { .. } => Owner::RestoreBottom { result: 0 },
            Owner::RestoreBottom { result } => {
                self.bottom += 1;
                self.popped.push(result);
                self.owner_done += 1;
                Owner::Between
            }
        };
        self.owner = next;
        true
    }

    /// A thief's next step; `false` when it has made all its attempts.
    fn step_thief(&mut self, which: usize, steals: usize) -> bool {
        let mut done = None;
        let next = match self.thieves[which].0 {
            Thief::Between if self.thieves[which].1.len() == steals => return false,
            Thief::Between => Thief::ReadBottom { top: self.top },
            Thief::ReadBottom { top } if top < self.bottom => Thief::ReadBuffer { top },
            Thief::ReadBottom { .. } => {
                done = Some(0);
                Thief::Between
            }
            Thief::ReadBuffer { top } => Thief::ReadSlot { top, buffer: self.live() },
            Thief::ReadSlot { top, buffer } => Thief::Exchange { top, element: *self.slot(buffer, top) },
            Thief::Exchange { top, element } => {
                done = Some(if top == self.top { element } else { 9 });
                self.top += isize::from(top == self.top);
                Thief::Between
            }
        };
        self.thieves[which].0 = next;
        self.thieves[which].1.extend(done);
        true
    }
}

/// All outcomes of a scenario under sequential consistency.
pub fn outcomes(scenario: &Scenario) -> BTreeSet<u64> {
    let start = State { buffers: vec![vec![0; scenario.capacity]], ..State::default() };
    let mut before = start;
    while before.step_owner(&scenario.before, scenario.max_capacity) {}
    before.owner_done = 0;
    before.thieves = vec![Default::default(); scenario.thieves.len()];
    let (mut seen, mut open, mut ends) = (HashSet::new(), vec![before], BTreeSet::new());
    while let Some(state) = open.pop() {
        let mut successors = vec![];
        let mut next = state.clone();
        if next.step_owner(&scenario.owner, scenario.max_capacity) {
            successors.push(next);
        }
        for (which, &steals) in scenario.thieves.iter().enumerate() {
            let mut next = state.clone();
            if next.step_thief(which, steals) {
                successors.push(next);
            }
        }
        if successors.is_empty() {
            let stolen = state.thieves.iter().flat_map(|thief| thief.1.iter().copied());
            ends.insert(outcome(&state.popped.iter().copied().chain(stolen).collect::<Vec<_>>()));
        }
        open.extend(successors.into_iter().filter(|next| seen.insert(next.clone())));
    }
    ends
}
