//! Large files, read and written in pieces at any place: what a computation keeps outside memory.

use crate::error::{Error, Result, error};
use crate::os::file::{Errno, PathBuffer};
use crate::os::pages::{Pages, page_bytes};
use core::ffi::c_int;

/// A file, read and written by place. Any number of threads may do so at once.
#[derive(Debug)]
pub struct Disk {
    descriptor: c_int,
    path: PathBuffer,
}

impl Disk {
    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// `Io` with the path and the system's words, also for what is no regular file.
    pub fn open(path: PathBuffer) -> Result<Disk> {
        // Non-blocking, so that a FIFO cannot hang the caller.
        let descriptor = open(&path, libc::O_RDONLY | libc::O_NONBLOCK, 0)
            .map_err(|errno| error!(Io, "{path}: cannot be opened: {errno}"))?;
        let disk = Disk { descriptor, path };
        if disk.state()?.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Err(error!(Io, "{}: is no regular file; pass one that can be read at any place", disk.path));
        }
        Ok(disk)
    }

    /// How it is called.
    pub fn path(&self) -> &PathBuffer {
        &self.path
    }

    fn state(&self) -> Result<libc::stat> {
        // SAFETY: all zeroes are a value of this plain struct, and the call fills it in.
        unsafe {
            let mut state: libc::stat = core::mem::zeroed();
            if libc::fstat(self.descriptor, &mut state) != 0 {
                return Err(self.failure("cannot be looked at", Errno::last()));
            }
            Ok(state)
        }
    }

    /// How many bytes it has.
    ///
    /// # Errors
    /// `Io`.
    pub fn bytes(&self) -> Result<u64> {
        Ok(u64::try_from(self.state()?.st_size).unwrap_or(0))
    }

    fn failure(&self, what: &str, errno: Errno) -> Error {
        error!(Io, "{}: {what}: {errno}", self.path)
    }

    /// Reads `bytes` bytes from `place` on.
    ///
    /// # Errors
    /// `Io`, also where the file ends before.
    ///
    /// # Safety
    /// `to` is writable for the bytes, and nobody else uses them.
    pub unsafe fn read(&self, place: u64, to: *mut u8, bytes: usize) -> Result<()> {
        let mut done = 0;
        while done < bytes {
            // SAFETY: by contract; the descriptor is open.
            let count = unsafe { libc::pread(self.descriptor, to.add(done).cast(), bytes - done, at(place, done)) };
            match usize::try_from(count) {
                Ok(0) => {
                    return Err(error!(
                        Io,
                        "{}: ends before byte {}, though it was longer when the computation began",
                        self.path,
                        place + bytes as u64
                    ));
                }
                Ok(count) => done += count,
                Err(_) => match Errno::last() {
                    Errno(libc::EINTR) => {}
                    errno => return Err(self.failure("cannot be read", errno)),
                },
            }
        }
        Ok(())
    }

    /// Has the system begin to read these bytes, since they will be asked for; it need not.
    pub fn will_read(&self, place: u64, bytes: u64) {
        // SAFETY: the descriptor is open; advice changes nothing but the time that reading takes.
        unsafe { libc::posix_fadvise(self.descriptor, at(place, 0), at(bytes, 0), libc::POSIX_FADV_WILLNEED) };
    }

    /// Writes `bytes` bytes from `place` on.
    ///
    /// # Errors
    /// `Io`, for instance when the disk is full.
    ///
    /// # Safety
    /// `from` is readable for the bytes, and nobody writes to them.
    pub unsafe fn write(&self, place: u64, from: *const u8, bytes: usize) -> Result<()> {
        let mut done = 0;
        while done < bytes {
            // SAFETY: by contract; the descriptor is open.
            let count = unsafe { libc::pwrite(self.descriptor, from.add(done).cast(), bytes - done, at(place, done)) };
            match usize::try_from(count) {
                Ok(count) => done += count,
                Err(_) => match Errno::last() {
                    Errno(libc::EINTR) => {}
                    errno => return Err(self.failure("cannot be written", errno)),
                },
            }
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again. What closing may say of a file that was written, `Draft::publish` has asked before.
        unsafe { libc::close(self.descriptor) };
    }
}

fn at(place: u64, done: usize) -> libc::off_t {
    libc::off_t::try_from(place + done as u64).unwrap_or(libc::off_t::MAX)
}

fn open(path: &PathBuffer, flags: c_int, mode: libc::mode_t) -> core::result::Result<c_int, Errno> {
    loop {
        // SAFETY: the path ends in a zero byte and lives through the call.
        let descriptor = unsafe { libc::open(path.as_c_str().as_ptr(), flags | libc::O_CLOEXEC, mode) };
        if descriptor >= 0 {
            return Ok(descriptor);
        }
        match Errno::last() {
            Errno(libc::EINTR) => {}
            errno => return Err(errno),
        }
    }
}

/// Takes the room on the disk for a file's first bytes. `false`: the file system cannot.
fn take_room(descriptor: c_int, path: &PathBuffer, bytes: u64) -> Result<bool> {
    let Ok(length) = libc::off_t::try_from(bytes) else {
        return Err(error!(Overflow, "{path}: {bytes} bytes are more than a file can have; ask for less"));
    };
    if length == 0 {
        return Ok(true);
    }
    // Beyond this the system would send a signal that ends the process.
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place.
    if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == 0 && bytes > limit.rlim_cur {
        let limit = limit.rlim_cur;
        return Err(error!(
            Io,
            "{path}: has no room for {bytes} bytes: this process may write files of {limit} bytes at most (RLIMIT_FSIZE)"
        ));
    }
    // SAFETY: the descriptor is open.
    match unsafe { libc::posix_fallocate(descriptor, 0, length) } {
        0 => Ok(true),
        libc::EOPNOTSUPP | libc::EINVAL => Ok(false),
        errno => Err(error!(Io, "{path}: has no room for {bytes} bytes: {}", Errno(errno))),
    }
}

