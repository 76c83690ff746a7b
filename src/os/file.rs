//! Small files of the system, read whole: everything under `/sys` and `/proc` that this library looks at.
//!
//! Paths are put together on the stack and an error carries the path and the system's own words, so that a failed read
//! costs no memory and says where to look.

use crate::error::{Result, error};
use crate::os::alloc::List;
use core::ffi::{CStr, c_char, c_int};
use core::fmt::{self, Write};

/// The longest path this library builds, the same as the kernel's `PATH_MAX`, the terminating zero included.
pub const PATH_CAPACITY: usize = 4096;

/// No file this library reads is longer; a longer one is refused rather than read without end.
pub const SIZE_LIMIT: usize = 1 << 20;

/// An error number of the system; displayed as the system's words and the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub c_int);

impl Errno {
    /// The number the last failed system call of this thread left.
    pub fn last() -> Errno {
        Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = [0u8; 96];
        // The last byte is kept from the call, so that the text ends in it whatever the call does.
        // SAFETY: the buffer is writable for the length given.
        let failed = unsafe { libc::strerror_r(self.0, words.as_mut_ptr().cast::<c_char>(), words.len() - 1) };
        match CStr::from_bytes_until_nul(&words).ok().and_then(|text| text.to_str().ok()) {
            Some(text) if failed == 0 && !text.is_empty() => write!(f, "{text} (errno {})", self.0),
            _ => write!(f, "errno {}", self.0),
        }
    }
}

/// A path on the stack, always ended by a zero byte.
#[derive(Clone)]
pub struct PathBuffer {
    len: usize,
    bytes: [u8; PATH_CAPACITY],
}

impl PathBuffer {
    /// An empty path.
    pub const fn new() -> PathBuffer {
        PathBuffer { len: 0, bytes: [0; PATH_CAPACITY] }
    }

    /// The formatted path.
    pub fn format(arguments: fmt::Arguments<'_>) -> Result<PathBuffer> {
        let mut path = PathBuffer::new();
        path.push_format(arguments)?;
        Ok(path)
    }

    /// Adds a formatted piece. On failure the path is as before.
    pub fn push_format(&mut self, arguments: fmt::Arguments<'_>) -> Result<()> {
        let before = self.len;
        self.write_fmt(arguments).map_err(|_| {
            self.truncate(before);
            self.refusal()
        })
    }

    /// Adds bytes as they are; a path need not be text. On failure the path is as before.
    pub fn push_bytes(&mut self, piece: &[u8]) -> Result<()> {
        if self.append(piece) { Ok(()) } else { Err(self.refusal()) }
    }

    /// Shortens the path to its first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.bytes[self.len] = 0;
    }

    /// The path without its terminating zero.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The path as the C library takes it.
    pub fn as_c_str(&self) -> &CStr {
        // `append` lets no zero in and leaves one after the last byte, so this never falls back.
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    fn append(&mut self, piece: &[u8]) -> bool {
        if piece.contains(&0) || piece.len() >= PATH_CAPACITY - self.len {
            return false;
        }
        self.bytes[self.len..self.len + piece.len()].copy_from_slice(piece);
        self.len += piece.len();
        self.bytes[self.len] = 0;
        true
    }

    fn refusal(&self) -> crate::error::Error {
        error!(
            InvalidArgument,
            "{self}: a path made from this holds a zero byte or is longer than {} bytes",
            PATH_CAPACITY - 1
        )
    }
}

impl Default for PathBuffer {
    fn default() -> PathBuffer {
        PathBuffer::new()
    }
}

impl Write for PathBuffer {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.append(piece.as_bytes()) { Ok(()) } else { Err(fmt::Error) }
    }
}

impl fmt::Display for PathBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.as_bytes().utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PathBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An open file, closed when dropped.
struct Descriptor(c_int);

impl Descriptor {
    fn open(path: &PathBuffer) -> core::result::Result<Descriptor, Errno> {
        // Non-blocking, so that a FIFO put where a file is expected cannot hang the caller.
        Descriptor::open_as(path, libc::O_RDONLY | libc::O_NONBLOCK)
    }

    fn open_as(path: &PathBuffer, flags: c_int) -> core::result::Result<Descriptor, Errno> {
        const MODE: libc::mode_t = 0o666;
        loop {
            // SAFETY: the path ends in a zero byte and lives through the call.
            let descriptor = unsafe { libc::open(path.as_c_str().as_ptr(), flags | libc::O_CLOEXEC, MODE) };
            if descriptor >= 0 {
                return Ok(Descriptor(descriptor));
            }
            match Errno::last() {
                Errno(libc::EINTR) => {}
                errno => return Err(errno),
            }
        }
    }

    /// Reads once into `buffer`; 0 at the end of the file.
    fn read(&self, buffer: &mut [u8]) -> core::result::Result<usize, Errno> {
        loop {
            // SAFETY: the buffer is writable for its length; the descriptor is open.
            let count = unsafe { libc::read(self.0, buffer.as_mut_ptr().cast(), buffer.len()) };
            if let Ok(count) = usize::try_from(count) {
                return Ok(count);
            }
            match Errno::last() {
                Errno(libc::EINTR) => {}
                errno => return Err(errno),
            }
        }
    }
}

