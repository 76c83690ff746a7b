//! A directory that stands for `/`: the files of a machine, present or recorded, read one by one.
//!
//! What cannot be read or does not hold what it should becomes a note naming the file, and counts as missing: one broken
//! file must not keep a process from using the rest of its machine. Only running out of memory is an error.

use crate::error::{Result, Status};
use crate::os::affinity::CPU_LIMIT;
use crate::os::alloc::{Allocator, List};
use crate::os::file::{self, PathBuffer};
use crate::topology::cpu_set::{CpuSet, malformed, number, trim};
use crate::topology::notes::Notes;
use core::fmt;

/// How a file writes a set of CPUs.
#[derive(Clone, Copy)]
pub(super) enum Format {
    List,
    Mask,
}

pub(super) struct Tree {
    pub(super) notes: Notes,
    allocator: Allocator,
    /// The root, and after it the file spoken of last.
    path: PathBuffer,
    root_len: usize,
    contents: List<u8>,
}

impl Tree {
    pub(super) fn new(allocator: Allocator, root: &[u8]) -> Result<Tree> {
        let slashes = root.iter().rev().take_while(|&&byte| byte == b'/').count();
        let mut path = PathBuffer::new();
        path.push_bytes(&root[..root.len() - slashes])?;
        let root_len = path.as_bytes().len();
        Ok(Tree { notes: Notes::new(allocator), allocator, path, root_len, contents: List::new(allocator) })
    }

    pub(super) fn allocator(&self) -> Allocator {
        self.allocator
    }

    /// The full path of a file of this tree, to name it in an error.
    pub(super) fn path_of(&self, file: &str) -> Result<PathBuffer> {
        let mut path = self.path.clone();
        path.truncate(self.root_len);
        path.push_format(format_args!("{file}"))?;
        Ok(path)
    }

    /// The text of a file, trimmed.
    pub(super) fn text(&mut self, file: fmt::Arguments<'_>) -> Result<Option<&[u8]>> {
        let present = self.load(|path| path.push_format(file))?;
        Ok(present.then(|| trim(&self.contents)))
    }

    /// As [`text`](Self::text), for a path of any bytes given in pieces.
    pub(super) fn text_at(&mut self, pieces: &[&[u8]]) -> Result<Option<&[u8]>> {
        let present = self.load(|path| pieces.iter().try_for_each(|piece| path.push_bytes(piece)))?;
        Ok(present.then(|| trim(&self.contents)))
    }

    /// A whole number that is not negative. The kernel writes -1 for what it does not know.
    pub(super) fn number(&mut self, file: fmt::Arguments<'_>) -> Result<Option<u32>> {
        match self.text(file)? {
            None | Some(b"-1") => Ok(None),
            Some(text) => match number(text) {
                Some(value) => Ok(Some(value)),
                None => self.note_malformed("a number"),
            },
        }
    }

    /// A size such as `32K`, in bytes.
    pub(super) fn size(&mut self, file: fmt::Arguments<'_>) -> Result<Option<u64>> {
        let Some(text) = self.text(file)? else { return Ok(None) };
        let (digits, unit) = match text {
            [digits @ .., b'K'] => (digits, 1 << 10),
            [digits @ .., b'M'] => (digits, 1 << 20),
            [digits @ .., b'G'] => (digits, 1 << 30),
            _ => (text, 1),
        };
        match number::<u64>(digits).and_then(|size| size.checked_mul(unit)) {
            Some(size) => Ok(Some(size)),
            None => self.note_malformed("a size such as 32K"),
        }
    }

    /// A set of numbers.
    pub(super) fn set(&mut self, file: fmt::Arguments<'_>, format: Format) -> Result<Option<CpuSet>> {
        if !self.load(|path| path.push_format(file))? {
            return Ok(None);
        }
        let parsed = match format {
            Format::List => CpuSet::parse_list(self.allocator, &self.contents, &self.path),
            Format::Mask => CpuSet::parse_mask(self.allocator, &self.contents, &self.path),
        };
        self.note_failure(parsed)
    }

    /// The numbers `N` for which the directory has an entry `<prefix>N`.
    pub(super) fn numbered_entries(&mut self, directory: &str, prefix: &str) -> Result<Option<CpuSet>> {
        let path = self.path_of(directory)?;
        let mut set = CpuSet::new(self.allocator);
        let listed = file::visit_directory(&path, |name| match name.strip_prefix(prefix.as_bytes()).and_then(number) {
            Some(number) if number < CPU_LIMIT => set.insert(number),
            _ => Ok(()),
        });
        let present = self.note_failure(listed)?.unwrap_or(false);
        Ok((present && !set.is_empty()).then_some(set))
    }

    /// Notes that the file read last holds something else than `wanted`.
    pub(super) fn note_malformed<T>(&mut self, wanted: &str) -> Result<Option<T>> {
        let refusal = malformed(&self.path, trim(&self.contents), wanted);
        self.note_failure(Err(refusal))
    }

    fn load(&mut self, append: impl FnOnce(&mut PathBuffer) -> Result<()>) -> Result<bool> {
        self.path.truncate(self.root_len);
        let read = append(&mut self.path).and_then(|()| file::read_if_present(&self.path, &mut self.contents));
        Ok(self.note_failure(read)?.unwrap_or(false))
    }

    fn note_failure<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.status() == Status::OutOfMemory => Err(error),
            Err(error) => {
                self.notes.add(format_args!("{error}; taken as missing"))?;
                Ok(None)
            }
        }
    }
}
