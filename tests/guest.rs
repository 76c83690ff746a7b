//! What only a machine with several NUMA nodes can show. `make numa-vm` runs these in guests under QEMU, whose nodes it
//! describes in the environment; anywhere else they are left out.
//!
//! Each test is ignored by default, since it asks for a certain machine and may take CPUs offline.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

mod common;

use common::fib;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use vgpu_pool::error::{Result, Status};
use vgpu_pool::gemm::runner::Packing;
use vgpu_pool::gemm::{CacheSizes, Gemm, Layout, TileRunner, Transpose, gemm};
use vgpu_pool::memory::node::bind;
use vgpu_pool::memory::report::{PageReport, locate};
use vgpu_pool::memory::{NodeMemory, NumaPool, Place, Request, Tier, TierConfig, Tiers, Verified};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::os::{affinity, pages::Pages};
use vgpu_pool::parallel::graph::Builder;
use vgpu_pool::pool::{Binding, Config, Pinning, Pool, TaskOptions, Worker};
use vgpu_pool::topology::Topology;

const MIB: usize = 1 << 20;

fn machine() -> Topology {
    Topology::detect(Allocator::SYSTEM).unwrap()
}

fn pinned_pool() -> Pool {
    Pool::new(&Config { pinning: Pinning::Required, ..Config::default() }).unwrap()
}

fn assert_all_on(memory: &NodeMemory, node: u32, verified: Verified) {
    let report = memory.report().unwrap();
    assert_eq!((report.verified, report.absent, report.unknown), (verified, 0, 0), "{report:?}");
    assert_eq!(report.on_node(node), report.pages, "{memory:?} {report:?}");
}

/// The machine is the one that the command line of QEMU describes.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_the_topology_is_the_one_described() {
    let machine = machine();
    let rows: Vec<Vec<u32>> =
        (0..4).map(|from| (0..4).map(|to| machine.node_distance(from, to).unwrap()).collect()).collect();
    assert_eq!(rows, [[10, 21, 31, 41], [22, 10, 21, 31], [32, 22, 10, 21], [42, 32, 22, 10]]);
    for (index, node) in machine.nodes().iter().enumerate() {
        assert!(node.cpus.iter().eq([2 * index as u32, 2 * index as u32 + 1]), "{node:?}");
        assert!(node.has_memory && node.memory_bytes > 100 * MIB as u64);
    }
    assert_eq!(machine.default_worker_count(), 8);
}

/// Every worker runs on its own CPU, whatever it runs.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn any_every_worker_is_on_its_cpu() {
    let pool = pinned_pool();
    assert_eq!((pool.workers(), pool.unpinned_workers()), (machine().cpus().len(), 0));
    let workers = pool.stats().unwrap().workers;
    let wanted: Vec<u32> = workers.iter().map(|worker| worker.cpu.unwrap()).collect();
    assert_eq!(wanted.iter().collect::<BTreeSet<_>>().len(), pool.workers(), "two workers share a CPU: {wanted:?}");
    let there = places(&pool);
    println!("workers on CPUs {there:?}");
    assert_eq!(there.len(), pool.workers());
    assert!(there.iter().all(|(&worker, cpus)| cpus.iter().eq([&wanted[worker]])), "{there:?} {wanted:?}");
}

/// Memory asked for on a node is there, page by page, whoever asks.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_memory_is_on_its_node() {
    let machine = machine();
    let pool = NumaPool::new(Allocator::SYSTEM).unwrap();
    for node in 0..4 {
        for (bytes, huge_pages) in [(1, false), (5 * MIB + 1, false), (40 * MIB, false), (6 * MIB, true)] {
            for strict in [false, true] {
                let request = Request { huge_pages, strict, ..Request::on_node(bytes, node) };
                assert_all_on(&NodeMemory::allocate(&machine, &request).unwrap(), node, Verified::MovePages);
                assert_all_on(&pool.allocate(&request, None).unwrap(), node, Verified::MovePages);
            }
        }
        let later = Request { touch: false, ..Request::on_node(4 * MIB, node) };
        let memory = NodeMemory::allocate(&machine, &later).unwrap();
        // SAFETY: the memory is ours.
        unsafe { memory.start().as_ptr().write_bytes(1, 4 * MIB) };
        assert_all_on(&memory, node, Verified::MovePages);
    }
}

