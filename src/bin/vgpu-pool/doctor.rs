//! `vgpu-pool doctor`: what this machine lets a pool do, tried out and not guessed.

use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::thread;
use vgpu_pool::error::{Error, Status};
use vgpu_pool::os::affinity;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::os::mempolicy::{self, NodeMask, Policy};
use vgpu_pool::os::pages::Pages;
use vgpu_pool::topology::{CpuSet, Topology};

/// How far a thing works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Works,
    Limited,
    Refused,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Works => "works",
            State::Limited => "limited",
            State::Refused => "refused",
        }
    }
}

/// One thing that was tried.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) what: &'static str,
    pub(crate) state: State,
    pub(crate) found: String,
}

pub(crate) fn examine() -> Vec<Finding> {
    let mut findings = vec![];
    let mut add = |what, (state, found)| findings.push(Finding { what, state, found });
    let machine = Topology::detect(Allocator::SYSTEM);
    add("topology", topology(&machine));
    add("affinity", pinning());
    let nodes: Vec<u32> = machine.iter().flat_map(|machine| machine.nodes()).map(|node| node.number).collect();
    add("memory policy", placing(&nodes));
    add("page location", locating());
    add("huge pages", huge_pages());
    add("CPU quota", quota(&machine));
    add("membarrier", membarrier());
    add("NUMA balancing", balancing());
    findings
}

fn topology(machine: &Result<Topology, Error>) -> (State, String) {
    match machine {
        Ok(machine) => {
            let (cpus, nodes, notes) = (machine.cpus().len(), machine.nodes().len(), machine.notes().len());
            let state = if notes == 0 { State::Works } else { State::Limited };
            (state, format!("{cpus} CPUs, {nodes} nodes, {notes} oddities: see vgpu-pool topology"))
        }
        Err(error) => (State::Refused, error.to_string()),
    }
}

/// Pins a thread to each allowed CPU in turn and looks where it runs.
fn pinning() -> (State, String) {
    let tried = thread::spawn(|| {
        let allowed = CpuSet::from_words(affinity::allowed_cpus(Allocator::SYSTEM)?);
        let mut missed = vec![];
        for cpu in allowed.iter() {
            match affinity::pin_to_cpu(cpu).and_then(|()| affinity::current_cpu()) {
                Ok(current) if current == cpu => {}
                _ => missed.push(cpu),
            }
        }
        Ok::<_, Error>((allowed.to_string(), missed))
    });
    match tried.join() {
        Ok(Ok((allowed, missed))) if missed.is_empty() => {
            (State::Works, format!("a thread was pinned to each of CPUs {allowed} and ran there"))
        }
        Ok(Ok((allowed, missed))) => (
            State::Limited,
            format!("of CPUs {allowed}, a thread could not be pinned to {missed:?}; pools run unpinned there"),
        ),
        Ok(Err(error)) => (State::Refused, error.to_string()),
        Err(_) => (State::Refused, "the thread that tried ended in a panic".to_owned()),
    }
}

/// Asks for a page on each node, with the policy that may not put it elsewhere.
fn placing(nodes: &[u32]) -> (State, String) {
    let (mut taken, mut missed) = (vec![], vec![]);
    for &node in nodes {
        let placed = Pages::map(1).and_then(|pages| {
            mempolicy::set_policy(pages.start().as_ptr(), pages.bytes(), Policy::Bind, &NodeMask::of([node]), false)
        });
        match placed {
            Ok(()) => taken.push(node),
            Err(error) if error.status() == Status::Unsupported => {
                return (
                    State::Refused,
                    format!("{error} Memory is placed by the thread that first writes it instead"),
                );
            }
            Err(_) => missed.push(node),
        }
    }
    match missed.is_empty() {
        true => (State::Works, format!("memory may be bound to nodes {taken:?}")),
        false => (State::Limited, format!("memory may be bound to nodes {taken:?} but not to {missed:?}")),
    }
}

fn locating() -> (State, String) {
    let asked = Pages::map(1).and_then(|pages| {
        let start = pages.start().as_ptr();
        // SAFETY: the page is ours.
        unsafe { start.write_volatile(1) };
        let mut nodes = [-1];
        mempolicy::locate(&[start.cast_const().cast()], &mut nodes)?;
        Ok(nodes[0])
    });
    match asked {
        Ok(node) if node >= 0 => (State::Works, format!("the kernel tells where pages are; one is on node {node}")),
        Ok(error) => (State::Limited, format!("the kernel answers {error} for a page that was written")),
        Err(error) => match fs::read_to_string("/proc/self/numa_maps") {
            Ok(_) => (State::Limited, format!("{error}; /proc/self/numa_maps is read instead")),
            Err(other) => (State::Refused, format!("{error}; nor can /proc/self/numa_maps be read: {other}")),
        },
    }
}

fn huge_pages() -> (State, String) {
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
    let reserved = read("/proc/sys/vm/nr_hugepages").unwrap_or_else(|_| "an unknown number".to_owned());
    match read("/sys/kernel/mm/transparent_hugepage/enabled") {
        Ok(text) if text.contains("[never]") => {
            (State::Refused, format!("transparent huge pages are off; {reserved} are reserved"))
        }
        Ok(text) => {
            let chosen = text.split(['[', ']']).nth(1).unwrap_or("unknown").to_owned();
            let given = Pages::map(1).is_ok_and(|pages| pages.advise_huge(true));
            let state = if given { State::Works } else { State::Limited };
            (state, format!("transparent huge pages: {chosen}; {reserved} are reserved"))
        }
        Err(error) => {
            (State::Refused, format!("this kernel has no transparent huge pages ({error}); {reserved} are reserved"))
        }
    }
}

fn quota(machine: &Result<Topology, Error>) -> (State, String) {
    match machine.as_ref().map(Topology::quota) {
        Ok(None) => (State::Works, "CPU time is not limited".to_owned()),
        Ok(Some(quota)) => {
            let (quota_us, period_us) = (quota.quota_us, quota.period_us);
            (
                State::Limited,
                format!(
                    "{quota_us} of every {period_us} microseconds: no more than {} workers at a time",
                    quota.cpus()
                ),
            )
        }
        Err(_) => (State::Refused, "the machine could not be read".to_owned()),
    }
}

fn membarrier() -> (State, String) {
    const PRIVATE_EXPEDITED: u32 = 1 << 3;
    match mempolicy::membarrier_commands() {
        0 => (State::Refused, "the kernel has none".to_owned()),
        commands if commands & PRIVATE_EXPEDITED != 0 => (State::Works, "private expedited".to_owned()),
        commands => (State::Limited, format!("only the commands {commands:#x}, and not private expedited")),
    }
}

fn balancing() -> (State, String) {
    match fs::read_to_string("/proc/sys/kernel/numa_balancing").map(|text| text.trim() == "0") {
        Ok(false) => (State::Limited, "on: the kernel may move pages that were placed".to_owned()),
        _ => (State::Works, "off: pages stay where they were placed".to_owned()),
    }
}

pub(crate) fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        _ = writeln!(text, "{:<16}{:<10}{}", finding.what, finding.state.word(), finding.found);
    }
    text
}

pub(crate) fn json(findings: &[Finding]) -> Value {
    let all = findings
        .iter()
        .map(|finding| json!({ "what": finding.what, "state": finding.state.word(), "found": finding.found }));
    Value::Array(all.collect())
}
