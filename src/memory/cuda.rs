//! Pinned host memory through the CUDA driver, which is looked for at run time: without one, asking for such memory is an
//! ordinary error.
//!
//! There are two ways. The driver maps and pins pages by itself (`cuMemHostAlloc`), one after the other, on the node of the
//! thread that calls. Or the pages are placed and written here, by several threads at once, and the driver pins them afterwards
//! (`cuMemHostRegister`).

use crate::error::{Result, error};
use crate::memory::first_touch::Caller;
use crate::memory::gpu::PciAddress;
use crate::memory::node::{NodeMemory, Request};
use crate::memory::report::{self, PageReport};
use crate::topology::Topology;
use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::mem::transmute_copy;
use core::ptr::{self, NonNull};

/// How memory is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Placed and written by threads of the node, then given to the driver.
    Register,
    /// Mapped and pinned by the driver.
    HostAlloc,
}

type Context = *mut c_void;

/// The functions of the driver that are used here.
#[derive(Clone, Copy)]
pub struct Driver {
    error_name: unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int,
    device_count: unsafe extern "C" fn(*mut c_int) -> c_int,
    device: unsafe extern "C" fn(*mut c_int, c_int) -> c_int,
    pci_address: unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int,
    retain: unsafe extern "C" fn(*mut Context, c_int) -> c_int,
    release: unsafe extern "C" fn(c_int) -> c_int,
    push: unsafe extern "C" fn(Context) -> c_int,
    pop: unsafe extern "C" fn(*mut Context) -> c_int,
    host_alloc: unsafe extern "C" fn(*mut *mut c_void, usize, c_uint) -> c_int,
    host_free: unsafe extern "C" fn(*mut c_void) -> c_int,
    register: unsafe extern "C" fn(*mut c_void, usize, c_uint) -> c_int,
    unregister: unsafe extern "C" fn(*mut c_void) -> c_int,
}

/// Every context may use the memory.
const PORTABLE: c_uint = 1;

const LIBRARY: &CStr = c"libcuda.so.1";

/// A function of the library by its name. `F` is a pointer to a function.
fn function<F: Copy>(library: *mut c_void, name: &CStr) -> Result<F> {
    // SAFETY: the library is open and stays so; the name is terminated.
    let address = unsafe { libc::dlsym(library, name.as_ptr()) };
    if address.is_null() || size_of::<F>() != size_of::<*mut c_void>() {
        return Err(error!(Unsupported, "{LIBRARY:?} has no function {name:?}; install a newer NVIDIA driver"));
    }
    // SAFETY: both are pointers of one size, and the driver's header gives the function this type.
    Ok(unsafe { transmute_copy::<*mut c_void, F>(&address) })
}

