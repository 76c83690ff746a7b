//! Pools on machines of several nodes, which this one is made out to be: pools of chosen nodes and CPUs, memory of each worker's own, and
//! what is left to a node's workers.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

mod common;

use common::fib;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use vgpu_pool::error::Status;
use vgpu_pool::os::affinity;
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::pool::{
    Balance, Binding, Config, Hooks, Micropool, Micropools, OnCaller, Pinning, Pool, TaskOptions, Worker,
};
use vgpu_pool::topology::{CpuSet, Topology};

fn set(cpus: impl IntoIterator<Item = u32>) -> CpuSet {
    let mut set = CpuSet::new(Allocator::SYSTEM);
    cpus.into_iter().for_each(|cpu| set.insert(cpu).unwrap());
    set
}

fn allowed() -> Vec<u32> {
    CpuSet::from_words(affinity::allowed_cpus(Allocator::SYSTEM).unwrap()).iter().collect()
}

fn list(cpus: &[u32]) -> String {
    cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// The CPUs of this process as two nodes, and a third one of memory only; `None`, said aloud, where there is one CPU.
fn two_nodes() -> Option<(Topology, [Vec<u32>; 2])> {
    let cpus = allowed();
    let (near, far) = cpus.split_at(cpus.len() / 2);
    if near.is_empty() {
        println!("skipped: one CPU cannot be two nodes");
        return None;
    }
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("vgpu-nodes-{}-{}", std::process::id(), NEXT.fetch_add(1, SeqCst));
    let root = std::env::temp_dir().join(name);
    let write = |path: &str, text: String| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("sys/devices/system/cpu/online", list(&cpus));
    cpus.iter().for_each(|cpu| write(&format!("sys/devices/system/cpu/cpu{cpu}/online"), "1".into()));
    for (number, cpus) in [near, far, &[]].into_iter().enumerate() {
        let node = format!("sys/devices/system/node/node{number}");
        write(&format!("{node}/cpulist"), list(cpus));
        write(&format!("{node}/distance"), ["10 20 30", "20 10 30", "30 30 10"][number].into());
        write(&format!("{node}/meminfo"), format!("Node {number} MemTotal: 1048576 kB\n"));
    }
    let machine = Topology::read(Allocator::SYSTEM, root.to_str().unwrap(), Some(&set(cpus.iter().copied()))).unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(machine.nodes().len(), 3);
    Some((machine, [near.to_vec(), far.to_vec()]))
}

type Seen = Mutex<BTreeMap<u32, Vec<u32>>>;

/// Notes on which CPUs each of the pool's threads may run, as it starts.
unsafe extern "C-unwind" fn note_cpus(seen: *mut c_void, worker: u32) {
    // SAFETY: the tests pass a map that outlives the pool.
    unsafe { (*seen.cast::<Seen>()).lock().unwrap().insert(worker, allowed()) };
}

/// The CPUs of each thread of a pool of these settings.
fn cpus_of_threads(config: &Config<'_>) -> BTreeMap<u32, Vec<u32>> {
    let seen = Seen::default();
    let context = (&raw const seen).cast_mut().cast();
    let hooks = Hooks { on_start: Some(note_cpus), context, ..Hooks::default() };
    let pool = Pool::new(&Config { hooks, ..*config }).unwrap();
    assert_eq!(pool.run(|worker| Ok(worker.join(|_| 1, |_| 2))).unwrap(), (1, 2));
    drop(pool);
    seen.into_inner().unwrap()
}

#[test]
fn a_pool_of_a_node_has_the_nodes_cpus_and_no_others() {
    let Some((machine, [_, far])) = two_nodes() else { return };
    let config = Config { topology: Some(&machine), nodes: &[1], pinning: Pinning::Required, ..Config::default() };
    let threads = cpus_of_threads(&config);
    assert_eq!(threads.len(), far.len(), "as many workers as the node has CPUs");
    assert!(threads.values().all(|cpus| cpus.len() == 1 && far.contains(&cpus[0])), "{threads:?}");
    // Threads that are pinned to no one CPU stay there too.
    let loose = Config { workers: 2, spare_workers: 1, pinning: Pinning::Off, ..config };
    let threads = cpus_of_threads(&loose);
    assert_eq!(threads.len(), 3);
    assert!(threads.values().all(|cpus| *cpus == far), "{threads:?}");
    let spare = Config { workers: 1, spare_workers: 1, ..config };
    assert_eq!(cpus_of_threads(&spare)[&1], far);
}

#[test]
fn a_pool_of_chosen_cpus_has_those() {
    let cpus = allowed();
    let last = set([*cpus.last().unwrap()]);
    let threads = cpus_of_threads(&Config { cpus: Some(&last), ..Config::default() });
    assert!(threads.len() == 1 && threads[&0].iter().copied().eq(last.iter()), "{threads:?}");
    let Some((machine, [near, far])) = two_nodes() else { return };
    let some = set([near[0], far[0]]);
    let both = Config { topology: Some(&machine), cpus: Some(&some), nodes: &[0, 1], ..Config::default() };
    assert_eq!(cpus_of_threads(&both).len(), 2);
    let threads = cpus_of_threads(&Config { nodes: &[1, 1], ..both });
    assert_eq!(threads, BTreeMap::from([(0, vec![far[0]])]), "those of the nodes' CPUs that are in the set");
}

#[test]
fn what_cannot_be_chosen_is_an_error_that_names_it() {
    let Some((machine, [near, _])) = two_nodes() else { return };
    let refused = |config: &Config<'_>, says: &str| {
        let error = Pool::new(&Config { topology: Some(&machine), ..*config }).unwrap_err();
        assert_eq!(error.status(), Status::InvalidArgument);
        assert!(error.message().contains(says), "{error}");
    };
    let (nowhere, none, first) = (set([9999]), set([]), set([near[0]]));
    refused(&Config { nodes: &[0, 7], ..Config::default() }, "node 7");
    refused(&Config { nodes: &[2], ..Config::default() }, "node 2 was chosen for a pool, and it has no CPU");
    refused(&Config { cpus: Some(&nowhere), ..Config::default() }, "CPU 9999");
    refused(&Config { cpus: Some(&none), ..Config::default() }, "no CPUs");
    refused(&Config { cpus: Some(&first), nodes: &[1], ..Config::default() }, "none in common");
    let on_caller = Some(OnCaller::default());
    refused(&Config { nodes: &[0], on_caller, ..Config::default() }, "runs on its maker");
    let set_of_pools = Micropools::new(&[Micropool::default()], &Config { nodes: &[0], ..Config::default() });
    assert_eq!(set_of_pools.unwrap_err().status(), Status::InvalidArgument);
}

