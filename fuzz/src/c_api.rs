//! Feeds the fuzzer's bytes to the machine of `machine.c`.
#![no_main]

// Linked for its C symbols.
extern crate vgpu_pool;

unsafe extern "C" {
    fn machine_run(bytes: *const u8, length: usize);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // SAFETY: the bytes are there, and the machine only reads them.
    unsafe { machine_run(bytes.as_ptr(), bytes.len()) }
});
