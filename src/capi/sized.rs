//! Structs that begin with their own size, so that programs and libraries of different releases understand each other.

use crate::error::{Result, error};
use core::{mem, ptr};

/// A struct of C whose first field is its size as the program was compiled.
///
/// # Safety
/// It is `repr(C)`, begins with a `u32` that holds its size, and is valid when its bytes are all zero.
pub(super) unsafe trait Sized32: Copy {
    /// What the header calls it.
    const NAME: &'static str;
    /// What a program gets that passes NULL, or calls the initializer.
    const DEFAULT: Self;
}

/// No struct of any release is so long: a size above is no size, but what happened to lie there.
const MOST_BYTES: usize = 4096;

/// A copy of the caller's struct in the shape this library knows; the defaults for NULL.
///
/// # Safety
/// `source` is NULL or points to as many readable bytes as its first field says.
pub(super) unsafe fn read<T: Sized32>(source: *const T) -> Result<T> {
    let known = mem::size_of::<T>();
    if source.is_null() {
        return Ok(T::DEFAULT);
    }
    // SAFETY: the first field is always there.
    let size = unsafe { source.cast::<u32>().read() } as usize;
    if size < mem::size_of::<u32>() {
        return Err(error!(InvalidArgument, "{0}.struct_size is {size}; call {0}_init before setting fields", T::NAME));
    }
    if size > MOST_BYTES {
        return Err(error!(
            InvalidArgument,
            "{0}.struct_size is {size}, more than any such struct has; call {0}_init before setting fields",
            T::NAME
        ));
    }
    // SAFETY: by contract `size` bytes are readable; the copy has room for what is taken of them, and zeroes are valid.
    unsafe {
        let tail = core::slice::from_raw_parts(source.cast::<u8>(), size).get(known..).unwrap_or_default();
        if let Some(at) = tail.iter().position(|byte| *byte != 0) {
            return Err(error!(
                InvalidArgument,
                "{} has {size} bytes, of which this library knows {known}, and byte {} is not 0: a setting of a newer header; use the library that belongs to it",
                T::NAME,
                known + at
            ));
        }
        let mut copy = mem::zeroed::<T>();
        ptr::copy_nonoverlapping(source.cast::<u8>(), (&raw mut copy).cast::<u8>(), size.min(known));
        Ok(copy)
    }
}

/// Writes the defaults into a struct of `size` bytes, and zeroes what lies beyond this library's knowledge.
///
/// # Safety
/// `place` is NULL or has `size` writable bytes.
pub(super) unsafe fn init<T: Sized32>(place: *mut T, size: u32) {
    if place.is_null() || (size as usize) < mem::size_of::<u32>() {
        return;
    }
    let defaults = T::DEFAULT;
    // SAFETY: by contract; the first field is the size.
    unsafe {
        place.cast::<u8>().write_bytes(0, size as usize);
        ptr::copy_nonoverlapping(
            (&raw const defaults).cast::<u8>(),
            place.cast::<u8>(),
            mem::size_of::<T>().min(size as usize),
        );
        place.cast::<u32>().write(size);
    }
}

/// Writes as much of a struct as the caller's has room for, and zeroes the rest of it.
///
/// # Safety
/// `size` bytes are writable at `place`.
pub(super) unsafe fn write_sized<T: Copy>(place: *mut u8, size: usize, value: &T) {
    // SAFETY: by contract, and no more is read than there is.
    unsafe {
        place.write_bytes(0, size);
        ptr::copy_nonoverlapping(ptr::from_ref(value).cast::<u8>(), place, size.min(mem::size_of::<T>()));
    }
}

/// The size of an output as the caller says it, which is at least `least`; `name` is the field that says it.
pub(super) fn check_size(name: &str, size: u32, least: usize) -> Result<usize> {
    match size as usize {
        size if size >= least && size <= MOST_BYTES && size.is_multiple_of(8) => Ok(size),
        _ => Err(error!(
            InvalidArgument,
            "{name} is {size}; set it to the size of the struct, which is a multiple of 8 from {least} to {MOST_BYTES}"
        )),
    }
}
