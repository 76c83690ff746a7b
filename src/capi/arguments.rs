//! Pointers that callers pass, each checked before it is used.

use crate::error::{Error, Result, error};
use crate::os::file::PathBuffer;
use core::ffi::{CStr, c_char};
use core::ptr;

/// A pointer that may not be NULL.
pub(super) fn required<'a, T>(pointer: *const T, what: &str) -> Result<&'a T> {
    // SAFETY: the caller of the export vouches for every pointer that is not NULL.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(what))
}

/// The error of a NULL where something is needed.
pub(super) fn null(what: impl core::fmt::Display) -> Error {
    error!(InvalidArgument, "{what} is NULL; pass a valid one")
}

/// Sets an output, which may not be NULL itself, to NULL, so that it is so on failure.
///
/// # Safety
/// `output` is NULL or writable.
pub(super) unsafe fn clear<T>(output: *mut *mut T, what: &str) -> Result<()> {
    if output.is_null() {
        return Err(null(what));
    }
    // SAFETY: by contract.
    unsafe { output.write(ptr::null_mut()) };
    Ok(())
}

/// A path that may not be NULL.
///
/// # Safety
/// One that is not NULL ends in a zero byte.
pub(super) unsafe fn path(name: &str, text: *const c_char) -> Result<PathBuffer> {
    if text.is_null() {
        return Err(null(name));
    }
    let mut path = PathBuffer::new();
    // SAFETY: by contract.
    path.push_bytes(unsafe { CStr::from_ptr(text) }.to_bytes())?;
    Ok(path)
}
