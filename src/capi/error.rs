//! The last error of each thread, the guard around every export, and the version.

use super::arguments::null;
use super::status::vgpu_status;
use crate::error::{Error, Result, Status, TEXT_CAPACITY, Text};
use core::cell::{Cell, RefCell};
use core::ffi::{CStr, c_char};
use core::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A text with its terminating zero.
type Message = [u8; TEXT_CAPACITY + 1];

// Neither has a destructor, so nothing of ours runs when a host's thread ends.
thread_local! {
    static LAST_ERROR: Cell<Message> = const { Cell::new([0; TEXT_CAPACITY + 1]) };
    static TASK_ERROR: RefCell<Text> = const { RefCell::new(Text::new()) };
}

/// Keeps the error's sentence for [`vgpu_last_error_message`] and gives its status.
pub(super) fn report(error: &Error) -> vgpu_status {
    let mut message = [0; TEXT_CAPACITY + 1];
    let text = error.message().as_bytes();
    message[..text.len()].copy_from_slice(text);
    LAST_ERROR.with(|last| last.set(message));
    error.status().code()
}

/// Runs the body of an export: its error becomes a status and the last error, and so does a panic.
pub(super) fn guard(body: impl FnOnce() -> Result<()>) -> vgpu_status {
    // An error is long to move, so it becomes a status where it is.
    let body = || match body() {
        Ok(()) => Status::Ok.code(),
        Err(error) => report(&error),
    };
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let status = report(&crate::pool::panic_error(&payload));
        crate::pool::drop_quietly(payload);
        status
    })
}

/// The outcome of a callback that returned `code`.
#[inline]
pub(super) fn callback_result(code: i32) -> Result<()> {
    if code == 0 {
        // What it may have said is not for the next one.
        TASK_ERROR.with_borrow_mut(Text::clear);
        return Ok(());
    }
    Err(callback_failure(code))
}

/// The failure of a callback, with the text it left.
#[cold]
fn callback_failure(code: i32) -> Error {
    match TASK_ERROR.with_borrow_mut(mem::take) {
        text if text.as_str().is_empty() => {
            Error::task_failed(code, Text::format(format_args!("a task returned the code {code}")))
        }
        text => Error::task_failed(code, text),
    }
}

/// The sentence about the last failed call of the calling thread: what was asked, what was found, what to do.
///
/// @return a string that is valid until the thread's next failed call; "" when none has failed yet
/// @note Thread safety: any thread; each has its own.
#[unsafe(no_mangle)]
pub extern "C" fn vgpu_last_error_message() -> *const c_char {
    LAST_ERROR.with(|last| last.as_ptr().cast())
}

/// To be called in a task before it returns a number other than 0: a sentence that goes with it.
///
/// The sentence comes out of vgpu_last_error_message() where the task is waited for. When the task returns 0 it is
/// thrown away. The string is copied; what is longer than 240 bytes is cut, and what is not UTF-8 is replaced.
///
/// @param message  a terminated string
/// @return VGPU_OK, or VGPU_ERROR_INVALID_ARGUMENT if message is NULL
/// @note Thread safety: any thread; it counts for the task that the calling thread runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_task_set_error(message: *const c_char) -> vgpu_status {
    guard(|| {
        if message.is_null() {
            return Err(null("message"));
        }
        // SAFETY: the caller vouches for a terminated string.
        let bytes = unsafe { CStr::from_ptr(message) }.to_bytes();
        TASK_ERROR.set(Text::format(format_args!("{}", Lossy(bytes))));
        Ok(())
    })
}

/// Bytes as text, each piece that is not UTF-8 as one replacement character; nothing is allocated.
struct Lossy<'a>(&'a [u8]);

impl core::fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}

/// The version of the binary interface that this header describes, and the number in the library's file name.
pub const VGPU_ABI_VERSION: u32 = 1;

/// The version of the binary interface: VGPU_ABI_VERSION of the header that the library was built with. It changes only when a
/// program must be compiled anew.
///
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub extern "C" fn vgpu_abi_version() -> u32 {
    VGPU_ABI_VERSION
}

/// The version of the library, such as "1.2.3".
///
/// @return a string that is never freed
/// @note Thread safety: any thread.
#[unsafe(no_mangle)]
pub extern "C" fn vgpu_version_string() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