/// Neighbouring blocks of different nodes share no huge page.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_blocks_side_by_side_stay_apart() {
    let machine = machine();
    let blocks: Vec<NodeMemory> = (0..32)
        .map(|index| {
            NodeMemory::allocate(&machine, &Request { huge_pages: true, ..Request::on_node(MIB, index % 4) }).unwrap()
        })
        .collect();
    for (index, block) in blocks.iter().enumerate() {
        assert_all_on(block, index as u32 % 4, Verified::MovePages);
    }
}

#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_interleaved_memory_is_on_every_node_alike() {
    let request = Request { place: Place::Interleaved, ..Request::on_node(16 * MIB, 0) };
    let report = NodeMemory::allocate(&machine(), &request).unwrap().report().unwrap();
    println!("{report:?}");
    for node in 0..4 {
        assert_eq!(report.on_node(node), report.pages / 4, "{report:?}");
    }
}

#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_a_full_node_spills_to_the_nearest_and_says_so() {
    let machine = machine();
    let request = Request::on_node(machine.nodes()[3].memory_bytes as usize + 32 * MIB, 3);
    let memory = NodeMemory::allocate(&machine, &request).unwrap();
    let report = memory.report().unwrap();
    println!("{report:?}");
    assert!(report.elsewhere(3) > 0 && report.on_node(3) > report.elsewhere(3), "{report:?}");
    assert_eq!(report.largest_spill(3).unwrap().0, 2, "node 2 is the nearest to node 3: {report:?}");
    drop(memory);
    let strict = NodeMemory::allocate(&machine, &Request { strict: true, ..request }).unwrap_err();
    assert_eq!(strict.status(), Status::OutOfMemory);
    assert!(strict.message().contains("node 3"), "{strict}");
}

/// Memory that lies elsewhere is moved.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_memory_of_the_program_is_moved() {
    let machine = machine();
    let pages = Pages::map(MIB).unwrap();
    // SAFETY: the pages are ours.
    unsafe { pages.start().as_ptr().write_bytes(1, MIB) };
    for node in [3, 0, 2] {
        bind(&machine, pages.start().as_ptr(), MIB, Place::Node(node)).unwrap();
        let report = locate(pages.start().as_ptr(), MIB).unwrap();
        assert_eq!(report.on_node(node), report.pages, "{report:?}");
    }
}

/// Numbers small enough that every sum of products is exact.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn any_a_product_and_a_graph_run_right() {
    const N: usize = 150;
    let pool = pinned_pool();
    let number = |seed: usize| ((seed * 7919 + 13) % 17) as f64 - 8.0;
    let (a, b): (Vec<f64>, Vec<f64>) = (0..N * N).map(|i| (number(i), number(i + 5))).unzip();
    let mut c = vec![0.0f64; N * N];
    let product = Gemm {
        layout: Layout::RowMajor,
        trans_a: Transpose::No,
        trans_b: Transpose::No,
        m: N as _,
        n: N as _,
        k: N as _,
        alpha: 1.0,
        a: a.as_ptr(),
        lda: N as _,
        b: b.as_ptr(),
        ldb: N as _,
        beta: 0.0,
        c: c.as_mut_ptr(),
        ldc: N as _,
    };
    // SAFETY: the matrices hold N x N elements each, and nothing else uses them.
    unsafe { gemm(&product, &pool).unwrap() };
    for row in 0..N {
        for column in 0..N {
            let wanted: f64 = (0..N).map(|i| a[row * N + i] * b[i * N + column]).sum();
            assert_eq!(c[row * N + column], wanted, "row {row}, column {column}");
        }
    }
    let order = Mutex::new(vec![]);
    let mut builder = Builder::new();
    let vertices: Vec<_> = (0..20)
        .map(|index| {
            let order = &order;
            builder
                .add(move |_: &Worker| {
                    order.lock().unwrap().push(index);
                    Ok(())
                })
                .unwrap()
        })
        .collect();
    for index in 1..20 {
        builder.precede(vertices[(index - 1) / 2], vertices[index]).unwrap();
    }
    let graph = builder.build().unwrap();
    graph.run(&pool).unwrap();
    drop(graph);
    let order = order.into_inner().unwrap();
    let place = |index: usize| order.iter().position(|&other| other == index).unwrap();
    assert_eq!(order.len(), 20);
    assert!((1..20).all(|index| place((index - 1) / 2) < place(index)), "{order:?}");
}

