//! Every row of every ordering-site table, weakened in every way there is, makes a model fall that it otherwise passes.

use crate::model::Model;
use crate::mpmc::Layout::AllSpawned;
use crate::steal_deque::Layout::{OwnerOnMain, OwnerSpawned};
use crate::{
    arrivals, completion, countdown, deque, door, event_count, event_log, free_list, handover, lazy_start, parker,
    queue, run_gate, run_queue, task_state,
};
use std::sync::atomic::Ordering::{self, *};
use vgpu_pool::protocol::SITES;
use vgpu_pool::protocol::event_count::EventCount;
use vgpu_pool::sync::{Site, weaken};

/// Every ordering weaker than this one, the strongest first. For a fence, relaxed means that there is none.
fn weaker(ordering: Ordering) -> &'static [Ordering] {
    match ordering {
        SeqCst => &[AcqRel, Acquire, Release, Relaxed],
        AcqRel => &[Acquire, Release, Relaxed],
        Acquire | Release => &[Relaxed],
        _ => &[],
    }
}

/// Weakenings that no model kills, each with the argument for the stronger ordering. There are none.
const SURVIVORS: &[(&str, Ordering, &str)] = &[];

/// The model that kills these weakenings of this site.
struct Killer(&'static str, &'static [Ordering], Model);

fn killers() -> Vec<Killer> {
    const FENCE: &[Ordering] = &[AcqRel, Acquire, Release, Relaxed];
    let one_and_one = event_count::one_and_one::<EventCount>();
    let last_searcher_leaves = event_count::last_searcher_leaves::<EventCount>();
    let slot_used_again = deque::model("w_uu|u_1", OwnerSpawned, 3);
    let growth = deque::model("g_uuuo_1", OwnerOnMain, 3);
    let last_two = deque::model("uu|oo_2", OwnerOnMain, 3);
    let one_element = deque::model("uo_1", OwnerSpawned, 3);
    let second_lap = queue::model("uu|u_o", AllSpawned, 3);
    let first_lap = queue::model("u_o", AllSpawned, 3);
    vec![
        Killer("deque.PUSH_TOP", &[Relaxed], slot_used_again),
        Killer("deque.PUSH_BOTTOM", &[Relaxed], one_element),
        Killer("deque.GROW_BUFFER", &[Relaxed], growth),
        Killer("deque.POP_BOTTOM", &[Relaxed], deque::model("uuo_1", OwnerOnMain, 3)),
        Killer("deque.POP_FENCE", FENCE, last_two),
        Killer("deque.STEAL_FENCE", FENCE, last_two),
        Killer("deque.STEAL_BOTTOM", &[Relaxed], one_element),
        Killer("deque.STEAL_BUFFER", &[Relaxed], growth),
        Killer("deque.STEAL_CAS", &[Relaxed], slot_used_again),
        Killer("queue.PUSH_TURN", &[Relaxed], second_lap),
        Killer("queue.PUSH_TURN_DONE", &[Relaxed], first_lap),
        Killer("queue.POP_TURN", &[Relaxed], first_lap),
        Killer("queue.POP_TURN_DONE", &[Relaxed], second_lap),
        Killer("run_queue.GROW", &[Relaxed], run_queue::new_ring()),
        Killer("run_queue.FIND", &[Relaxed], run_queue::new_ring()),
        Killer("parker.PARK_TAKE", &[Relaxed], parker::MESSAGE),
        Killer("parker.UNPARK", &[Relaxed], parker::MESSAGE),
        Killer("event_count.NOTIFY_FENCE", FENCE, one_and_one),
        Killer("event_count.NOTIFY_OF_FENCE", FENCE, event_count::WORK_FOR_ONE),
        Killer("event_count.ANNOUNCE_FENCE", FENCE, one_and_one),
        Killer("event_count.CLAIM", &[Relaxed], one_and_one),
        Killer("event_count.WITHDRAW", &[Relaxed], one_and_one),
        Killer("event_count.END_SEARCH_FENCE", FENCE, last_searcher_leaves),
        Killer("event_log.OBSERVE", &[Relaxed], event_log::reader_against_start()),
        Killer("event_log.RELEASE", &[Relaxed], event_log::reader_against_start()),
        Killer("event_log.PUBLISH", &[Relaxed], event_log::two_sessions()),
        Killer("event_log.COLLECT", &[Relaxed], event_log::two_sessions()),
        Killer("completion.SET", &[Acquire, Relaxed], completion::WAIT),
        Killer("completion.SET", &[Release], completion::CALLBACK),
        Killer("completion.READ", &[Relaxed], completion::WAIT),
        Killer("completion.REGISTER", &[Acquire, Release, Relaxed], completion::CALLBACK),
        Killer("countdown.FINISH", &[Acquire, Release, Relaxed], countdown::WAIT),
        Killer("countdown.READ", &[Relaxed], countdown::WAIT),
        Killer("countdown.REGISTER", &[Relaxed], countdown::HELPER),
        Killer("task_state.RELEASE", &[Acquire, Release, Relaxed], task_state::CLAIM),
        Killer("arrivals.ARRIVE", &[Acquire, Release, Relaxed], arrivals::LAST),
        Killer("run_gate.BEGIN", &[Relaxed], run_gate::TWO),
        Killer("run_gate.END", &[Relaxed], run_gate::TWO),
        Killer("task_state.SOLE", &[Relaxed], task_state::SOLE),
        Killer("free_list.CLAIM", &[Relaxed], free_list::takers()),
        Killer("free_list.LET_GO", &[Relaxed], free_list::takers()),
        Killer("free_list.GIVE_BACK", &[Relaxed], free_list::givers()),
        Killer("free_list.TAKE_ALL", &[Relaxed], free_list::givers()),
        Killer("handover.DELIVER", &[Acquire, Release, Relaxed], handover::ABANDON),
        Killer("handover.READ", &[Relaxed], handover::WAIT),
        Killer("handover.ABANDON", &[Acquire, Release, Relaxed], handover::ABANDON),
        Killer("lazy_start.CLAIM", &[Relaxed], lazy_start::START),
        Killer("lazy_start.RELEASE", &[Relaxed], lazy_start::START),
        Killer("door.GIVE_BACK", &[Acquire, Release, Relaxed], door::VISIT),
    ]
}