impl Descriptor {
    /// Writes once, at least a byte of what is not empty.
    fn write(&self, bytes: &[u8]) -> core::result::Result<usize, Errno> {
        loop {
            // SAFETY: the bytes are readable; the descriptor is open.
            let count = unsafe { libc::write(self.0, bytes.as_ptr().cast(), bytes.len()) };
            if let Ok(count) = usize::try_from(count) {
                return Ok(count);
            }
            match Errno::last() {
                Errno(libc::EINTR) => {}
                errno => return Err(errno),
            }
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again. An error of closing a file that was only read says nothing of use.
        unsafe { libc::close(self.0) };
    }
}

fn is_absence(errno: Errno) -> bool {
    matches!(errno.0, libc::ENOENT | libc::ENOTDIR)
}

/// A text file that is being written, in pieces of some size. Allocates nothing.
pub struct FileWriter {
    file: Descriptor,
    path: PathBuffer,
    buffer: [u8; 4096],
    len: usize,
    failure: Option<Errno>,
}

impl fmt::Debug for FileWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileWriter").field("path", &self.path).field("failure", &self.failure.is_some()).finish()
    }
}

impl FileWriter {
    /// Makes an empty file, in the place of any that is there.
    ///
    /// # Errors
    /// `Io` with the path and the system's words.
    pub fn create(path: PathBuffer) -> Result<FileWriter> {
        match Descriptor::open_as(&path, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC) {
            Ok(file) => Ok(FileWriter { file, path, buffer: [0; 4096], len: 0, failure: None }),
            Err(errno) => Err(error!(Io, "{path}: cannot be made: {errno}")),
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// `Io` with the path and the system's words, if this or any writing before has failed.
    pub fn finish(mut self) -> Result<()> {
        self.flush();
        match self.failure.take() {
            None => Ok(()),
            Some(errno) => Err(error!(Io, "{}: cannot be written: {errno}", self.path)),
        }
    }

    fn flush(&mut self) {
        let mut rest = &self.buffer[..self.len];
        while !rest.is_empty() && self.failure.is_none() {
            match self.file.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(errno) => self.failure = Some(errno),
            }
        }
        self.len = 0;
    }
}

impl Write for FileWriter {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let mut piece = piece.as_bytes();
        while !piece.is_empty() && self.failure.is_none() {
            if self.len == self.buffer.len() {
                self.flush();
            }
            let count = piece.len().min(self.buffer.len() - self.len);
            self.buffer[self.len..self.len + count].copy_from_slice(&piece[..count]);
            self.len += count;
            piece = &piece[count..];
        }
        if self.failure.is_none() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Replaces `contents` by the whole file. `false`: there is no such file (`contents` is then empty).
///
/// # Errors
/// `Io` with the path and the system's words, also for a file longer than [`SIZE_LIMIT`]; `OutOfMemory`.
pub fn read_if_present(path: &PathBuffer, contents: &mut List<u8>) -> Result<bool> {
    contents.truncate(0);
    let file = match Descriptor::open(path) {
        Ok(file) => file,
        Err(errno) if is_absence(errno) => return Ok(false),
        Err(errno) => return Err(error!(Io, "{path}: cannot be opened: {errno}")),
    };
    let mut piece = [0u8; 2048];
    loop {
        let count = file.read(&mut piece).map_err(|errno| error!(Io, "{path}: cannot be read: {errno}"))?;
        if count == 0 {
            return Ok(true);
        }
        if contents.len() + count > SIZE_LIMIT {
            return Err(error!(Io, "{path}: longer than {SIZE_LIMIT} bytes, which no such file should be"));
        }
        contents.reserve(count)?;
        for &byte in &piece[..count] {
            contents.push(byte)?;
        }
    }
}

/// Replaces `contents` by the whole file.
///
/// # Errors
/// As [`read_if_present`], and `Io` when there is no such file.
pub fn read(path: &PathBuffer, contents: &mut List<u8>) -> Result<()> {
    match read_if_present(path, contents)? {
        true => Ok(()),
        false => Err(error!(Io, "{path}: cannot be opened: {}", Errno(libc::ENOENT))),
    }
}

/// Reads the whole file into `buffer` and returns the part filled. Allocates nothing.
///
/// # Errors
/// `Io` with the path and the system's words, also when the file does not fit the buffer.
pub fn read_into<'a>(path: &PathBuffer, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    let file = Descriptor::open(path).map_err(|errno| error!(Io, "{path}: cannot be opened: {errno}"))?;
    let mut len = 0;
    loop {
        // At the end of the buffer one byte more is asked for, to tell a file that just fits from one that does not.
        let mut beyond = [0u8; 1];
        let full = len == buffer.len();
        let rest = if full { &mut beyond[..] } else { &mut buffer[len..] };
        match file.read(rest).map_err(|errno| error!(Io, "{path}: cannot be read: {errno}"))? {
            0 => return Ok(&buffer[..len]),
            _ if full => return Err(error!(Io, "{path}: does not fit the {len} bytes set aside for it")),
            count => len += count,
        }
    }
}

/// Calls `visit` with the name of every entry of a directory, in no order. `false`: there is no such directory.
///
/// # Errors
/// `Io` with the path and the system's words; the first error of `visit`, after which no more names come.
pub fn visit_directory(path: &PathBuffer, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
    struct Directory(*mut libc::DIR);
    impl Drop for Directory {
        fn drop(&mut self) {
            // SAFETY: ours, open, and not used again.
            unsafe { libc::closedir(self.0) };
        }
    }
    // SAFETY: the path ends in a zero byte and lives through the call.
    let stream = unsafe { libc::opendir(path.as_c_str().as_ptr()) };
    if stream.is_null() {
        let errno = Errno::last();
        return if is_absence(errno) { Ok(false) } else { Err(error!(Io, "{path}: cannot be opened: {errno}")) };
    }
    let directory = Directory(stream);
    loop {
        // A null result is the end when errno stays what it was, so it is set to "no error" first.
        set_errno(0);
        // SAFETY: the stream is open and used by this thread only.
        let entry = unsafe { libc::readdir(directory.0) };
        if entry.is_null() {
            return match Errno::last() {
                Errno(0) => Ok(true),
                errno => Err(error!(Io, "{path}: cannot be listed: {errno}")),
            };
        }
        // SAFETY: the entry is valid until the next `readdir`, and its name ends in a zero byte.
        let name = unsafe { CStr::from_ptr((&raw const (*entry).d_name).cast::<c_char>()) };
        visit(name.to_bytes())?;
    }
}

fn set_errno(value: c_int) {
    // SAFETY: the location is this thread's own and always valid.
    unsafe { *libc::__errno_location() = value };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use crate::os::alloc::Allocator;

    fn path(text: &str) -> PathBuffer {
        PathBuffer::format(format_args!("{text}")).unwrap()
    }

    #[test]
    fn a_file_is_read_whole() {
        let name = std::env::temp_dir().join(format!("vgpu-file-{}", std::process::id()));
        let wanted: std::vec::Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&name, &wanted).unwrap();
        let path = path(name.to_str().unwrap());
        let mut contents = List::new(Allocator::SYSTEM);
        contents.push(1).unwrap();
        read(&path, &mut contents).unwrap();
        assert_eq!(&*contents, &wanted[..]);

        let mut exact = std::vec![0; wanted.len()];
        assert_eq!(read_into(&path, &mut exact).unwrap(), &wanted[..]);
        let mut short = std::vec![0; wanted.len() - 1];
        let refused = read_into(&path, &mut short).unwrap_err();
        assert!(refused.message().contains(name.to_str().unwrap()), "{refused}");

        for len in 0..3 {
            std::fs::write(&name, &wanted[..len]).unwrap();
            assert_eq!(read_into(&path, &mut exact[..len]).unwrap(), &wanted[..len]);
            assert_eq!(read_into(&path, &mut exact[..len + 1]).unwrap(), &wanted[..len]);
            assert!(len == 0 || read_into(&path, &mut exact[..len - 1]).is_err());
        }

        std::fs::write(&name, std::vec![0; SIZE_LIMIT + 1]).unwrap();
        assert_eq!(read(&path, &mut contents).unwrap_err().status(), Status::Io);
        std::fs::remove_file(&name).unwrap();
    }