/// Thefts are counted by how far the victim was, on every node near and far.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_thefts_are_counted_by_distance() {
    let pool = pinned_pool();
    assert_eq!(pool.run(|worker| Ok(fib(worker, 24))).unwrap(), 46368);
    let stats = pool.stats().unwrap();
    for distance in vgpu_pool::pool::Distance::ALL {
        let (tried, done) = stats.workers.iter().fold((0, 0), |sum, worker| {
            let at = worker.steals[distance as usize];
            (sum.0 + at.tried, sum.1 + at.done)
        });
        println!("{distance:?}: {tried} tried, {done} done");
    }
    let done: u64 = stats.workers.iter().map(|worker| worker.all_steals().done).sum();
    assert!(done > 0);
}

/// A loop in which only the first worker forks, and waits: every other one that looks for work goes through all, the near ones first. So nobody
/// looks into a far one's deque more often than into a near one's.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_thieves_go_to_the_nearest_first() {
    use vgpu_pool::pool::Distance::{OtherNode, SameCache};
    let pool = pinned_pool();
    pool.run(|worker| {
        let step = |_: &Worker| (0..200u64).map(std::hint::black_box).sum::<u64>();
        Ok((0..20_000).for_each(|_| _ = worker.join(step, step)))
    })
    .unwrap();
    let stats = pool.stats().unwrap();
    assert_eq!(stats.workers.iter().filter(|worker| worker.promoted > 0).count(), 1, "more than one has forked");
    let mut far_looks = 0;
    for (index, worker) in stats.workers.iter().enumerate() {
        let [near, far] = [SameCache, OtherNode].map(|distance| worker.steals[distance as usize].tried);
        println!("worker {index} published {} jobs, looked near {near} times, far {far}", worker.promoted);
        // One worker is near, and six are far.
        if worker.promoted == 0 {
            assert!(6 * near >= far, "worker {index} looked into {near} near deques and {far} far ones");
            far_looks += far;
        }
    }
    assert!(far_looks > 0, "nobody looked far");
}

/// Refuses the memory policy calls, as container runtimes do, for this thread and those it starts.
fn refuse_memory_policies() {
    let load = |offset: u32| libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: offset };
    let refuse_if = |call: libc::c_long| {
        let skip = libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: call as u32 };
        let refuse = libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | libc::EPERM as u32 };
        [skip, refuse]
    };
    let calls = [libc::SYS_mbind, libc::SYS_move_pages, libc::SYS_get_mempolicy, libc::SYS_set_mempolicy];
    let allow = libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 };
    let mut filter: Vec<libc::sock_filter> = vec![load(0)];
    filter.extend(calls.into_iter().flat_map(refuse_if));
    filter.push(allow);
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program lives through the calls, and only makes this thread's own calls fail.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, 2, &raw const program), 0);
    }
}

/// Where the system will not be told, pinned threads place the memory, and the mappings' file tells where it is.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_without_memory_policies_threads_place_the_memory() {
    refuse_memory_policies();
    let machine = machine();
    let pool = NumaPool::new(Allocator::SYSTEM).unwrap();
    for node in 0..4 {
        for memory in [
            NodeMemory::allocate(&machine, &Request::on_node(9 * MIB, node)).unwrap(),
            pool.allocate(&Request { strict: true, ..Request::on_node(9 * MIB, node) }, None).unwrap(),
        ] {
            assert!(memory.policy_refused());
            assert_all_on(&memory, node, Verified::NumaMaps);
        }
    }
    let spread = Request { place: Place::Interleaved, ..Request::on_node(16 * MIB, 0) };
    let report = NodeMemory::allocate(&machine, &spread).unwrap().report().unwrap();
    assert!((0..4).all(|node| report.on_node(node) == report.pages / 4), "{report:?}");
    let refused = bind(&machine, report.on.as_ptr().cast_mut().cast(), 1, Place::Node(0)).unwrap_err();
    assert_eq!(refused.status(), Status::Unsupported, "{refused}");
}

fn set_online(cpu: u32, online: bool) {
    fs::write(format!("/sys/devices/system/cpu/cpu{cpu}/online"), if online { "1" } else { "0" }).unwrap();
}

