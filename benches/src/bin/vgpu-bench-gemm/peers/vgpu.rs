//! Ours, through the C ABI of the shared library, as a program in C calls it.

use super::{Multiply, Operands, Peer};
use crate::library::Library;
use crate::matrix::Element;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use vgpu_bench::catalogue::Product;

const ROW_MAJOR: i32 = 101;
const NO_TRANS: i32 = 111;

type Gemm<T> = unsafe extern "C" fn(
    *mut c_void,
    i32,
    i32,
    i32,
    i64,
    i64,
    i64,
    T,
    *const T,
    i64,
    *const T,
    i64,
    T,
    *mut T,
    i64,
) -> i32;

unsafe extern "C" {
    /// In `products/pool.c`.
    fn bench_make_pool(
        path: *const c_char,
        workers: u32,
        pinned: c_int,
        why: *mut c_char,
        capacity: usize,
    ) -> *mut c_void;
}

struct Vgpu<T> {
    library: Library,
    pool: *mut c_void,
    gemm: Gemm<T>,
}

/// With a pool of so many workers.
pub(super) fn open<T: Element>(workers: usize, pinned: bool) -> Result<Peer<T>, String> {
    open_with(library()?, workers, pinned, &format!("vgpu_{}gemm", T::LETTER))
}

/// The same by way of bf16, where the CPU can.
pub(super) fn open_bf16x3<T: Element>(workers: usize, pinned: bool) -> Result<Peer<T>, String> {
    let library = library()?;
    // SAFETY: that is the function's type in vgpu_pool.h.
    let has_bf16x3 = unsafe { library.function::<extern "C" fn() -> i32>("vgpu_has_bf16x3") }?;
    if has_bf16x3() == 0 {
        return Err("this CPU has no AMX, or the system keeps it to itself".to_owned());
    }
    open_with(library, workers, pinned, &format!("vgpu_{}gemm_bf16x3", T::LETTER))
}

fn library() -> Result<Library, String> {
    Library::open(&["libvgpu_pool.so"])
}

fn open_with<T: Element>(library: Library, workers: usize, pinned: bool, function: &str) -> Result<Peer<T>, String> {
    let version = format!("vgpu-pool {}", library.says("vgpu_version_string").unwrap_or_default());
    // SAFETY: that is the function's type in vgpu_pool.h.
    let gemm = unsafe { library.function(function) }?;
    let pool = make_pool(&library, workers, pinned)?;
    Ok(Peer { version, pins_itself: true, library: Box::new(Vgpu { library, pool, gemm }) })
}

fn make_pool(library: &Library, workers: usize, pinned: bool) -> Result<*mut c_void, String> {
    let path = CString::new(library.path.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
    let mut why = [0 as c_char; 256];
    // SAFETY: the path ends in zero, and the reason has room for so much.
    let pool =
        unsafe { bench_make_pool(path.as_ptr(), workers as u32, c_int::from(pinned), why.as_mut_ptr(), why.len()) };
    if pool.is_null() {
        // SAFETY: the reason ends in zero within its room.
        return Err(unsafe { CStr::from_ptr(why.as_ptr()) }.to_string_lossy().into_owned());
    }
    Ok(pool)
}

impl<T: Element> Multiply<T> for Vgpu<T> {
    fn multiply(&self, operands: &mut Operands<T>) -> Result<(), String> {
        let Product { m, n, k, .. } = operands.product;
        let [m, n, k] = [m, n, k].map(|length| length as i64);
        // SAFETY: the matrices are as large as is said, C is nobody else's, and the pool is this library's.
        let status = unsafe {
            (self.gemm)(
                self.pool,
                ROW_MAJOR,
                NO_TRANS,
                NO_TRANS,
                m,
                n,
                k,
                T::ONE,
                operands.a.as_ptr(),
                k,
                operands.b.as_ptr(),
                n,
                T::ZERO,
                operands.c.as_mut_ptr(),
                n,
            )
        };
        match status {
            0 => Ok(()),
            _ => Err(self.library.says("vgpu_last_error_message").unwrap_or_default()),
        }
    }
}
