//! Pages on a named node, or spread over all nodes: asked for, placed, checked, given back.

use crate::error::{Result, Status, error};
use crate::memory::first_touch::{Caller, first_touch, is_pinning};
use crate::memory::report::{self, PageReport};
use crate::os::alloc::{Allocator, List};
use crate::os::file::{self, PathBuffer};
use crate::os::mempolicy::{self, NodeMask, Policy};
use crate::os::pages::{HUGE_PAGE, Pages, page_bytes};
use crate::topology::{CpuSet, Topology};
use core::fmt;
use core::ptr::NonNull;

/// Where memory is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the node with this number, the kernel's.
    Node(u32),
    /// In turn on every node with memory that the process may use.
    Interleaved,
}

/// What memory is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// How many bytes; rounded up to whole pages.
    pub bytes: usize,
    /// Where.
    pub place: Place,
    /// Whether huge pages are asked for. The size is then rounded up to 2 MiB. The kernel gives as many as it has.
    pub huge_pages: bool,
    /// Whether memory of which any page is elsewhere is an error. It is then also bound, so that pages that come back from
    /// swap go to the same place, where the system allows that.
    pub strict: bool,
    /// Whether the pages are written at once. If not, the kernel is told the place, and each page goes there when it is
    /// first written; where it will not be told, that page goes to the node of the thread that writes it.
    pub touch: bool,
}

impl Request {
    /// So many bytes on this node, written, spilling to other nodes when it is full.
    pub const fn on_node(bytes: usize, node: u32) -> Request {
        Request { bytes, place: Place::Node(node), huge_pages: false, strict: false, touch: true }
    }
}

/// Zeroed pages that were placed, from a 2 MiB boundary on. Dropping gives them back.
#[derive(Debug)]
pub struct NodeMemory {
    pages: Pages,
    info: Info,
}

/// What stands in the header page of memory that C holds by its address alone.
#[derive(Clone, Copy, Debug)]
struct Info {
    magic: u64,
    /// As asked for, and as mapped.
    bytes: usize,
    mapped: usize,
    place: Place,
    node: u32,
    policy_refused: bool,
}

/// An arbitrary number that a wrong address will not hold.
const MAGIC: u64 = 0x7670_6775_6e6f_6465;

impl NodeMemory {
    /// Maps, places and writes memory as asked, from threads of the node that are started for it.
    ///
    /// On a node without memory that the process may use, it goes to the nearest node that has; [`node`](Self::node) says
    /// which. Where the system refuses memory policies, the place comes from the threads alone.
    ///
    /// # Errors
    /// `InvalidArgument` for zero bytes and for a node that the machine has not; `Overflow`; `OutOfMemory`, also when a
    /// strict request did not fit the node; `Unsupported` for a node without CPUs where memory policies are refused;
    /// `Affinity` and `ThreadSpawn` where nothing but pinned threads could place it, and they cannot be had.
    pub fn allocate(machine: &Topology, request: &Request) -> Result<NodeMemory> {
        NodeMemory::allocate_from(machine, request, Caller::Waits)
    }

    /// As [`allocate`](Self::allocate); a caller that runs on the node writes too.
    pub(super) fn allocate_from(machine: &Topology, request: &Request, caller: Caller) -> Result<NodeMemory> {
        let target = Target::find(machine, request.place)?;
        if request.bytes == 0 {
            return Err(error!(InvalidArgument, "0 bytes were asked for on {target}; ask for at least one"));
        }
        let bytes = match request.huge_pages {
            false => request.bytes,
            true => request.bytes.checked_next_multiple_of(HUGE_PAGE).ok_or_else(|| {
                error!(Overflow, "{} bytes do not fit the address space in pages of 2 MiB", request.bytes)
            })?,
        };
        if request.touch || request.strict {
            refuse_more_than_available(bytes)?;
        }
        let pages = Pages::map(bytes)?;
        if request.huge_pages {
            // Where there are none, ordinary pages do.
            pages.advise_huge(true);
        }
        let start = pages.start().as_ptr();
        let policy = if request.place == Place::Interleaved { Policy::Interleave } else { Policy::Preferred };
        let told = mempolicy::set_policy(start, pages.bytes(), policy, &target.mask(machine), false);
        if let Err(refused) = &told
            && target.only_the_kernel_can(machine)
        {
            return Err(crate::error::Error::new(
                Status::Unsupported,
                format_args!("{target} has no CPUs whose threads could place memory there, and {refused}"),
            ));
        }
        let info = Info {
            magic: MAGIC,
            bytes: request.bytes,
            mapped: pages.bytes(),
            place: request.place,
            node: target.number(machine),
            policy_refused: told.is_err(),
        };
        let memory = NodeMemory { pages, info };
        if request.touch || request.strict {
            memory.touch(machine, &target, caller)?;
        }
        if request.strict {
            memory.insist(machine, &target)?;
        }
        Ok(memory)
    }

