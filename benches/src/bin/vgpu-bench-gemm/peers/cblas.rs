//! Libraries with the interface of BLAS for C. How many threads they use and which kernels they choose they read in the environment.

use super::{Multiply, Operands, Peer};
use crate::library::Library;
use crate::matrix::Element;
use std::ffi::{c_char, c_int};
use vgpu_bench::catalogue::Product;

const ROW_MAJOR: c_int = 101;
const NO_TRANS: c_int = 111;

type Gemm<T> = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    T,
    *const T,
    c_int,
    *const T,
    c_int,
    T,
    *mut T,
    c_int,
);

struct Cblas<T>(Gemm<T>);

impl<T: Element> Multiply<T> for Cblas<T> {
    fn multiply(&self, operands: &mut Operands<T>) -> Result<(), String> {
        let Product { m, n, k, .. } = operands.product;
        let [m, n, k] = [m, n, k].map(|length| length as c_int);
        // SAFETY: the matrices are as large as is said, and C is nobody else's.
        unsafe {
            (self.0)(
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
            );
        }
        Ok(())
    }
}

/// What is said to a library in the environment, before it is opened.
fn tell(name: &str, value: impl ToString) {
    // SAFETY: no thread has been started yet.
    unsafe { std::env::set_var(name, value.to_string()) };
}

fn peer<T: Element>(library: &Library, version: String) -> Result<Peer<T>, String> {
    // SAFETY: that is the function's type in every CBLAS with numbers of 32 bits.
    let gemm = unsafe { library.function(&format!("cblas_{}gemm", T::LETTER)) }?;
    Ok(Peer { version, pins_itself: false, library: Box::new(Cblas(gemm)) })
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

/// It goes by the processor's model, and takes the kernels for SSE where it does not know it, as in many virtual machines.
pub(super) fn openblas<T: Element>(workers: usize) -> Result<Peer<T>, String> {
    tell("OPENBLAS_NUM_THREADS", workers);
    if has_avx512() {
        tell("OPENBLAS_CORETYPE", "SKYLAKEX");
    }
    let library = Library::open(&["libopenblas.so.0"])?;
    let config = library.says("openblas_get_config").unwrap_or_default();
    let version = config.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let kernels = library.says("openblas_get_corename").unwrap_or_default();
    peer(&library, format!("{version}, {kernels}"))
}

/// It takes the kernels for AVX2 where it does not know how many multiply-add units a model has.
pub(super) fn blis<T: Element>(workers: usize) -> Result<Peer<T>, String> {
    tell("BLIS_NUM_THREADS", workers);
    if has_avx512() {
        // The number of its SkylakeX.
        tell("BLIS_ARCH_TYPE", 0);
    }
    let library = Library::open(&["libblis.so.4"])?;
    // SAFETY: these are the functions' types.
    let kernels = unsafe {
        let init: unsafe extern "C" fn() = library.function("bli_init")?;
        let query: unsafe extern "C" fn() -> c_int = library.function("bli_arch_query_id")?;
        let string: unsafe extern "C" fn(c_int) -> *const c_char = library.function("bli_arch_string")?;
        init();
        std::ffi::CStr::from_ptr(string(query())).to_string_lossy().into_owned()
    };
    let version = library.says("bli_info_get_version_str").unwrap_or_default();
    peer(&library, format!("BLIS {version}, {kernels}"))
}

/// It goes by what the processor can do.
pub(super) fn mkl<T: Element>(workers: usize) -> Result<Peer<T>, String> {
    tell("MKL_NUM_THREADS", workers);
    tell("MKL_DYNAMIC", "FALSE");
    let library = Library::open(&["libmkl_rt.so.3", "libmkl_rt.so.2"])?;
    let mut text = [0 as c_char; 200];
    // SAFETY: that is the function's type, and the text has room for so much.
    let text = unsafe {
        let version: unsafe extern "C" fn(*mut c_char, c_int) = library.function("mkl_get_version_string")?;
        version(text.as_mut_ptr(), text.len() as c_int - 1);
        std::ffi::CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
    };
    let version = text.split_once("Version ").map_or(text.as_str(), |(_, rest)| rest);
    peer(&library, format!("oneMKL {}", version.split('-').next().unwrap_or(version)))
}
