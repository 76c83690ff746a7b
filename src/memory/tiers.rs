//! Memory for computations that outgrow a node, or the machine: from a fast node while there is room, then from other nodes, then in
//! files on disk that the system pages in and out.
//!
//! A block lies in one tier as a whole, and on one node: each tier is tried in turn, and the block says where it landed. How much a tier
//! gives at most is the caller's choice. A node that is full spills without a word, so the kernel is asked where the pages are
//! ([`report`](super::report)); what spilled is given back, and the next place is tried. Where the kernel does not tell, it is believed.
//!
//! The file behind a block on disk has no name, so that nothing is left behind however the process ends, and its room is taken from the
//! disk before the block is given out: written pages of a file without room would end the process (`SIGBUS`).

use crate::error::{Error, Result, error};
use crate::memory::node::{NodeMemory, Request};
use crate::memory::report::Verified;
use crate::os::alloc::Allocator;
use crate::os::disk::Folder;
use crate::os::file::PathBuffer;
use crate::os::pages::{Pages, page_bytes};
use crate::protocol::budget::Budget;
use crate::topology::Topology;
use core::ptr::NonNull;

/// Where a block lies, fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Tier {
    /// The memory of the fast node.
    Fast = 0,
    /// The memory of another node, the nearest that has room.
    OtherNode = 1,
    /// A file, of which the system keeps in memory what it has room for.
    Disk = 2,
}

impl Tier {
    /// Every tier, fastest first.
    pub const ALL: [Tier; 3] = [Tier::Fast, Tier::OtherNode, Tier::Disk];
}

/// Which places there are, and how much each gives.
#[derive(Clone, Debug)]
pub struct TierConfig {
    /// The number of the fast node, the kernel's. Without memory of its own it has its nearest node's.
    pub node: u32,
    /// Bytes that each tier gives at most, in the order of [`Tier::ALL`]; 0: none, `u64::MAX`: as much as there is.
    pub limits: [u64; 3],
    /// Where files may be made. Needed for a disk tier only.
    pub folder: Option<PathBuffer>,
}

/// A source of tiered memory. Any number of threads may ask at once.
#[derive(Debug)]
pub struct Tiers {
    machine: Topology,
    node: u32,
    budgets: [Budget; 3],
    folder: Option<Folder>,
}

/// A zeroed block from a 2 MiB boundary on. Dropping gives it back.
#[derive(Debug)]
pub struct TierMemory<'a> {
    place: Place,
    /// Behind `place`, because only what is gone may be given out again.
    _charge: Charge<'a>,
    tier: Tier,
    bytes: usize,
}

/// What is out of a tier's budget until this is dropped.
#[derive(Debug)]
struct Charge<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Charge<'_> {
    fn new(budget: &Budget, bytes: u64) -> Option<Charge<'_>> {
        budget.take(bytes).then(|| Charge { budget, bytes })
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[derive(Debug)]
enum Place {
    Node(NodeMemory),
    File(Pages),
}

impl Tiers {
    /// Reads the machine and opens the folder. Nothing is allocated yet.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown node, and for a disk tier without a folder; `Io` for a folder that is none; `Affinity`;
    /// `OutOfMemory`.
    pub fn new(config: &TierConfig) -> Result<Tiers> {
        let machine = Topology::detect(Allocator::SYSTEM)?;
        if machine.node_with_number(config.node).is_none() {
            // One byte there: the sentence about nodes that are not there is the node's own.
            NodeMemory::allocate(&machine, &Request::on_node(1, config.node))?;
        }
        let folder = match &config.folder {
            _ if config.limits[Tier::Disk as usize] == 0 => None,
            Some(folder) => Some(Folder::open(folder.clone())?),
            None => {
                return Err(error!(
                    InvalidArgument,
                    "{} bytes may lie on disk, and no folder is named; name one, or allow 0 bytes there",
                    config.limits[Tier::Disk as usize]
                ));
            }
        };
        Ok(Tiers { machine, node: config.node, budgets: config.limits.map(Budget::new), folder })
    }