    fn touch(&self, machine: &Topology, target: &Target, caller: Caller) -> Result<()> {
        let must_pin = self.info.policy_refused;
        let mut cpus: List<&CpuSet> = List::new(Allocator::SYSTEM);
        match target {
            Target::Node { from, .. } => cpus.push(&machine.nodes()[*from].cpus)?,
            // The kernel deals pages out by itself; if it will not, threads of each node do, in pieces of 2 MiB.
            Target::All if !must_pin => cpus.push(&machine.nodes()[machine.cpus()[0].node as usize].cpus)?,
            Target::All => {
                for node in machine.nodes().iter().filter(|node| !node.cpus.is_empty()) {
                    cpus.push(&node.cpus)?;
                }
            }
        }
        // Pages of all nodes are written by threads of all nodes, of which the caller is none in particular.
        let caller = if let Target::All = target { Caller::Waits } else { caller };
        let (start, bytes) = (self.pages.start().as_ptr(), self.pages.bytes());
        // SAFETY: the pages are ours and nobody else knows them yet.
        match unsafe { first_touch(start, bytes, &cpus, must_pin, caller) } {
            Err(error) if is_pinning(&error) => Err(crate::error::Error::new(
                Status::Affinity,
                format_args!("{target}: neither the kernel nor a pinned thread may place memory there: {error}"),
            )),
            outcome => outcome,
        }
    }

    /// Asks that every page is where it was to be, and has the kernel keep it there.
    fn insist(&self, machine: &Topology, target: &Target) -> Result<()> {
        let report = self.report()?;
        let allowed = |number: u32| match target {
            Target::All => true,
            Target::Node { .. } => number == self.info.node,
        };
        let there: usize = report.on.iter().filter(|row| allowed(row.0)).map(|row| row.1).sum();
        if there < report.pages {
            return Err(error!(
                OutOfMemory,
                "{} bytes were asked for on {target} and nowhere else; {there} of {} pages went there; ask for less, or \
                 let it spill",
                self.info.bytes,
                report.pages
            ));
        }
        if let Target::Node { .. } = target
            && !self.info.policy_refused
        {
            let (start, bytes) = (self.pages.start().as_ptr(), self.pages.bytes());
            mempolicy::set_policy(start, bytes, Policy::Bind, &target.mask(machine), false)?;
        }
        Ok(())
    }

    /// The first byte, at a multiple of 2 MiB.
    pub fn start(&self) -> NonNull<u8> {
        self.pages.start()
    }

    /// How many bytes were asked for.
    pub fn bytes(&self) -> usize {
        self.info.bytes
    }

    /// What was asked for.
    pub fn place(&self) -> Place {
        self.info.place
    }

    /// The number of the node it was put on: the one asked for, or the nearest with memory. For interleaved memory, the
    /// first.
    pub fn node(&self) -> u32 {
        self.info.node
    }

    /// Whether the system refused to be told where the memory is to be, so that threads alone placed it.
    pub fn policy_refused(&self) -> bool {
        self.info.policy_refused
    }

    /// Asks where the pages are now.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn report(&self) -> Result<PageReport> {
        report::locate(self.pages.start().as_ptr(), self.pages.bytes())
    }

    /// Gives up ownership for an address alone; [`from_raw`](Self::from_raw) takes it back.
    pub fn into_raw(memory: NodeMemory) -> NonNull<u8> {
        // SAFETY: the header page is ours, and large and aligned enough.
        unsafe { memory.pages.header().cast::<Info>().write(memory.info) };
        memory.pages.into_raw().0
    }

    /// Takes back what [`into_raw`](Self::into_raw) gave.
    ///
    /// # Errors
    /// `InvalidArgument` for an address that cannot be one of those. A multiple of 2 MiB that is none of them, and before
    /// which no memory is mapped, cannot be told: reading there is a fault.
    ///
    /// # Safety
    /// The address came from `into_raw` and has not been taken back since, or is no multiple of 2 MiB.
    pub unsafe fn from_raw(start: NonNull<u8>) -> Result<NodeMemory> {
        // SAFETY: the caller's contract.
        let info = unsafe { info_of(start)? };
        // SAFETY: `into_raw` wrote the size that was mapped, and the caller hands the ownership back.
        Ok(NodeMemory { pages: unsafe { Pages::from_raw(start, info.mapped) }, info })
    }

    /// Looks at memory that is given up, without taking it back.
    ///
    /// # Errors
    /// As [`from_raw`](Self::from_raw).
    ///
    /// # Safety
    /// As [`from_raw`](Self::from_raw).
    pub unsafe fn with_raw<R>(start: NonNull<u8>, look: impl FnOnce(&NodeMemory) -> Result<R>) -> Result<R> {
        // SAFETY: the caller's contract; it is not dropped here.
        let memory = core::mem::ManuallyDrop::new(unsafe { NodeMemory::from_raw(start)? });
        look(&memory)
    }
}

