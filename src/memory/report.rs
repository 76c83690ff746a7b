//! Where pages are, by the kernel's word: `move_pages`, which moves nothing when it is given no target, or else
//! `/proc/self/numa_maps`, which containers do not forbid.

use crate::error::{Result, Status};
use crate::os::alloc::{Allocator, List};
use crate::os::file::{self, PathBuffer};
use crate::os::mempolicy;
use crate::os::pages::page_bytes;
use core::ffi::{c_int, c_void};

/// Pages asked about at once.
const BATCH: usize = 256;

/// Who told where the pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Verified {
    /// Nobody: the system lets neither be asked.
    Nobody = 0,
    /// `move_pages`, page by page.
    MovePages = 1,
    /// `/proc/self/numa_maps`, which counts them.
    NumaMaps = 2,
}

/// Where the pages of a range are.
#[derive(Debug)]
pub struct PageReport {
    /// How many pages the range has.
    pub pages: usize,
    /// How many are on each node, by the kernel's number; nodes without any are left out.
    pub on: List<(u32, usize)>,
    /// How many have not been written yet.
    pub absent: usize,
    /// Of how many the kernel did not tell.
    pub unknown: usize,
    /// Who told.
    pub verified: Verified,
}

impl PageReport {
    fn new(pages: usize, verified: Verified) -> PageReport {
        PageReport { pages, on: List::new(Allocator::SYSTEM), absent: 0, unknown: 0, verified }
    }

    /// How many pages are on the node with this number.
    pub fn on_node(&self, number: u32) -> usize {
        self.on.iter().find(|row| row.0 == number).map_or(0, |row| row.1)
    }

    /// How many pages are on other nodes than this one.
    pub fn elsewhere(&self, number: u32) -> usize {
        self.on.iter().filter(|row| row.0 != number).map(|row| row.1).sum()
    }

    /// The other node with the most pages, and how many; `None` when there are none elsewhere.
    pub fn largest_spill(&self, number: u32) -> Option<(u32, usize)> {
        self.on.iter().copied().filter(|row| row.0 != number).max_by_key(|row| row.1)
    }

    /// Adds what is known of other pages.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(super) fn add(&mut self, other: &PageReport) -> Result<()> {
        self.pages += other.pages;
        self.absent += other.absent;
        self.unknown += other.unknown;
        if other.verified != self.verified {
            self.verified = Verified::Nobody;
        }
        other.on.iter().try_for_each(|&(node, pages)| self.count(node, pages))
    }

    fn count(&mut self, node: u32, pages: usize) -> Result<()> {
        match self.on.iter_mut().find(|row| row.0 == node) {
            Some(row) => row.1 += pages,
            None if pages > 0 => self.on.push((node, pages))?,
            None => {}
        }
        Ok(())
    }
}

/// Asks where the pages of a range are. For `numa_maps` the range must be a mapping of its own, as [`Pages`] are: it counts
/// by mapping.
///
/// # Errors
/// `OutOfMemory`. That nobody tells is no error: see [`Verified`].
///
/// [`Pages`]: crate::os::pages::Pages
pub fn locate(start: *const u8, bytes: usize) -> Result<PageReport> {
    match by_move_pages(start, bytes) {
        Ok(report) => return Ok(report),
        Err(error) if error.status() == Status::OutOfMemory => return Err(error),
        Err(_) => {}
    }
    let pages = bytes.div_ceil(page_bytes());
    let mut text = List::new(Allocator::SYSTEM);
    match file::read(&PathBuffer::format(format_args!("/proc/self/numa_maps"))?, &mut text) {
        Ok(()) => by_numa_maps(&text, start as usize, bytes, pages),
        Err(error) if error.status() == Status::OutOfMemory => Err(error),
        Err(_) => {
            let mut report = PageReport::new(pages, Verified::Nobody);
            report.unknown = pages;
            Ok(report)
        }
    }
}