    #[test]
    fn a_failure_names_the_path_and_the_reason() {
        let mut contents = List::new(Allocator::SYSTEM);
        let missing = path("/nowhere/at/all");
        let error = read(&missing, &mut contents).unwrap_err();
        assert_eq!(error.status(), Status::Io);
        assert!(error.message().contains("/nowhere/at/all"), "{error}");
        assert!(error.message().contains("errno 2"), "{error}");
        assert!(!read_if_present(&missing, &mut contents).unwrap());
        assert!(!visit_directory(&missing, |_| Ok(())).unwrap());

        let error = read_if_present(&path("/"), &mut contents).unwrap_err();
        assert!(error.message().contains("directory"), "{error}");
    }

    #[test]
    fn a_directory_gives_all_its_names() {
        let mut found = false;
        assert!(
            visit_directory(&path("/proc/self"), |name| {
                found |= name == b"status";
                Ok(())
            })
            .unwrap()
        );
        assert!(found);
        let stopped = visit_directory(&path("/proc/self"), |_| Err(error!(Io, "enough")));
        assert_eq!(stopped.unwrap_err().message(), "enough");
    }

    #[test]
    fn a_path_which_does_not_fit_is_refused_and_left_as_it_was() {
        let mut path = path("/a");
        assert!(path.push_format(format_args!("{:5000}", 1)).is_err());
        assert!(path.push_bytes(b"b\0c").is_err());
        assert_eq!(path.as_bytes(), b"/a");
        path.push_bytes(&[b'x'; PATH_CAPACITY - 3]).unwrap();
        assert_eq!(path.as_c_str().to_bytes(), path.as_bytes());
        assert!(path.push_bytes(b"y").is_err());
        path.truncate(2);
        assert_eq!(path.as_c_str(), c"/a");
    }
}
