//! Large files, read and written in pieces at any place: what a computation keeps outside memory.

use crate::error::{Error, Result, error};
use crate::os::file::{Errno, PathBuffer};
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
        let length = libc::off_t::try_from(bytes)
            .map_err(|_| error!(Overflow, "{target}: {bytes} bytes are more than a file can have; write less"))?;
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
        if length > 0 {
            // SAFETY: the descriptor is open.
            match unsafe { libc::posix_fallocate(draft.disk.descriptor, 0, length) } {
                0 => {}
                // The file system cannot: then writing takes the room.
                libc::EOPNOTSUPP | libc::EINVAL => {}
                errno => return Err(error!(Io, "{}: has no room for {bytes} bytes: {}", draft.target, Errno(errno))),
            }
        }
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