fn by_move_pages(start: *const u8, bytes: usize) -> Result<PageReport> {
    let page = page_bytes();
    let lead = start as usize % page;
    let first = start.wrapping_sub(lead);
    let mut report = PageReport::new((bytes + lead).div_ceil(page), Verified::MovePages);
    let mut done = 0;
    while done < report.pages {
        let count = (report.pages - done).min(BATCH);
        let mut pages: [*const c_void; BATCH] = [core::ptr::null(); BATCH];
        for (index, slot) in pages[..count].iter_mut().enumerate() {
            *slot = first.wrapping_add((done + index) * page).cast();
        }
        let mut nodes = [0 as c_int; BATCH];
        mempolicy::locate(&pages[..count], &mut nodes[..count])?;
        // A page on its way somewhere is told as busy: it is asked about once more.
        if nodes[..count].iter().any(|&node| node < 0 && node != -libc::ENOENT) {
            mempolicy::locate(&pages[..count], &mut nodes[..count])?;
        }
        for &node in &nodes[..count] {
            match u32::try_from(node) {
                Ok(node) => report.count(node, 1)?,
                Err(_) if node == -libc::ENOENT || node == -libc::EFAULT => report.absent += 1,
                Err(_) => report.unknown += 1,
            }
        }
        done += count;
    }
    Ok(report)
}

/// Adds up the lines of the mappings that begin in the range: `7f0000000000 default anon=3 dirty=3 N0=2 N1=1
/// kernelpagesize_kB=4`.
fn by_numa_maps(text: &[u8], start: usize, bytes: usize, pages: usize) -> Result<PageReport> {
    let mut report = PageReport::new(pages, Verified::NumaMaps);
    let mut found = 0;
    for line in text.split(|&byte| byte == b'\n') {
        let mut words = line.split(|&byte| byte == b' ').filter_map(|word| core::str::from_utf8(word).ok());
        let address = words.next().and_then(|word| usize::from_str_radix(word, 16).ok());
        if address.is_none_or(|address| !(start..start + bytes).contains(&address)) {
            continue;
        }
        let words = || line.split(|&byte| byte == b' ').filter_map(|word| core::str::from_utf8(word).ok());
        let unit = words().find_map(|word| word.strip_prefix("kernelpagesize_kB=")?.parse::<usize>().ok());
        let scale = unit.map_or(1, |unit| (unit * 1024 / page_bytes()).max(1));
        for word in words() {
            let Some((node, count)) = word.strip_prefix('N').and_then(|word| word.split_once('=')) else { continue };
            let (Ok(node), Ok(count)) = (node.parse::<u32>(), count.parse::<usize>()) else { continue };
            report.count(node, count * scale)?;
            found += count * scale;
        }
    }
    report.absent = pages.saturating_sub(found);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::pages::Pages;

    #[test]
    fn written_pages_are_told_from_unwritten_ones_both_ways() {
        let page = page_bytes();
        let pages = Pages::map(600 * page).unwrap();
        pages.advise_huge(false);
        let start = pages.start().as_ptr();
        for index in 0..400 {
            // SAFETY: the pages are ours.
            unsafe { start.wrapping_add(index * page).write_volatile(1) };
        }
        let report = locate(start, pages.bytes()).unwrap();
        println!("{report:?}");
        if report.verified != Verified::Nobody {
            assert_eq!((report.pages, report.absent, report.unknown), (600, 200, 0));
            assert_eq!(report.on.iter().map(|row| row.1).sum::<usize>(), 400);
        }
        let Ok(maps) = std::fs::read("/proc/self/numa_maps") else { return println!("skipped: no numa_maps here") };
        let counted = by_numa_maps(&maps, start as usize, pages.bytes(), 600).unwrap();
        assert_eq!((counted.absent, counted.unknown), (200, 0), "{counted:?}");
        assert_eq!(counted.on.iter().map(|row| row.1).sum::<usize>(), 400);
        if report.verified == Verified::MovePages {
            assert_eq!(&*report.on, &*counted.on);
        }
    }

    #[test]
    fn the_lines_of_other_mappings_do_not_count() {
        let maps = b"7f00 default\n\
            200000 bind:1 anon=512 dirty=512 N0=12 N1=500 kernelpagesize_kB=4\n\
            400000 default file=/lib/x mapped=3 N7=3 kernelpagesize_kB=4\n\
            401000 prefer:3 anon=2 N3=2 kernelpagesize_kB=2048\n\
            broken N1= N2=x =5\n";
        let report = by_numa_maps(maps, 0x200000, 0x200000, 512).unwrap();
        assert_eq!((report.on_node(1), report.on_node(0), report.absent), (500, 12, 0));
        assert_eq!((report.elsewhere(1), report.largest_spill(1)), (12, Some((0, 12))));
        assert_eq!(report.largest_spill(7), Some((1, 500)));
        let huge = by_numa_maps(maps, 0x401000, 0x400000, 1025).unwrap();
        assert_eq!((huge.on_node(3) * page_bytes(), huge.on_node(7)), (4 << 20, 0));
        assert_eq!(by_numa_maps(b"", 0x200000, 0x200000, 512).unwrap().absent, 512);
    }
}