/// A CPU goes and comes back, and then the process is confined: memory goes where it did before.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_placement_survives_hotplug_and_cpusets() {
    let pool = NumaPool::new(Allocator::SYSTEM).unwrap();
    let all = || {
        (0..4).for_each(|node| {
            assert_all_on(&pool.allocate(&Request::on_node(3 * MIB, node), None).unwrap(), node, Verified::MovePages);
        })
    };
    all();
    set_online(4, false);
    all();
    let less = machine();
    assert!(less.cpu(4).is_none() && less.nodes()[2].cpus.iter().eq([5]), "{less:?}");
    set_online(5, false);
    // Node 2 has memory and no CPUs now.
    all();
    assert!(machine().nodes()[2].cpus.is_empty());
    set_online(4, true);
    set_online(5, true);
    all();

    let root = "/sys/fs/cgroup";
    fs::write(format!("{root}/cgroup.subtree_control"), "+cpuset").unwrap();
    fs::create_dir(format!("{root}/few")).unwrap();
    fs::write(format!("{root}/few/cpuset.cpus"), "0-3").unwrap();
    fs::write(format!("{root}/few/cpuset.mems"), "0-1").unwrap();
    fs::write(format!("{root}/few/cgroup.procs"), std::process::id().to_string()).unwrap();
    let few = machine();
    assert!(few.cpus().iter().map(|cpu| cpu.number).eq(0..4), "{few:?}");
    assert!(few.nodes().iter().map(|node| node.memory_allowed).eq([true, true, false, false]), "{few:?}");
    assert_eq!(few.default_worker_count(), 4);
    // What is not allowed goes to the nearest that is, and says so.
    let memory = NodeMemory::allocate(&few, &Request::on_node(3 * MIB, 3)).unwrap();
    assert_eq!(memory.node(), 1);
    assert_all_on(&memory, 1, Verified::MovePages);
    // A pool from before knows nothing of it: what it places is told truly all the same.
    let memory = pool.allocate(&Request::on_node(3 * MIB, 1), None).unwrap();
    assert_all_on(&memory, 1, Verified::MovePages);
    fs::write(format!("{root}/cgroup.procs"), std::process::id().to_string()).unwrap();
    fs::remove_dir(format!("{root}/few")).unwrap();
    all();
}

/// Has every worker submit, and fork, more than its memory holds at first, and looks where all of it is.
fn assert_own_memory_is_near(verified: Verified) {
    let machine = machine();
    // Its tasks use it, so it must be there for good.
    let pool: &'static Pool = Box::leak(Box::new(pinned_pool()));
    for (index, stats) in pool.stats().unwrap().workers.iter().enumerate() {
        let node = machine.cpu(stats.cpu.unwrap()).unwrap().node as usize;
        let near = machine.nodes()[machine.nearest_memory(node).unwrap()].number;
        let task = move |worker: &Worker| {
            let mut group = pool.group()?;
            // None ends before all are there, so that each has a block of its own.
            let go_on = Arc::new(AtomicBool::new(false));
            for _ in 0..500 {
                let go_on = go_on.clone();
                group.submit(move |_| {
                    while !go_on.load(SeqCst) {
                        std::thread::yield_now();
                    }
                    Ok(())
                })?;
            }
            go_on.store(true, SeqCst);
            group.wait()?;
            worker.scope(|_, scope| (0..500).for_each(|_| scope.spawn(|_, _| ())));
            worker.own_memory()
        };
        let options = TaskOptions { binding: Binding::Worker(index), ..TaskOptions::default() };
        let report =
            pool.submit_with(&options, task).unwrap().get().unwrap().expect("the worker has no memory of its own");
        assert_eq!((report.verified, report.unknown), (verified, 0), "{report:?}");
        assert_eq!(report.on_node(near), report.pages - report.absent, "worker {index}: {report:?}");
        // It begins with 16 KiB.
        assert!(report.pages - report.absent > 4, "{report:?}");
    }
}

/// A worker's deques and the blocks of its tasks are on its node.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn any_what_a_worker_writes_all_day_is_on_its_node() {
    assert_own_memory_is_near(Verified::MovePages);
}

#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_without_memory_policies_a_workers_memory_is_on_its_node_too() {
    refuse_memory_policies();
    assert_own_memory_is_near(Verified::NumaMaps);
}

/// A pool that looks, when its workers have packed, where that is.
struct Watched<'a> {
    pool: &'a dyn TileRunner,
    memory: &'a Mutex<Option<(usize, usize)>>,
    seats: &'a Mutex<Vec<PageReport>>,
}

