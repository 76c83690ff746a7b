//! Broken queues, each of which must fail a model that the right one passes.

use crate::explore::explore;
use crate::mpmc::{AGAINST_SLEEP, Layout, Scenario, outcome, run, run_sleeper};
use crate::queue;
use crate::wrong_queue::{Mistake, WrongQueue};
use Layout::{AllSpawned, FirstOnMain};
use vgpu_pool::protocol::queue::SITES;

#[test]
fn zoosweep() {
    let Ok(_) = std::env::var("ZOO") else { return };
    let _ = AGAINST_SLEEP;
    for &m in Mistake::ALL {
        for name in ["u_o", "u_u", "uu_oo", "uo_uo", "u|uo_uo", "uuu_ooo", "uu|u_o", "u_o_o", "uu|uu_ooo", "uuoouu_u", "u_u_o", "uu|o_o_u"] {
            for layout in [FirstOnMain, AllSpawned] {
                let s = Scenario::parse(name);
                let r = explore(Some(3), move || outcome(&run(WrongQueue::new(&s, Some(m)), &s, layout)));
                if let Some(f) = r.failure { println!("KILL {m:?} x {name} {layout:?} {} {:.2} {f}", r.executions, r.seconds); }
            }
        }
        for robbed in [false, true] {
            let s = Scenario::parse("u");
            let r = explore(Some(3), move || outcome(&run_sleeper(WrongQueue::new(&s, Some(m)), 1, robbed)));
            if let Some(f) = r.failure { println!("KILL {m:?} x sleeper {robbed} {} {:.2} {f}", r.executions, r.seconds); }
        }
    }
    for site in SITES {
        vgpu_pool::sync::weaken(Some((site.name(), std::sync::atomic::Ordering::Relaxed)));
        for name in ["u_o", "u_u", "uu_oo", "uo_uo", "u|uo_uo", "uuu_ooo", "uu|u_o", "u_o_o"] {
            for layout in [FirstOnMain, AllSpawned] {
                let r = explore(Some(3), queue::model(name, layout));
                if let Some(f) = r.failure { println!("KILL {} x {name} {layout:?} {} {:.2} {f}", site.name(), r.executions, r.seconds); }
            }
        }
        vgpu_pool::sync::weaken(None);
    }
}
