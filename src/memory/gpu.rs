//! The NUMA node a GPU is at, by the address of its PCI slot.
//!
//! The number that a GPU has for CUDA depends on `CUDA_VISIBLE_DEVICES`; its address does not.

use crate::error::{Result, error};
use crate::os::alloc::{Allocator, List};
use crate::os::file::{self, PathBuffer};
use crate::topology::{CpuSet, Topology};
use core::fmt;

/// The address of a PCI slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciAddress {
    /// Which tree of buses; up to 32 bits.
    pub domain: u32,
    /// The bus in the domain.
    pub bus: u8,
    /// The device on the bus, below 32.
    pub device: u8,
    /// The function of the device, below 8.
    pub function: u8,
}

impl PciAddress {
    /// Reads `0000:65:00.0`. The domain may have up to eight digits, as some drivers write it, and may be missing.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn parse(text: &str) -> Result<PciAddress> {
        let hexadecimal = |digits: &str, most: usize| {
            let plain = (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
        };
        let read = || {
            let (rest, function) = text.trim().rsplit_once('.')?;
            let (rest, device) = rest.rsplit_once(':')?;
            let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
            Some(PciAddress {
                domain: hexadecimal(domain, 8)?,
                bus: hexadecimal(bus, 2)? as u8,
                device: hexadecimal(device, 2).filter(|&device| device < 32)? as u8,
                function: hexadecimal(function, 1).filter(|&function| function < 8)? as u8,
            })
        };
        read().ok_or_else(|| error!(InvalidArgument, "\"{text}\" is no PCI address; they look like 0000:65:00.0"))
    }
}

/// As the kernel names the slot's directory.
impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

/// Where a GPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuNode {
    /// The number of the node with CPUs that is the nearest to the GPU.
    pub node: u32,
    /// The number that the kernel tells, if it tells one: a node without CPUs when the GPU's own memory is a node.
    pub told: Option<u32>,
}

/// The node of the device in this PCI slot. Where the kernel tells none, as on most machines with one node, its CPUs decide,
/// and else the first node with CPUs is taken.
///
/// # Errors
/// `Io`, naming the file, when there is no such device; `InvalidArgument` when the file holds something else.
pub fn node_of(machine: &Topology, address: PciAddress) -> Result<GpuNode> {
    node_under(machine, "", address)
}

fn node_under(machine: &Topology, root: &str, address: PciAddress) -> Result<GpuNode> {
    let mut text = List::new(Allocator::SYSTEM);
    let path = PathBuffer::format(format_args!("{root}/sys/bus/pci/devices/{address}/numa_node"))?;
    file::read(&path, &mut text)?;
    let number = core::str::from_utf8(&text).ok().and_then(|text| text.trim().parse::<i64>().ok());
    let Some(number) = number else {
        return Err(error!(
            InvalidArgument,
            "{path}: \"{}\" was found where the number of a node belongs",
            text[..text.len().min(24)].escape_ascii()
        ));
    };
    let told = u32::try_from(number).ok();
    let first = machine.nodes().iter().position(|node| !node.cpus.is_empty()).unwrap_or(0);
    let index = match told.and_then(|number| machine.node_with_number(number)) {
        Some(index) => machine.nearest_cpus(index).unwrap_or(first),
        None => node_of_local_cpus(machine, root, address)?.unwrap_or(first),
    };
    Ok(GpuNode { node: machine.nodes()[index].number, told })
}

/// The node of the CPUs that the kernel calls local to the device, if they are of one.
fn node_of_local_cpus(machine: &Topology, root: &str, address: PciAddress) -> Result<Option<usize>> {
    let mut text = List::new(Allocator::SYSTEM);
    let path = PathBuffer::format(format_args!("{root}/sys/bus/pci/devices/{address}/local_cpulist"))?;
    if !file::read_if_present(&path, &mut text)? {
        return Ok(None);
    }
    let cpus = CpuSet::parse_list(Allocator::SYSTEM, &text, &path)?;
    let mut nodes = cpus.iter().filter_map(|cpu| machine.cpu(cpu)).map(|cpu| cpu.node as usize);
    let first = nodes.next();
    Ok(first.filter(|&first| nodes.all(|node| node == first)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[test]
    fn addresses_are_read_as_drivers_write_them() {
        let slot = PciAddress { domain: 0, bus: 0x65, device: 0, function: 0 };
        for text in ["0000:65:00.0", "00000000:65:00.0", "65:00.0", "0000:65:00.0\n"] {
            assert_eq!(PciAddress::parse(text).unwrap(), slot);
        }
        let far = PciAddress::parse("0009:01:1F.7").unwrap();
        assert_eq!(far.to_string(), "0009:01:1f.7");
        for broken in
            ["", "65:00", "65.0", "x:65:00.0", "0000:65:20.0", "0000:65:00.8", "0000:+5:00.0", "000000000:65:00.0"]
        {
            let error = PciAddress::parse(broken).unwrap_err();
            assert_eq!(error.status(), Status::InvalidArgument);
            assert!(error.message().contains(broken), "{error}");
        }
    }

    /// A machine with nodes 0 and 1 of CPUs, and node 2, a GPU's own memory, near node 1.
    #[test]
    fn a_gpu_is_at_a_node_with_cpus() {
        let root = std::env::temp_dir().join(format!("vgpu-gpu-{}", std::process::id()));
        let write = |path: &str, contents: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, contents).unwrap();
        };
        write("sys/devices/system/cpu/online", "0-3\n");
        write("sys/devices/system/node/online", "0-2\n");
        for (node, cpus, row) in [(0, "0-1", "10 40 80"), (1, "2-3", "40 10 80"), (2, "", "80 40 10")] {
            write(&format!("sys/devices/system/node/node{node}/cpulist"), cpus);
            write(&format!("sys/devices/system/node/node{node}/distance"), row);
        }
        let slot = "sys/bus/pci/devices/0000:65:00.0";
        let root_text = root.to_str().unwrap();
        let machine = Topology::read(Allocator::SYSTEM, root_text, None).unwrap();
        let address = PciAddress::parse("0000:65:00.0").unwrap();
        let missing = node_under(&machine, root_text, address).unwrap_err();
        assert_eq!(missing.status(), Status::Io);
        assert!(missing.message().contains("0000:65:00.0/numa_node"), "{missing}");
        for (told, local, node) in [
            ("0\n", None, 0),
            ("1", None, 1),
            ("2", None, 0),
            ("-1", None, 0),
            ("-1", Some("2-3"), 1),
            ("-1", Some("0-3"), 0),
            ("77", None, 0),
        ] {
            write(&format!("{slot}/numa_node"), told);
            match local {
                Some(cpus) => write(&format!("{slot}/local_cpulist"), cpus),
                None => drop(std::fs::remove_file(root.join(slot).join("local_cpulist"))),
            }
            let found = node_under(&machine, root_text, address).unwrap();
            assert_eq!((found.node, found.told), (node, told.trim().parse().ok()), "{told} {local:?}");
        }
        write("sys/devices/system/node/node1/distance", "40 10 30");
        let machine = Topology::read(Allocator::SYSTEM, root_text, None).unwrap();
        write(&format!("{slot}/numa_node"), "2");
        assert_eq!(node_under(&machine, root_text, address).unwrap().node, 1);
        write(&format!("{slot}/numa_node"), "x");
        assert!(node_under(&machine, root_text, address).unwrap_err().message().contains("numa_node"));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
