//! A shared library that is opened at run time.

use std::ffi::{CStr, CString, c_void};
use std::path::PathBuf;

/// It stays open: its threads may be running.
pub struct Library {
    handle: *mut c_void,
    /// As it was opened.
    pub path: PathBuf,
}

impl Library {
    /// The first of several names that is in one of the folders of VGPU_BENCH_LIBRARIES, or that the system finds.
    pub fn open(names: &[&str]) -> Result<Library, String> {
        let folders = std::env::var_os("VGPU_BENCH_LIBRARIES").unwrap_or_default();
        let in_folders = std::env::split_paths(&folders)
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
            .filter(|path| path.is_file());
        let mut reason = String::new();
        for path in in_folders.chain(names.iter().map(PathBuf::from)) {
            let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
            // SAFETY: the name ends in zero. What such a library does when it is opened is its business.
            let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
            if !handle.is_null() {
                return Ok(Library { handle, path });
            }
            // SAFETY: an error was just met on this thread, so there is a text, and nothing else asks for one meanwhile.
            reason = unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy().into_owned();
        }
        Err(reason)
    }

    /// The function called `name`.
    ///
    /// # Safety
    /// `F` is the type of a pointer to such a function.
    pub unsafe fn function<F: Copy>(&self, name: &str) -> Result<F, String> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) }
        let c_name = CString::new(name).map_err(|error| error.to_string())?;
        // SAFETY: the handle is a library's and the name ends in zero.
        let symbol = unsafe { libc::dlsym(self.handle, c_name.as_ptr()) };
        if symbol.is_null() {
            return Err(format!("{} has no {name}", self.path.display()));
        }
        // SAFETY: the caller says that it is a pointer of this type, which is as large.
        Ok(unsafe { std::mem::transmute_copy(&symbol) })
    }

    /// What the function called `name`, which takes nothing, says in words.
    pub fn says(&self, name: &str) -> Option<String> {
        // SAFETY: all functions that are asked for by this take nothing and return a text that stays.
        let function: unsafe extern "C" fn() -> *const libc::c_char = unsafe { self.function(name) }.ok()?;
        // SAFETY: as above.
        Some(unsafe { CStr::from_ptr(function()) }.to_string_lossy().into_owned())
    }
}
