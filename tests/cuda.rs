//! Pinned host memory through a driver that is none: `tests/fake_cuda.c`, compiled now and opened first, so that the library finds
//! it under the real one's name.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use std::ffi::{CString, c_int};
use std::process::Command;
use vgpu_pool::error::Status;
use vgpu_pool::memory::NumaPool;
use vgpu_pool::memory::cuda::{Driver, Pin};
use vgpu_pool::os::alloc::Allocator;

/// The fake driver's own functions.
struct Fake {
    pinned: extern "C" fn() -> c_int,
    references: extern "C" fn() -> c_int,
    current: extern "C" fn() -> c_int,
    fail_next: extern "C" fn(c_int),
}

impl Fake {
    fn open() -> Option<Fake> {
        let folder = std::env::temp_dir().join(format!("vgpu-cuda-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let library = folder.join("libcuda.so.1");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake_cuda.c");
        let options = ["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wl,-soname,libcuda.so.1", "-o"];
        match Command::new("cc").args(options).arg(&library).arg(source).status() {
            Ok(status) => assert!(status.success(), "tests/fake_cuda.c does not compile"),
            Err(_) => return None,
        }
        let path = CString::new(library.to_str().unwrap()).unwrap();
        // SAFETY: the library is the one made above; it stays open.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(!handle.is_null());
        let find = |name: &str| {
            let name = CString::new(name).unwrap();
            // SAFETY: the library is open.
            let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
            assert!(!address.is_null());
            address
        };
        // SAFETY: these are the types in the source.
        unsafe {
            use std::mem::transmute;
            Some(Fake {
                pinned: transmute::<*mut libc::c_void, extern "C" fn() -> c_int>(find("fake_pinned")),
                references: transmute::<*mut libc::c_void, extern "C" fn() -> c_int>(find("fake_references")),
                current: transmute::<*mut libc::c_void, extern "C" fn() -> c_int>(find("fake_current")),
                fail_next: transmute::<*mut libc::c_void, extern "C" fn(c_int)>(find("fake_fail_next")),
            })
        }
    }

    /// How much is pinned, how many references there are to the context, and how many contexts are current.
    fn state(&self) -> (c_int, c_int, c_int) {
        ((self.pinned)(), (self.references)(), (self.current)())
    }
}

#[test]
fn memory_is_pinned_and_given_back_in_both_ways_and_failures_leave_nothing() {
    let Some(fake) = Fake::open() else { return println!("skipped: there is no C compiler here") };
    let pool = NumaPool::new(Allocator::SYSTEM).unwrap();
    let driver = Driver::open().unwrap();
    assert_eq!(driver.device_count().unwrap(), 2);
    assert_eq!(driver.pci_address(1).unwrap().to_string(), "0000:fe:1f.1");
    assert_eq!(driver.pci_address(2).unwrap_err().status(), Status::InvalidArgument);
    let missing = pool.node_of_gpu(0).unwrap_err();
    assert_eq!(missing.status(), Status::Io);
    assert!(missing.message().contains("0000:fe:1f.0/numa_node"), "{missing}");
    if pool.topology().nodes().iter().filter(|node| !node.cpus.is_empty()).count() > 1 {
        return println!("skipped: on several nodes the slot must be there");
    }
    for pin in [Pin::Register, Pin::HostAlloc] {
        for bytes in [1, 5000, (3 << 20) + 7] {
            let memory = pool.allocate_pinned(1, bytes, pin, None).unwrap();
            // One reference is the memory's.
            assert_eq!(fake.state(), (1, 1, 0), "{pin:?}");
            assert_eq!((memory.bytes(), memory.node()), (bytes, pool.topology().nodes()[0].number));
            // SAFETY: the memory is ours.
            unsafe { memory.start().as_ptr().write_bytes(3, bytes) };
            assert!(memory.report().unwrap().pages >= bytes / 4096);
            drop(memory);
            assert_eq!(fake.state(), (0, 0, 0), "{pin:?}");
        }
        (fake.fail_next)(2);
        let refused = pool.allocate_pinned(0, 4096, pin, None).err().unwrap();
        assert_eq!(refused.status(), Status::OutOfMemory);
        assert!(refused.message().contains("CUDA_ERROR_OUT_OF_MEMORY"), "{refused}");
        (fake.fail_next)(999);
        let refused = pool.allocate_pinned(0, 4096, pin, None).err().unwrap();
        assert_eq!(refused.status(), Status::Unsupported);
        assert!(refused.message().contains("999"), "{refused}");
        assert_eq!(fake.state(), (0, 0, 0), "{pin:?}");
    }
    assert_eq!(pool.allocate_pinned(7, 1, Pin::Register, None).err().unwrap().status(), Status::InvalidArgument);
}