    /// A block in the fastest tier that has room for all of it. What a request in progress is trying counts as taken.
    ///
    /// # Errors
    /// `InvalidArgument` for zero bytes; `Overflow`; `OutOfMemory` when no tier has room; `Io` when the disk, the last resort, has
    /// not.
    pub fn allocate(&self, bytes: usize) -> Result<TierMemory<'_>> {
        if bytes == 0 {
            return Err(error!(InvalidArgument, "0 bytes of tiered memory were asked for; ask for at least one"));
        }
        let charged = bytes.checked_next_multiple_of(page_bytes());
        let charged = charged.ok_or_else(|| error!(Overflow, "{bytes} bytes do not fit the address space"))? as u64;
        let mut refusal = None;
        for tier in Tier::ALL {
            let Some(charge) = Charge::new(&self.budgets[tier as usize], charged) else { continue };
            match self.place(tier, bytes) {
                Ok(Some(place)) => return Ok(TierMemory { place, _charge: charge, tier, bytes }),
                Ok(None) => {}
                Err(error) => refusal = Some(error),
            }
        }
        Err(self.refusal(bytes, refusal))
    }

    /// Bytes that are out of a tier, in whole pages.
    pub fn used(&self, tier: Tier) -> u64 {
        self.budgets[tier as usize].out()
    }

    /// `None`: there is no such tier on this machine.
    fn place(&self, tier: Tier, bytes: usize) -> Result<Option<Place>> {
        match (tier, &self.folder) {
            (Tier::Fast, _) => self.on_node(bytes, self.node).map(Some),
            (Tier::OtherNode, _) => self.on_other_nodes(bytes),
            (Tier::Disk, Some(folder)) => folder.map_room(bytes).map(|pages| Some(Place::File(pages))),
            (Tier::Disk, None) => Ok(None),
        }
    }

    /// The whole block on this node, or nothing.
    fn on_node(&self, bytes: usize, node: u32) -> Result<Place> {
        let memory = NodeMemory::allocate(&self.machine, &Request::on_node(bytes, node))?;
        let report = memory.report()?;
        let elsewhere = report.elsewhere(memory.node());
        if report.verified != Verified::Nobody && elsewhere > 0 {
            return Err(error!(
                OutOfMemory,
                "{bytes} bytes were asked for on node {node}, which is full: {elsewhere} of {} pages went elsewhere",
                report.pages
            ));
        }
        Ok(Place::Node(memory))
    }

    /// The whole block on the nearest other node that has room.
    fn on_other_nodes(&self, bytes: usize) -> Result<Option<Place>> {
        let nodes = self.machine.nodes();
        let Some(from) = self.machine.node_with_number(self.node) else { return Ok(None) };
        let fast = self.machine.nearest_memory(from);
        let mut last = None;
        let mut refusal = None;
        loop {
            let others = (0..nodes.len())
                .filter(|&to| Some(to) != fast && nodes[to].has_memory && nodes[to].memory_allowed)
                .filter_map(|to| Some((self.machine.node_distance(from, to)?, to)));
            let Some(next) = others.filter(|&other| last.is_none_or(|last| other > last)).min() else {
                return refusal.map_or(Ok(None), Err);
            };
            match self.on_node(bytes, nodes[next.1].number) {
                Ok(place) => return Ok(Some(place)),
                Err(error) => refusal = Some(error),
            }
            last = Some(next);
        }
    }

    /// Why the last tier that was tried refused, or that the limits did.
    fn refusal(&self, bytes: usize, refusal: Option<Error>) -> Error {
        let [fast, other, disk] = Tier::ALL.map(|tier| {
            let budget = &self.budgets[tier as usize];
            budget.limit().saturating_sub(budget.out())
        });
        let left = format_args!(
            "within their limits node {}, other nodes and the disk have {fast}, {other} and {disk} bytes left",
            self.node
        );
        match refusal {
            Some(error) => Error::new(error.status(), format_args!("{}; {left}", error.message())),
            None => error!(OutOfMemory, "{bytes} bytes fit no tier: {left}; free some, or raise a limit"),
        }
    }
}

impl TierMemory<'_> {
    /// The first byte.
    pub fn start(&self) -> NonNull<u8> {
        match &self.place {
            Place::Node(memory) => memory.start(),
            Place::File(pages) => pages.start(),
        }
    }

    /// How many bytes were asked for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where it landed.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// The number of the node it is on; `None` for a file.
    pub fn node(&self) -> Option<u32> {
        match &self.place {
            Place::Node(memory) => Some(memory.node()),
            Place::File(_) => None,
        }
    }
}