impl TileRunner for Watched<'_> {
    fn workers(&self) -> usize {
        self.pool.workers()
    }
    fn allocator(&self) -> Allocator {
        self.pool.allocator()
    }
    fn seats(&self) -> usize {
        self.pool.seats()
    }
    fn packing(&self, bytes: usize) -> Result<Packing<'_>> {
        let memory = self.pool.packing(bytes)?;
        *self.memory.lock().unwrap() = Some((memory.as_ptr() as usize, memory.size()));
        Ok(memory)
    }
    fn cache_sizes(&self) -> CacheSizes {
        self.pool.cache_sizes()
    }
    fn enter(&self, rounds: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync)) -> Result<()> {
        let (memory, seats) = (self.memory, self.seats);
        self.pool.enter(&|pool| rounds(&Watched { pool, memory, seats }))
    }
    fn for_each_seated(&self, count: usize, body: &(dyn Fn(usize, usize) -> Result<()> + Sync)) -> Result<()> {
        self.pool.for_each_seated(count, body)?;
        let (start, bytes) = self.memory.lock().unwrap().expect("no memory was taken for packed panels");
        let stride = bytes / self.seats();
        let mut seats = self.seats.lock().unwrap();
        seats.clear();
        for seat in 0..self.seats() {
            seats.push(locate((start + seat * stride) as *const u8, stride)?);
        }
        Ok(())
    }
    fn both(
        &self,
        first: &(dyn Fn(&dyn TileRunner) -> Result<()> + Sync),
        second: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        self.pool.both(first, second)
    }
}

/// Each worker packs its panels into memory on its node, the second time too. Seat 0 is the calling thread's, which may be anywhere.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_packed_panels_are_on_their_workers_nodes() {
    const M: usize = 64;
    const N: usize = 8192;
    const K: usize = 256;
    let (machine, pool) = (machine(), pinned_pool());
    let workers = pool.stats().unwrap().workers;
    let (a, b, mut c) = (vec![1.0f32; M * K], vec![2.0f32; K * N], vec![0.0f32; M * N]);
    let product = Gemm {
        layout: Layout::RowMajor,
        trans_a: Transpose::No,
        trans_b: Transpose::No,
        m: M as _,
        n: N as _,
        k: K as _,
        alpha: 1.0,
        a: a.as_ptr(),
        lda: K as _,
        b: b.as_ptr(),
        ldb: N as _,
        beta: 0.0,
        c: c.as_mut_ptr(),
        ldc: N as _,
    };
    let (memory, seats) = (Mutex::new(None), Mutex::new(vec![]));
    for _ in 0..2 {
        // SAFETY: the matrices are as large as said, and nothing else uses them.
        unsafe { gemm(&product, &Watched { pool: &pool, memory: &memory, seats: &seats }).unwrap() };
        let mut packed = 0;
        for (seat, report) in seats.lock().unwrap().iter().enumerate().skip(1) {
            let written = report.pages - report.absent;
            println!("seat {seat}: {report:?}");
            if written > 0 {
                let node = machine.cpu(workers[seat - 1].cpu.unwrap()).unwrap().node;
                assert_eq!(
                    (report.verified, report.on_node(node)),
                    (Verified::MovePages, written),
                    "worker {}",
                    seat - 1
                );
                packed += 1;
            }
        }
        assert!(packed > 2, "{packed} workers packed");
    }
    assert!(c.iter().all(|&element| element == 2.0 * K as f32));
}

/// The CPUs that workers were seen on, each with the worker. Every one gets tasks of its own, since where many share few processors, as
/// in a guest, some may sleep for minutes.
fn places(pool: &Pool) -> BTreeMap<usize, BTreeSet<u32>> {
    let mut seen = BTreeMap::<usize, BTreeSet<u32>>::new();
    for _ in 0..8 {
        let look = |index| {
            let options = TaskOptions { binding: Binding::Worker(index), ..TaskOptions::default() };
            pool.submit_with(&options, |worker| Ok((worker.index(), affinity::current_cpu()?))).unwrap()
        };
        for future in (0..pool.workers()).map(look).collect::<Vec<_>>() {
            let (worker, cpu) = future.get().unwrap();
            seen.entry(worker).or_default().insert(cpu);
        }
    }
    seen
}