/// A folder in which files without names are made.
#[derive(Debug)]
pub struct Folder {
    descriptor: c_int,
    path: PathBuffer,
}

impl Folder {
    /// Opens a folder; it is the same one when the process goes elsewhere.
    ///
    /// # Errors
    /// `Io` with the path and the system's words, also for what is no folder.
    pub fn open(path: PathBuffer) -> Result<Folder> {
        match open(&path, libc::O_RDONLY | libc::O_DIRECTORY, 0) {
            Ok(descriptor) => Ok(Folder { descriptor, path }),
            Err(errno) => {
                Err(error!(Io, "{path}: cannot be opened as a folder: {errno}; name one for temporary files"))
            }
        }
    }

    /// Maps a file that has room on the disk and no name: it is gone with the pages, or with the process. Zeroed.
    ///
    /// # Errors
    /// `Io`, for instance when the disk has not so much room; `Unsupported` for a file system that cannot promise any; `Overflow`;
    /// `OutOfMemory`.
    pub fn map_room(&self, bytes: usize) -> Result<Pages> {
        let file = Disk { descriptor: self.unnamed()?, path: self.path.clone() };
        let room = bytes.checked_next_multiple_of(page_bytes()).unwrap_or(usize::MAX) as u64;
        if !take_room(file.descriptor, &self.path, room)? {
            return Err(error!(
                Unsupported,
                "{}: this file system cannot promise room for {bytes} bytes; name a folder on another", self.path
            ));
        }
        // The mapping keeps the file when the descriptor is closed.
        Pages::map_file(file.descriptor, bytes)
    }

    fn unnamed(&self) -> Result<c_int> {
        const FLAGS: c_int = libc::O_RDWR | libc::O_CLOEXEC;
        let failure = |errno: Errno| error!(Io, "{}: no file can be made there: {errno}", self.path);
        // SAFETY: the folder is open; the path ends in a zero byte.
        let descriptor = unsafe { libc::openat(self.descriptor, c".".as_ptr(), FLAGS | libc::O_TMPFILE, 0o600) };
        if descriptor >= 0 {
            return Ok(descriptor);
        }
        // What systems say that do not know such files.
        if !matches!(Errno::last().0, libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT | libc::EINVAL) {
            return Err(failure(Errno::last()));
        }
        for number in 0.. {
            let name = PathBuffer::format(format_args!(".vgpu-tier-{}-{number}", std::process::id()))?;
            let name = name.as_c_str().as_ptr();
            // SAFETY: as above.
            let descriptor =
                unsafe { libc::openat(self.descriptor, name, FLAGS | libc::O_CREAT | libc::O_EXCL, 0o600) };
            if descriptor >= 0 {
                // SAFETY: as above; the file was made a moment ago.
                unsafe { libc::unlinkat(self.descriptor, name, 0) };
                return Ok(descriptor);
            }
            if Errno::last().0 != libc::EEXIST {
                break;
            }
        }
        Err(failure(Errno::last()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { libc::close(self.descriptor) };
    }
}

/// A file in the making: it lies beside the place it is for, and takes that place all at once. Dropped before, it is gone.
#[derive(Debug)]
pub struct Draft {
    disk: Disk,
    target: PathBuffer,
    published: bool,
}

impl Draft {
    /// Makes a file of `bytes` bytes whose room on the disk is taken at once, where the file system can do that.
    ///
    /// # Errors
    /// `Io`, for instance when the disk has not so much room.
    pub fn new(target: PathBuffer, bytes: u64) -> Result<Draft> {
        // Tried until a name is free: several threads may write, and a process that was killed may have left drafts.
        let mut number = 0;
        let disk = loop {
            let mut path = target.clone();
            path.push_format(format_args!(".draft-{}-{number}", std::process::id()))?;
            number += 1;
            match open(&path, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, 0o666) {
                Ok(descriptor) => break Disk { descriptor, path },
                Err(Errno(libc::EEXIST)) => {}
                Err(errno) => return Err(error!(Io, "{path}: cannot be made: {errno}")),
            }
        };
        let draft = Draft { disk, target, published: false };
        // Where the file system cannot, writing takes the room.
        take_room(draft.disk.descriptor, &draft.target, bytes)?;
        Ok(draft)
    }

    /// The file to write to.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Gives the file the place it is for, instead of what was there.
    ///
    /// # Errors
    /// `Io`; what was there is then as it was.
    pub fn publish(mut self) -> Result<()> {
        // SAFETY: the descriptor is open; both paths end in a zero byte. A write that the system put off fails here at the latest.
        unsafe {
            if libc::fdatasync(self.disk.descriptor) != 0 {
                return Err(self.disk.failure("cannot be written", Errno::last()));
            }
            if libc::rename(self.disk.path.as_c_str().as_ptr(), self.target.as_c_str().as_ptr()) != 0 {
                return Err(error!(Io, "{}: cannot be replaced: {}", self.target, Errno::last()));
            }
        }
        self.published = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            // SAFETY: the path ends in a zero byte. Where it cannot be taken away nothing can be done about it.
            unsafe { libc::unlink(self.disk.path.as_c_str().as_ptr()) };
        }
    }
}
