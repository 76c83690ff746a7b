//! The queue under loom.

use crate::explore::explore;
use crate::mpmc::{Layout, Scenario, outcome, run};
use crate::queue_machine;

pub fn model(name: &str, layout: Layout) -> impl Fn() -> u64 + Send + Sync + 'static {
    let scenario = Scenario::parse(name);
    move || {
        outcome(&match scenario.shards {
            1 => run(scenario.shard(), &scenario, layout),
            _ => run(scenario.sharded(), &scenario, layout),
        })
    }
}

#[test]
fn survey() {
    let Ok(names) = std::env::var("SCN") else { return };
    vgpu_pool::sync::spurious_failures(std::env::var("SPUR").is_ok());
    for name in names.split(' ') {
        let machine = queue_machine::outcomes(&Scenario::parse(name));
        for layout in [Layout::FirstOnMain, Layout::AllSpawned] {
            for bound in std::env::var("BOUNDS").unwrap().split(' ') {
                let r = explore(Some(bound.parse().unwrap()), model(name, layout));
                println!("{name} {layout:?} b{bound} {} {:.2} {:?} machine {} loom {} missing {:?} extra {:?}", r.executions, r.seconds, r.failure, machine.len(), r.outcomes.len(), machine.difference(&r.outcomes).collect::<Vec<_>>(), r.outcomes.difference(&machine).collect::<Vec<_>>());
            }
        }
        println!("{machine:?}");
    }
}