impl Driver {
    /// Opens the driver. It stays open until the process ends: it does not take well to being closed.
    ///
    /// # Errors
    /// `Unsupported` where there is no driver, it is too old, or it finds no GPU.
    pub fn open() -> Result<Driver> {
        // SAFETY: the name is terminated; opening runs the library's own start-up code, which is the system's business.
        let library = unsafe { libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if library.is_null() {
            // SAFETY: the sentence is this thread's, and terminated.
            let reason = unsafe { libc::dlerror().as_ref().map(|text| CStr::from_ptr(text)) };
            let reason = reason.and_then(|text| text.to_str().ok()).unwrap_or("no reason was given");
            return Err(error!(
                Unsupported,
                "pinned memory was asked for, and there is no CUDA driver: {reason}; install the NVIDIA driver"
            ));
        }
        let init: unsafe extern "C" fn(c_uint) -> c_int = function(library, c"cuInit")?;
        let driver = Driver {
            error_name: function(library, c"cuGetErrorName")?,
            device_count: function(library, c"cuDeviceGetCount")?,
            device: function(library, c"cuDeviceGet")?,
            pci_address: function(library, c"cuDeviceGetPCIBusId")?,
            retain: function(library, c"cuDevicePrimaryCtxRetain")?,
            release: function(library, c"cuDevicePrimaryCtxRelease_v2")?,
            push: function(library, c"cuCtxPushCurrent_v2")?,
            pop: function(library, c"cuCtxPopCurrent_v2")?,
            host_alloc: function(library, c"cuMemHostAlloc")?,
            host_free: function(library, c"cuMemFreeHost")?,
            register: function(library, c"cuMemHostRegister_v2")?,
            unregister: function(library, c"cuMemHostUnregister")?,
        };
        // SAFETY: the driver's own way to begin; doing it again does nothing.
        driver.check("cuInit", unsafe { init(0) })?;
        Ok(driver)
    }

    fn check(&self, call: &str, code: c_int) -> Result<()> {
        const OUT_OF_MEMORY: c_int = 2;
        if code == 0 {
            return Ok(());
        }
        let mut name = ptr::null();
        // SAFETY: the driver writes the address of a string of its own, or leaves NULL.
        unsafe { (self.error_name)(code, &mut name) };
        let name = if name.is_null() {
            "an unknown error"
        } else {
            // SAFETY: the driver's strings are terminated and stay.
            unsafe { CStr::from_ptr(name) }.to_str().unwrap_or("an unknown error")
        };
        Err(match code {
            OUT_OF_MEMORY => error!(OutOfMemory, "{call}: the CUDA driver answers {name} ({code}); ask for less"),
            _ => error!(Unsupported, "{call}: the CUDA driver answers {name} ({code})"),
        })
    }

    /// How many GPUs this process sees.
    ///
    /// # Errors
    /// `Unsupported` with the driver's answer.
    pub fn device_count(&self) -> Result<u32> {
        let mut count = 0;
        // SAFETY: `count` is a valid place.
        self.check("cuDeviceGetCount", unsafe { (self.device_count)(&mut count) })?;
        Ok(u32::try_from(count).unwrap_or(0))
    }

    fn handle(&self, ordinal: u32) -> Result<c_int> {
        let count = self.device_count()?;
        if ordinal >= count {
            return Err(error!(InvalidArgument, "GPU {ordinal} was asked for; there are {count}, numbered from 0"));
        }
        let mut device = 0;
        // SAFETY: `device` is a valid place.
        self.check("cuDeviceGet", unsafe { (self.device)(&mut device, ordinal as c_int) })?;
        Ok(device)
    }

    /// The PCI slot of a GPU, by its number for CUDA.
    ///
    /// # Errors
    /// `InvalidArgument` for a number that is none; `Unsupported` with the driver's answer.
    pub fn pci_address(&self, ordinal: u32) -> Result<PciAddress> {
        let device = self.handle(ordinal)?;
        let mut text = [0 as c_char; 32];
        // SAFETY: the buffer is as long as said, and its last byte stays 0.
        let code = unsafe { (self.pci_address)(text.as_mut_ptr(), text.len() as c_int - 1, device) };
        self.check("cuDeviceGetPCIBusId", code)?;
        // SAFETY: terminated, since the last byte is 0.
        let text = unsafe { CStr::from_ptr(text.as_ptr()) };
        PciAddress::parse(text.to_str().unwrap_or(""))
    }
}

/// A GPU's primary context, current on this thread while it lives.
struct Current<'a> {
    driver: &'a Driver,
    device: c_int,
}

impl<'a> Current<'a> {
    fn new(driver: &'a Driver, device: c_int) -> Result<Current<'a>> {
        let mut context = ptr::null_mut();
        // SAFETY: `context` is a valid place; what is retained is released below or when this is dropped.
        driver.check("cuDevicePrimaryCtxRetain", unsafe { (driver.retain)(&mut context, device) })?;
        // SAFETY: the context was retained just now.
        let pushed = driver.check("cuCtxPushCurrent", unsafe { (driver.push)(context) });
        if pushed.is_err() {
            // SAFETY: retained above, used no more.
            unsafe { (driver.release)(device) };
        }
        pushed.map(|()| Current { driver, device })
    }
}

impl Drop for Current<'_> {
    fn drop(&mut self) {
        let mut context = ptr::null_mut();
        // SAFETY: what `new` pushed is taken off, and what it retained is released.
        unsafe {
            (self.driver.pop)(&mut context);
            (self.driver.release)(self.device);
        }
    }
}