/// Every weakening of every site.
fn weakenings() -> impl Iterator<Item = (&'static Site, Ordering)> {
    let rows = SITES.iter().copied().flatten();
    rows.flat_map(|site| weaker(site.declared()).iter().map(move |&ordering| (site, ordering)))
}

#[test]
fn every_site_is_needed() {
    let killers = killers();
    for (site, ordering) in weakenings() {
        let killer = killers.iter().find(|killer| killer.0 == site.name() && killer.1.contains(&ordering));
        let mutant = format!("{}|{:?} -> {ordering:?}", site.name(), site.declared());
        let Some(Killer(_, _, model)) = killer else {
            let survivor = SURVIVORS.iter().find(|row| (row.0, row.1) == (site.name(), ordering));
            let (_, _, argument) = survivor.unwrap_or_else(|| panic!("no model is named that kills {mutant}"));
            println!("site|{mutant}|survives: {argument}|execution=-");
            continue;
        };
        model.pass();
        weaken(Some((site.name(), ordering)));
        let killed = model.refute(&mutant);
        weaken(None);
        println!("site|{mutant}|{killed}");
    }
}

#[test]
fn whatever_is_named_here_is_in_the_tables() {
    let named = killers().into_iter().flat_map(|Killer(site, orderings, _)| orderings.iter().map(move |o| (site, *o)));
    let mut named: Vec<_> = named.chain(SURVIVORS.iter().map(|row| (row.0, row.1))).collect();
    let mut tables: Vec<_> = weakenings().map(|(site, ordering)| (site.name(), ordering)).collect();
    let key = |row: &(&'static str, Ordering)| (row.0, format!("{:?}", row.1));
    named.sort_by_key(key);
    tables.sort_by_key(key);
    assert_eq!(named, tables, "the weakenings named here (left) are not those of the tables (right)");
}