/// A worker whose CPU goes and comes back is put back on it, and that is counted.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_pins_are_repaired_and_counted() {
    let pool = pinned_pool();
    let workers = pool.stats().unwrap().workers;
    let wanted: Vec<u32> = workers.iter().map(|worker| worker.cpu.unwrap()).collect();
    places(&pool);
    for cpu in [3, 6] {
        set_online(cpu, false);
    }
    // The work goes on meanwhile.
    assert_eq!(places(&pool).len(), 8);
    for cpu in [3, 6] {
        set_online(cpu, true);
    }
    // A worker looks when it wakes, and so may need some sleeps; then every one is where it was.
    for _ in 0..200 {
        places(&pool);
        std::thread::sleep(std::time::Duration::from_millis(20));
        let there = places(&pool);
        if there.iter().all(|(&worker, cpus)| cpus.iter().eq([&wanted[worker]])) {
            break;
        }
    }
    let there = places(&pool);
    let stats = pool.stats().unwrap();
    let repairs: Vec<u64> = stats.workers.iter().map(|worker| worker.pin_repairs).collect();
    println!("workers on CPUs {there:?}, repairs {repairs:?}");
    assert!(there.iter().all(|(&worker, cpus)| cpus.iter().eq([&wanted[worker]])), "{there:?} {wanted:?}");
    assert!(repairs.iter().sum::<u64>() > 0, "{repairs:?}");
}

/// Node 0 has both, node 1 CPUs only, nodes 2 and 3 memory only.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn mixed_nodes_without_memory_and_without_cpus_work() {
    let machine = machine();
    assert!(machine.nodes().iter().map(|node| node.has_memory).eq([true, false, true, true]), "{machine:?}");
    assert!(machine.nodes().iter().map(|node| node.cpus.is_empty()).eq([false, false, true, true]), "{machine:?}");
    let pool = NumaPool::new(Allocator::SYSTEM).unwrap();
    for (node, target) in [(0, 0), (1, 3), (2, 2), (3, 3)] {
        for memory in [
            NodeMemory::allocate(&machine, &Request::on_node(5 * MIB, node)).unwrap(),
            pool.allocate(&Request { strict: true, ..Request::on_node(5 * MIB, node) }, None).unwrap(),
        ] {
            assert_eq!((memory.place(), memory.node()), (Place::Node(node), target));
            assert_all_on(&memory, target, Verified::MovePages);
        }
    }
}

#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn mixed_without_memory_policies_a_node_of_memory_only_is_refused() {
    refuse_memory_policies();
    let machine = machine();
    let memory = NodeMemory::allocate(&machine, &Request::on_node(5 * MIB, 1)).unwrap();
    assert_eq!(memory.node(), 3);
    assert_all_on(&memory, 3, Verified::NumaMaps);
    let refused = NodeMemory::allocate(&machine, &Request::on_node(MIB, 2)).unwrap_err();
    assert_eq!(refused.status(), Status::Unsupported);
    assert!(refused.message().contains("node 2"), "{refused}");
}

/// 96 CPUs on 16 nodes: more than a word of CPUs.
#[test]
#[ignore = "runs in the guests of make numa-vm-large"]
fn large_every_node_of_sixteen_places_its_memory() {
    let machine = machine();
    assert_eq!((machine.cpus().len(), machine.nodes().len(), machine.core_count()), (96, 16, 48));
    let pool = NumaPool::new(Allocator::SYSTEM).unwrap();
    for node in 0..16 {
        assert_all_on(&pool.allocate(&Request::on_node(3 * MIB, node), None).unwrap(), node, Verified::MovePages);
    }
}

/// Blocks of tiered memory fill the fast node, and then its nearest neighbour; none is on two nodes.
#[test]
#[ignore = "runs in the guests of make numa-vm"]
fn four_tiers_are_filled_in_turn() {
    const BLOCK: usize = 8 * MIB;
    let config = TierConfig { node: 2, limits: [u64::MAX, 2 * BLOCK as u64, 0], folder: None };
    let tiers = Tiers::new(&config).unwrap();
    let mut blocks = Vec::new();
    let refused = loop {
        match tiers.allocate(BLOCK) {
            Ok(block) => blocks.push(block),
            Err(refused) => break refused,
        }
        assert!(blocks.len() < 100, "a node has no end");
    };
    assert_eq!(refused.status(), Status::OutOfMemory, "{refused}");
    let fast = blocks.iter().filter(|block| block.tier() == Tier::Fast).count();
    println!("{fast} of {} blocks on the fast node; {refused}", blocks.len());
    assert!(fast >= 2 && blocks.len() == fast + 2);
    for block in &blocks {
        // Node 3 is the nearest to node 2.
        let node = if block.tier() == Tier::Fast { 2 } else { 3 };
        let report = locate(block.start().as_ptr(), BLOCK).unwrap();
        assert_eq!((block.node(), report.on_node(node)), (Some(node), report.pages), "{report:?}");
    }
    drop(blocks);
    assert_eq!(Tier::ALL.map(|tier| tiers.used(tier)), [0; 3]);
}