/// Host memory that a GPU reads and writes directly. Dropping gives it back.
pub struct CudaMemory {
    driver: Driver,
    device: c_int,
    start: NonNull<u8>,
    bytes: usize,
    node: u32,
    /// Pages of ours that the driver has pinned; without them, the driver's own.
    placed: Option<NodeMemory>,
    /// Keeps the primary context, and with it the pinning, alive.
    retained: bool,
}

// SAFETY: the memory is plain bytes, and the driver's functions may be called from any thread.
unsafe impl Send for CudaMemory {}
// SAFETY: shared access offers addresses only.
unsafe impl Sync for CudaMemory {}

impl CudaMemory {
    /// Pins `bytes` near GPU `ordinal`. The calling thread runs on the node with the number `node`.
    pub(super) fn allocate(
        machine: &Topology,
        driver: Driver,
        ordinal: u32,
        node: u32,
        bytes: usize,
        pin: Pin,
    ) -> Result<CudaMemory> {
        if bytes == 0 {
            return Err(error!(InvalidArgument, "0 bytes were asked for near GPU {ordinal}; ask for at least one"));
        }
        let device = driver.handle(ordinal)?;
        let placed = match pin {
            Pin::Register => {
                Some(NodeMemory::allocate_from(machine, &Request::on_node(bytes, node), Caller::TakesPart)?)
            }
            Pin::HostAlloc => None,
        };
        let _current = Current::new(&driver, device)?;
        let (start, node) = match &placed {
            Some(memory) => {
                let start = memory.start();
                // SAFETY: the pages are ours and stay until they are unregistered.
                let code = unsafe { (driver.register)(start.as_ptr().cast(), bytes, PORTABLE) };
                driver.check("cuMemHostRegister", code)?;
                (start, memory.node())
            }
            None => {
                let mut start = ptr::null_mut();
                // SAFETY: `start` is a valid place.
                let code = unsafe { (driver.host_alloc)(&mut start, bytes, PORTABLE) };
                driver.check("cuMemHostAlloc", code)?;
                let start = NonNull::new(start.cast());
                (start.ok_or_else(|| error!(OutOfMemory, "cuMemHostAlloc gave no {bytes} bytes"))?, node)
            }
        };
        let mut context = ptr::null_mut();
        // SAFETY: `context` is a valid place. One reference more, so that the context outlives the memory.
        let retained = unsafe { (driver.retain)(&mut context, device) } == 0;
        Ok(CudaMemory { driver, device, start, bytes, node, placed, retained })
    }

    /// The first byte.
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How many bytes were asked for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the node it was to be on.
    pub fn node(&self) -> u32 {
        self.node
    }

    /// Asks where the pages are now.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn report(&self) -> Result<PageReport> {
        report::locate(self.start.as_ptr(), self.bytes)
    }
}

impl Drop for CudaMemory {
    fn drop(&mut self) {
        let current = Current::new(&self.driver, self.device);
        // SAFETY: the memory was pinned in this way by `allocate`, and nobody uses it any more. A failure leaves it to the
        // end of the process, which is all that can be done.
        let code = unsafe {
            match &self.placed {
                Some(_) => (self.driver.unregister)(self.start.as_ptr().cast()),
                None => (self.driver.host_free)(self.start.as_ptr().cast()),
            }
        };
        if code != 0 {
            // Pages that the driver still has must not go back to the system.
            core::mem::forget(self.placed.take());
        }
        drop(current);
        if self.retained {
            // SAFETY: retained once in `allocate`.
            unsafe { (self.driver.release)(self.device) };
        }
    }
}
