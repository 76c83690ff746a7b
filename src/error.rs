//! The error type and the status codes, the same numbers in Rust and in C.
//!
//! An [`Error`] says what was asked, what was found and what to do about it. Its text lives inside the value, so that
//! reporting a failed allocation needs no allocation.

use core::fmt::{self, Write};

/// What a call came to. The numbers are part of the C ABI: they are never changed or used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum Status {
    /// The call did what was asked.
    Ok = 0,
    /// An argument is out of range, NULL where it must not be, or contradicts another.
    InvalidArgument = -1,
    /// The allocator returned no memory.
    OutOfMemory = -2,
    /// The system refused to start a thread.
    ThreadSpawn = -3,
    /// The system refused to pin a thread, or the CPU asked for is not one this process may use.
    Affinity = -4,
    /// The pool is shutting down and takes no new work.
    Closed = -5,
    /// The inbox is full and the pool was told to say so.
    QueueFull = -6,
    /// The task was cancelled before it started.
    Cancelled = -7,
    /// The time given for a wait ran out.
    TimedOut = -8,
    /// A Rust panic was caught.
    Panic = -9,
    /// A task returned an error code of its own.
    TaskFailed = -10,
    /// The pool belongs to a parent process: this process is a forked child.
    Forked = -11,
    /// The call would wait for itself, such as destroying a pool from one of its own tasks.
    WouldDeadlock = -12,
    /// The machine, the system or this build cannot do what was asked.
    Unsupported = -13,
    /// A size or an index does not fit the arithmetic needed to serve it.
    Overflow = -14,
    /// Reading or writing a file failed.
    Io = -15,
    /// The task has started, or is done: it cannot be cancelled any more. Or the graph is running: it cannot be run as well.
    AlreadyStarted = -16,
    /// A worker's stack is too short for the recursion asked of it.
    StackLimit = -17,
}

impl Status {
    /// Every status, in the order of its number.
    pub const ALL: [Status; 18] = [
        Status::Ok,
        Status::InvalidArgument,
        Status::OutOfMemory,
        Status::ThreadSpawn,
        Status::Affinity,
        Status::Closed,
        Status::QueueFull,
        Status::Cancelled,
        Status::TimedOut,
        Status::Panic,
        Status::TaskFailed,
        Status::Forked,
        Status::WouldDeadlock,
        Status::Unsupported,
        Status::Overflow,
        Status::Io,
        Status::AlreadyStarted,
        Status::StackLimit,
    ];

    /// The number of this status in the C ABI.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The status with this number, if there is one.
    pub fn from_code(code: i32) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.code() == code)
    }

    /// The name of this status as the C header spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Ok => "VGPU_OK",
            Status::InvalidArgument => "VGPU_ERROR_INVALID_ARGUMENT",
            Status::OutOfMemory => "VGPU_ERROR_OUT_OF_MEMORY",
            Status::ThreadSpawn => "VGPU_ERROR_THREAD_SPAWN",
            Status::Affinity => "VGPU_ERROR_AFFINITY",
            Status::Closed => "VGPU_ERROR_CLOSED",
            Status::QueueFull => "VGPU_ERROR_QUEUE_FULL",
            Status::Cancelled => "VGPU_ERROR_CANCELLED",
            Status::TimedOut => "VGPU_ERROR_TIMED_OUT",
            Status::Panic => "VGPU_ERROR_PANIC",
            Status::TaskFailed => "VGPU_ERROR_TASK_FAILED",
            Status::Forked => "VGPU_ERROR_FORKED",
            Status::WouldDeadlock => "VGPU_ERROR_WOULD_DEADLOCK",
            Status::Unsupported => "VGPU_ERROR_UNSUPPORTED",
            Status::Overflow => "VGPU_ERROR_OVERFLOW",
            Status::Io => "VGPU_ERROR_IO",
            Status::AlreadyStarted => "VGPU_ERROR_ALREADY_STARTED",
            Status::StackLimit => "VGPU_ERROR_STACK_LIMIT",
        }
    }
}

/// How many bytes of text an [`Error`] can carry. A longer text is cut at a character boundary and ends in `...`.
pub const TEXT_CAPACITY: usize = 240;

/// A short text stored in place.
#[derive(Clone, Copy)]
pub struct Text {
    len: u16,
    bytes: [u8; TEXT_CAPACITY],
}

impl Text {
    /// An empty text.
    pub const fn new() -> Text {
        Text { len: 0, bytes: [0; TEXT_CAPACITY] }
    }

    /// The formatted text, cut where it does not fit.
    pub fn format(arguments: fmt::Arguments<'_>) -> Text {
        let mut text = Text::new();
        if text.write_fmt(arguments).is_err() {
            text.mark_cut();
        }
        text
    }

    /// Makes the text empty.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The text as a string.
    pub fn as_str(&self) -> &str {
        // `write_str` stores whole characters only, so this never falls back.
        core::str::from_utf8(&self.bytes[..self.len as usize]).unwrap_or("")
    }

    fn mark_cut(&mut self) {
        const MARK: &[u8] = b"...";
        let mut end = TEXT_CAPACITY - MARK.len();
        end = end.min(self.len as usize);
        while end > 0 && !self.as_str().is_char_boundary(end) {
            end -= 1;
        }
        self.bytes[end..end + MARK.len()].copy_from_slice(MARK);
        self.len = (end + MARK.len()) as u16;
    }
}

impl Default for Text {
    fn default() -> Text {
        Text::new()
    }
}

impl Write for Text {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let start = self.len as usize;
        let mut take = piece.len().min(TEXT_CAPACITY - start);
        while !piece.is_char_boundary(take) {
            take -= 1;
        }
        self.bytes[start..start + take].copy_from_slice(&piece.as_bytes()[..take]);
        self.len += take as u16;
        if take == piece.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// A failed call: its status, the task's own code where a task failed, and a sentence.
#[derive(Clone)]
pub struct Error {
    status: Status,
    code: i32,
    text: Text,
}

impl Error {
    /// An error with a formatted sentence.
    pub fn new(status: Status, sentence: fmt::Arguments<'_>) -> Error {
        Error { status, code: 0, text: Text::format(sentence) }
    }

    /// The error of a task that returned `code` and left `text` behind.
    pub fn task_failed(code: i32, text: Text) -> Error {
        Error { status: Status::TaskFailed, code, text }
    }

    /// What kind of failure this is.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The code the failing task returned; 0 for every other failure.
    pub fn task_code(&self) -> i32 {
        self.code
    }

    /// The sentence: what was asked, what was found, what to do.
    pub fn message(&self) -> &str {
        self.text.as_str()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.name(), self.message())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}

/// The result of every fallible call of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// Builds an [`Error`] from a status and a format string.
macro_rules! error {
    ($status:ident, $($sentence:tt)+) => {
        $crate::error::Error::new($crate::error::Status::$status, format_args!($($sentence)+))
    };
}
pub(crate) use error;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_own_number_and_name() {
        for (i, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status.code(), -(i as i32));
            assert_eq!(Status::from_code(status.code()), Some(status));
            assert!(status.name().starts_with("VGPU_"));
        }
        assert_eq!(Status::from_code(1), None);
    }

    #[test]
    fn a_text_that_does_not_fit_is_cut_at_a_character() {
        let long = "é".repeat(TEXT_CAPACITY);
        let error = error!(Io, "x{long}");
        assert!(error.message().len() <= TEXT_CAPACITY);
        assert!(error.message().starts_with("xé"));
        assert!(error.message().ends_with("é..."));
    }
}