/// # Safety
/// As [`NodeMemory::from_raw`].
unsafe fn info_of(start: NonNull<u8>) -> Result<Info> {
    let wrong = || {
        error!(InvalidArgument, "{start:p} is not the start of memory that was placed on a node; pass what was given")
    };
    if !(start.as_ptr() as usize).is_multiple_of(HUGE_PAGE) {
        return Err(wrong());
    }
    // SAFETY: by contract the address is the start of such memory, and its header page lies before the guard.
    let info = unsafe { start.as_ptr().wrapping_sub(2 * page_bytes()).cast::<Info>().read() };
    if info.magic == MAGIC { Ok(info) } else { Err(wrong()) }
}

/// Tells the kernel where memory of the caller's own is to be, and moves what is elsewhere already, as far as it can be. The
/// range is taken in whole pages, so what shares its first and last page comes along.
///
/// # Errors
/// `InvalidArgument` for zero bytes and unknown nodes; `Unsupported` where the system refuses memory policies.
pub fn bind(machine: &Topology, start: *mut u8, bytes: usize, place: Place) -> Result<()> {
    let target = Target::find(machine, place)?;
    if bytes == 0 || start.is_null() {
        return Err(error!(InvalidArgument, "{bytes} bytes at {start:p} were to be put on {target}; name some memory"));
    }
    let lead = start as usize % page_bytes();
    let policy = if place == Place::Interleaved { Policy::Interleave } else { Policy::Preferred };
    mempolicy::set_policy(start.wrapping_sub(lead), bytes + lead, policy, &target.mask(machine), true)
}

/// A place on this machine.
enum Target {
    Node {
        /// The number of the node with the memory.
        number: u32,
        /// The node whose CPUs write it, an index.
        from: usize,
    },
    All,
}

impl Target {
    fn find(machine: &Topology, place: Place) -> Result<Target> {
        let Place::Node(number) = place else { return Ok(Target::All) };
        let Some(asked) = machine.node_with_number(number) else {
            let known = NodeMask::of(machine.nodes().iter().map(|node| node.number));
            return Err(error!(
                InvalidArgument,
                "node {number} was asked for; this machine has {known}: name one of them"
            ));
        };
        let Some(index) = machine.nearest_memory(asked) else {
            return Err(error!(
                OutOfMemory,
                "node {number} was asked for; no node has memory that this process may use"
            ));
        };
        let from = if machine.nodes()[asked].cpus.is_empty() { index } else { asked };
        Ok(Target::Node { number: machine.nodes()[index].number, from })
    }

    fn mask(&self, machine: &Topology) -> NodeMask {
        match self {
            Target::Node { number, .. } => NodeMask::of([*number]),
            Target::All => NodeMask::of(usable(machine)),
        }
    }

    fn number(&self, machine: &Topology) -> u32 {
        match self {
            Target::Node { number, .. } => *number,
            Target::All => usable(machine).next().unwrap_or(0),
        }
    }

    /// Whether threads cannot place memory there.
    fn only_the_kernel_can(&self, machine: &Topology) -> bool {
        match self {
            Target::Node { from, .. } => machine.nodes()[*from].cpus.is_empty(),
            Target::All => false,
        }
    }
}

/// The nodes that memory may be on.
fn usable(machine: &Topology) -> impl Iterator<Item = u32> {
    machine.nodes().iter().filter(|node| node.has_memory && node.memory_allowed).map(|node| node.number)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Node { number, .. } => write!(f, "node {number}"),
            Target::All => f.write_str("all nodes"),
        }
    }
}

/// The kernel promises more than it has, and ends a process when that is written. So what is to be written at once must be
/// there.
fn refuse_more_than_available(bytes: usize) -> Result<()> {
    let mut buffer = [0; 8192];
    let Ok(text) = file::read_into(&PathBuffer::format(format_args!("/proc/meminfo"))?, &mut buffer) else {
        return Ok(());
    };
    match available(text) {
        Some(available) if (bytes as u64) > available => Err(error!(
            OutOfMemory,
            "{bytes} bytes were asked for; the machine has {available} left; free memory or ask for less"
        )),
        _ => Ok(()),
    }
}