/// The kernel here knows one node, and refuses to place memory on the other: threads place it, and all goes on.
#[test]
fn workers_have_memory_of_their_own_on_a_machine_of_several_nodes() {
    let Some((machine, _)) = two_nodes() else { return };
    for inbox_capacity in [0, 64] {
        let config = Config { topology: Some(&machine), inbox_capacity, ..Config::default() };
        let pool = Arc::new(Pool::new(&config).unwrap());
        let ran = Arc::new(AtomicU64::new(0));
        for worker in 0..pool.workers() {
            let (inside, count) = (pool.clone(), ran.clone());
            let task = move |worker: &Worker| {
                let mut group = inside.group()?;
                for _ in 0..50 {
                    let count = count.clone();
                    group.submit(move |_| Ok(_ = count.fetch_add(1, SeqCst)))?;
                }
                group.wait()?;
                assert_eq!(fib(worker, 15), 610);
                worker.own_memory()
            };
            let options = TaskOptions { binding: Binding::Worker(worker), ..TaskOptions::default() };
            let report = pool.submit_with(&options, task).unwrap().get().unwrap().unwrap();
            assert!(report.pages > report.absent, "{report:?}");
        }
        assert_eq!(ran.load(SeqCst), 50 * pool.workers() as u64);
    }
    // Where the system is one node, or the program brings its memory, there is none.
    let own = |config: &Config<'_>| Pool::new(config).unwrap().run(|worker| worker.own_memory()).unwrap();
    assert!(own(&Config { topology: Some(&machine), pinning: Pinning::Off, ..Config::default() }).is_none());
}

/// Two workers on two nodes, who leave each other whatever is less than a thousand.
fn far_pool(machine: &Topology) -> Arc<Pool> {
    let balance = Balance { min_remote_length: 1000, ..Balance::default() };
    Arc::new(Pool::new(&Config { topology: Some(machine), workers: 2, balance, ..Config::default() }).unwrap())
}

/// A task stands still until the one that it has queued has run on the other node.
fn stand(pool: &Arc<Pool>) -> mpsc::Receiver<usize> {
    let (ran, result) = mpsc::channel();
    let inside = pool.clone();
    let task = move |_: &Worker| {
        let (go_on, wait) = mpsc::channel();
        drop(inside.try_submit(move |worker| {
            go_on.send(worker.index()).unwrap();
            Ok(())
        }));
        ran.send(wait.recv_timeout(Duration::from_secs(60)).expect("nobody came for the task")).unwrap();
        Ok(())
    };
    drop(pool.try_submit(task).unwrap());
    result
}

#[test]
fn a_short_queue_on_another_node_is_come_to() {
    let Some((machine, [near, far])) = two_nodes() else { return };
    if near.len() + far.len() < 2 {
        return;
    }
    let pool = far_pool(&machine);
    for _ in 0..200 {
        stand(&pool).recv().unwrap();
    }
}

#[test]
fn a_short_queue_on_another_node_is_not_passed_over_by_a_worker_that_is_never_idle() {
    fn busy(pool: &Arc<Pool>, stop: &Arc<AtomicBool>) {
        let (inside, until) = (pool.clone(), stop.clone());
        let task = move |_: &Worker| {
            if !until.load(SeqCst) {
                busy(&inside, &until);
            }
            Ok(())
        };
        drop(pool.try_submit(task).unwrap());
    }
    let Some((machine, _)) = two_nodes() else { return };
    let pool = far_pool(&machine);
    for _ in 0..20 {
        let stop = Arc::new(AtomicBool::new(false));
        (0..4).for_each(|_| busy(&pool, &stop));
        stand(&pool).recv().unwrap();
        stop.store(true, SeqCst);
        pool.wait_all().unwrap();
    }
}