/// The bytes in the line `MemAvailable:  123 kB`.
fn available(text: &[u8]) -> Option<u64> {
    let line = text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"MemAvailable:"))?;
    let digits = core::str::from_utf8(line).ok()?.trim().strip_suffix("kB")?.trim();
    digits.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Verified;

    fn machine() -> Topology {
        Topology::detect(Allocator::SYSTEM).unwrap()
    }

    #[test]
    fn every_node_gives_memory_and_says_where_it_is() {
        let machine = machine();
        for node in machine.nodes() {
            for (huge_pages, bytes) in [(false, 1), (false, 3 << 20), (true, (3 << 20) + 5)] {
                let request = Request { huge_pages, ..Request::on_node(bytes, node.number) };
                let memory = NodeMemory::allocate(&machine, &request).unwrap();
                let report = memory.report().unwrap();
                println!("{memory:?} {report:?}");
                assert_eq!((memory.bytes(), memory.place()), (bytes, Place::Node(node.number)));
                assert_eq!(report.absent, 0);
                if report.verified != Verified::Nobody {
                    assert_eq!(report.on_node(memory.node()), report.pages);
                }
                // SAFETY: the memory is ours.
                let all = unsafe { core::slice::from_raw_parts_mut(memory.start().as_ptr(), bytes) };
                assert!(all.iter().all(|&byte| byte == 0));
                all.fill(7);
            }
        }
    }

    #[test]
    fn strict_and_interleaved_and_untouched_memory() {
        let machine = machine();
        let request = Request { strict: true, ..Request::on_node(5 << 20, machine.nodes()[0].number) };
        assert!(NodeMemory::allocate(&machine, &request).is_ok());
        let spread = Request { place: Place::Interleaved, ..request };
        let report = NodeMemory::allocate(&machine, &spread).unwrap().report().unwrap();
        assert_eq!(report.absent, 0);
        let untouched = Request { touch: false, strict: false, ..request };
        let memory = NodeMemory::allocate(&machine, &untouched).unwrap();
        let report = memory.report().unwrap();
        assert!(report.verified == Verified::Nobody || report.absent == report.pages, "{report:?}");
    }

    #[test]
    fn bad_requests_are_told_apart() {
        let machine = machine();
        let ask = |bytes, node| NodeMemory::allocate(&machine, &Request::on_node(bytes, node)).unwrap_err();
        let node = machine.nodes()[0].number;
        let zero = ask(0, node);
        assert_eq!(zero.status(), Status::InvalidArgument);
        assert!(zero.message().contains("0 bytes"), "{zero}");
        let unknown = ask(1, 999);
        assert_eq!(unknown.status(), Status::InvalidArgument);
        assert!(unknown.message().contains("node 999"), "{unknown}");
        let large = ask(1 << 50, node);
        assert_eq!(large.status(), Status::OutOfMemory);
        assert!(large.message().contains("1125899906842624"), "{large}");
        assert_eq!(ask(usize::MAX, node).status(), Status::OutOfMemory);
        assert_eq!(
            bind(&machine, core::ptr::null_mut(), 8, Place::Node(node)).unwrap_err().status(),
            Status::InvalidArgument
        );
    }

    #[test]
    fn an_address_alone_is_enough_to_find_the_memory_again() {
        let machine = machine();
        let node = machine.nodes()[0].number;
        for huge_pages in [false, true] {
            let request = Request { huge_pages, ..Request::on_node((2 << 20) + 1, node) };
            let start = NodeMemory::into_raw(NodeMemory::allocate(&machine, &request).unwrap());
            // SAFETY: given up a moment ago, taken back once; the other addresses are no multiples of 2 MiB.
            unsafe {
                let inside = start.add(4096);
                assert_eq!(NodeMemory::from_raw(inside).unwrap_err().status(), Status::InvalidArgument);
                let pages = NodeMemory::with_raw(start, |memory| Ok(memory.report()?.pages)).unwrap();
                let memory = NodeMemory::from_raw(start).unwrap();
                assert_eq!((memory.bytes(), memory.node()), ((2 << 20) + 1, node));
                assert_eq!(memory.report().unwrap().pages, pages);
            }
        }
    }

    #[test]
    fn memory_of_the_caller_is_bound_or_the_refusal_is_said() {
        let machine = machine();
        let pages = Pages::map(8192).unwrap();
        let node = machine.nodes()[0].number;
        match bind(&machine, pages.start().as_ptr().wrapping_add(100), 5000, Place::Node(node)) {
            Ok(()) => {}
            Err(refused) => assert_eq!(refused.status(), Status::Unsupported, "{refused}"),
        }
    }

    #[test]
    fn what_is_left_is_read_as_the_kernel_writes_it() {
        assert_eq!(available(b"MemTotal: 9 kB\nMemAvailable:   12345 kB\nX: 1\n"), Some(12345 * 1024));
        for broken in [
            &b""[..],
            b"MemAvailable:",
            b"MemAvailable: x kB",
            b"MemAvailable: 1",
            b"MemAvailable: 99999999999999999999 kB",
        ] {
            assert_eq!(available(broken), None);
        }
    }
}
