//! The one path every allocation takes. It can fail, and a host may put its own allocator behind it.
//!
//! The standard collections abort the process when memory runs out; a library inside somebody else's engine must not.
//! So nothing in this crate uses them at run time: [`Owned`] is a box, [`Array`] a slice whose length is set once,
//! [`List`] a vector, and each constructor returns a [`Result`].

use crate::error::{Result, error};
use core::alloc::Layout;
use core::ffi::c_void;
use core::fmt;
use core::marker::PhantomData;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};

/// Returns `size` bytes aligned to `align` (a power of two), or NULL.
pub type AllocateFn = unsafe extern "C-unwind" fn(context: *mut c_void, size: usize, align: usize) -> *mut c_void;
/// Takes back memory from the matching [`AllocateFn`], with the size and alignment it was asked for with.
pub type FreeFn = unsafe extern "C-unwind" fn(context: *mut c_void, memory: *mut c_void, size: usize, align: usize);

/// As [`AllocateFn`], told the NUMA node whose CPUs will use the memory, by the system's number.
pub type AllocateOnNodeFn =
    unsafe extern "C-unwind" fn(context: *mut c_void, size: usize, align: usize, node: u32) -> *mut c_void;

/// Where memory comes from: a pair of functions and their context. Copying it copies the reference, not the memory.
#[derive(Clone, Copy)]
pub struct Allocator {
    allocate: AllocateFn,
    free: FreeFn,
    context: *mut c_void,
}

// SAFETY: the constructor's contract is that the functions may be called from any thread.
unsafe impl Send for Allocator {}
// SAFETY: as above.
unsafe impl Sync for Allocator {}

unsafe extern "C-unwind" fn system_allocate(_: *mut c_void, size: usize, align: usize) -> *mut c_void {
    // The quick way, for what it aligns anyway.
    if align <= mem::align_of::<libc::max_align_t>() {
        // SAFETY: any size may be asked for.
        return unsafe { libc::malloc(size.max(1)) };
    }
    let mut memory = ptr::null_mut();
    // SAFETY: `memory` is a valid place for the result; `align` is a power of two, larger than a pointer.
    match unsafe { libc::posix_memalign(&mut memory, align, size) } {
        0 => memory,
        _ => ptr::null_mut(),
    }
}

unsafe extern "C-unwind" fn system_free(_: *mut c_void, memory: *mut c_void, _: usize, _: usize) {
    // SAFETY: the caller hands back what `system_allocate` returned.
    unsafe { libc::free(memory) }
}

impl Allocator {
    /// The C library's allocator.
    pub const SYSTEM: Allocator = Allocator { allocate: system_allocate, free: system_free, context: ptr::null_mut() };

    /// A host's allocator.
    ///
    /// # Safety
    /// Both functions may be called from any thread at any time while anything made with this allocator lives, must not
    /// unwind, and `allocate` must return memory of the size and alignment asked for, or NULL.
    pub const unsafe fn from_host(allocate: AllocateFn, free: FreeFn, context: *mut c_void) -> Allocator {
        Allocator { allocate, free, context }
    }

    /// Whether it is the C library's.
    pub fn is_system(&self) -> bool {
        ptr::fn_addr_eq(self.allocate, system_allocate as AllocateFn)
    }

    /// Memory for `layout`. For a layout of zero bytes the pointer is only well aligned.
    pub fn allocate(&self, layout: Layout) -> Result<NonNull<u8>> {
        if layout.size() == 0 {
            return Ok(layout_dangling(layout));
        }
        // SAFETY: by the constructor's contract the function may be called with any size and power-of-two alignment.
        let memory = unsafe { (self.allocate)(self.context, layout.size(), layout.align()) };
        NonNull::new(memory.cast()).ok_or_else(|| {
            error!(
                OutOfMemory,
                "{} bytes aligned to {} were asked for and the allocator has none; free memory or ask for less",
                layout.size(),
                layout.align()
            )
        })
    }

    /// Gives memory back.
    ///
    /// # Safety
    /// `memory` came from [`allocate`](Self::allocate) of an equal allocator with this very layout, and is not used again.
    pub unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            // SAFETY: the caller's contract is the host's.
            unsafe { (self.free)(self.context, memory.as_ptr().cast(), layout.size(), layout.align()) }
        }
    }
}

/// A host's allocator that can be told a NUMA node.
#[derive(Clone, Copy, Debug)]
pub struct NodeAllocator {
    allocate: AllocateOnNodeFn,
    host: Allocator,
}

impl NodeAllocator {
    /// Memory from `allocate` goes back to `host`, whose context it gets.
    ///
    /// # Safety
    /// As [`Allocator::from_host`] asks.
    pub const unsafe fn from_host(allocate: AllocateOnNodeFn, host: Allocator) -> NodeAllocator {
        NodeAllocator { allocate, host }
    }

    /// The memory of one node.
    pub fn on_node(self, node: u32) -> NodeMemorySource {
        NodeMemorySource { allocator: self, node }
    }
}

/// One node's part of a [`NodeAllocator`], which lends an [`Allocator`].
#[derive(Debug)]
pub struct NodeMemorySource {
    allocator: NodeAllocator,
    node: u32,
}

impl NodeMemorySource {
    /// An allocator like any other.
    ///
    /// # Safety
    /// `self` stays where it is, and lives, as long as anything made with the allocator.
    pub unsafe fn allocator(&self) -> Allocator {
        let context = ptr::from_ref(self).cast_mut().cast();
        Allocator { allocate: allocate_on_node, free: free_to_host, context }
    }
}

unsafe extern "C-unwind" fn allocate_on_node(source: *mut c_void, size: usize, align: usize) -> *mut c_void {
    // SAFETY: the context is the source that lent the allocator, which lives by contract.
    let NodeMemorySource { allocator, node } = unsafe { &*source.cast::<NodeMemorySource>() };
    // SAFETY: the host vouches for its function.
    unsafe { (allocator.allocate)(allocator.host.context, size, align, *node) }
}

unsafe extern "C-unwind" fn free_to_host(source: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
    // SAFETY: as above.
    let host = unsafe { &*source.cast::<NodeMemorySource>() }.allocator.host;
    // SAFETY: as above; the caller hands back what `allocate_on_node` gave.
    unsafe { (host.free)(host.context, memory, size, align) }
}

impl Default for Allocator {
    fn default() -> Allocator {
        Allocator::SYSTEM
    }
}

impl fmt::Debug for Allocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allocator").field("context", &self.context).finish_non_exhaustive()
    }
}

fn layout_dangling(layout: Layout) -> NonNull<u8> {
    NonNull::new(ptr::without_provenance_mut(layout.align())).unwrap_or(NonNull::dangling())
}

fn array_layout<T>(len: usize, align: usize) -> Result<Layout> {
    Layout::array::<T>(len)
        .and_then(|layout| layout.align_to(align))
        .map_err(|_| error!(Overflow, "{len} items of {} bytes do not fit the address space", mem::size_of::<T>()))
}

/// One value on the heap.
pub struct Owned<T> {
    value: NonNull<T>,
    allocator: Allocator,
    owns: PhantomData<T>,
}

// SAFETY: an `Owned` owns its value as a box does.
unsafe impl<T: Send> Send for Owned<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Owned<T> {}

impl<T> Owned<T> {
    /// Moves `value` to the heap. When there is no memory the value is dropped.
    pub fn new(allocator: Allocator, value: T) -> Result<Owned<T>> {
        Owned::new_with(allocator, || value)
    }

    /// Makes a value on the heap, in place. When there is no memory `make` is dropped.
    #[inline]
    pub fn new_with(allocator: Allocator, make: impl FnOnce() -> T) -> Result<Owned<T>> {
        let memory = allocator.allocate(Layout::new::<T>())?.cast::<T>();
        // SAFETY: fresh memory of the right layout.
        unsafe { memory.write(make()) };
        Ok(Owned { value: memory, allocator, owns: PhantomData })
    }

    /// Gives up ownership; [`from_raw`](Self::from_raw) takes it back.
    pub fn into_raw(owned: Owned<T>) -> NonNull<T> {
        mem::ManuallyDrop::new(owned).value
    }

    /// Takes back what [`into_raw`](Self::into_raw) gave.
    ///
    /// # Safety
    /// `value` came from `into_raw` of an `Owned` with this allocator and is owned by nobody else.
    pub unsafe fn from_raw(allocator: Allocator, value: NonNull<T>) -> Owned<T> {
        Owned { value, allocator, owns: PhantomData }
    }
}

impl<T> Deref for Owned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the value lives as long as `self`.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for Owned<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the value lives as long as `self` and is borrowed uniquely through it.
        unsafe { self.value.as_mut() }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the value is initialised, ours, and not used again.
        unsafe {
            self.value.drop_in_place();
            self.allocator.deallocate(self.value.cast(), Layout::new::<T>());
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A vector whose growth can fail.
pub struct List<T> {
    items: NonNull<T>,
    len: usize,
    capacity: usize,
    align: usize,
    allocator: Allocator,
    owns: PhantomData<T>,
}

// SAFETY: a `List` owns its items as a vector does.
unsafe impl<T: Send> Send for List<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for List<T> {}

impl<T> List<T> {
    /// An empty list; nothing is allocated yet.
    pub const fn new(allocator: Allocator) -> List<T> {
        List {
            items: NonNull::dangling(),
            len: 0,
            capacity: 0,
            align: mem::align_of::<T>(),
            allocator,
            owns: PhantomData,
        }
    }

    /// An empty list with room for `capacity` items.
    pub fn with_capacity(allocator: Allocator, capacity: usize) -> Result<List<T>> {
        let mut list = List::new(allocator);
        list.grow_to(capacity)?;
        Ok(list)
    }

    /// Makes room for `additional` more items.
    #[inline]
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        let wanted = self.len.checked_add(additional).ok_or_else(|| error!(Overflow, "a list length overflows"))?;
        if wanted > self.capacity {
            self.grow_to(wanted.max(self.capacity * 2).max(4))?;
        }
        Ok(())
    }

    /// Adds an item at the end. When there is no memory the item is dropped.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<()> {
        self.reserve(1)?;
        // SAFETY: `reserve` made room for index `len`.
        unsafe { self.items.add(self.len).write(item) };
        self.len += 1;
        Ok(())
    }

    /// Takes the last item off.
    pub fn pop(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        self.len -= 1;
        // SAFETY: the item is initialised and, `len` being lowered, no longer the list's.
        Some(unsafe { self.items.add(self.len).read() })
    }

    /// Drops the items from `len` on.
    pub fn truncate(&mut self, len: usize) {
        while self.len > len {
            drop(self.pop());
        }
    }

    /// The allocator this list grows with.
    pub fn allocator(&self) -> Allocator {
        self.allocator
    }

    #[cold]
    fn grow_to(&mut self, capacity: usize) -> Result<()> {
        if mem::size_of::<T>() == 0 {
            self.capacity = usize::MAX;
            return Ok(());
        }
        let layout = array_layout::<T>(capacity, self.align)?;
        let fresh = self.allocator.allocate(layout)?.cast::<T>();
        // SAFETY: both regions hold at least `len` items and do not overlap; the old one is given back unread after.
        unsafe {
            ptr::copy_nonoverlapping(self.items.as_ptr(), fresh.as_ptr(), self.len);
            self.free_storage();
        }
        self.items = fresh;
        self.capacity = capacity;
        Ok(())
    }

    /// # Safety
    /// The storage is not used again.
    unsafe fn free_storage(&mut self) {
        if self.capacity != 0 && mem::size_of::<T>() != 0 {
            // SAFETY: the storage was allocated with this layout, whose arithmetic succeeded then.
            unsafe {
                let layout = Layout::from_size_align_unchecked(self.capacity * mem::size_of::<T>(), self.align);
                self.allocator.deallocate(self.items.cast(), layout);
            }
        }
    }
}

impl<T: Clone> List<T> {
    /// A list with its own copy of every item of `items`.
    pub fn from_slice(allocator: Allocator, items: &[T]) -> Result<List<T>> {
        let mut list = List::with_capacity(allocator, items.len())?;
        for item in items {
            list.push(item.clone())?;
        }
        Ok(list)
    }
}

impl<T> Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: the first `len` items are initialised.
        unsafe { core::slice::from_raw_parts(self.items.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: the first `len` items are initialised and borrowed uniquely through `self`.
        unsafe { core::slice::from_raw_parts_mut(self.items.as_ptr(), self.len) }
    }
}

impl<T> Drop for List<T> {
    fn drop(&mut self) {
        self.truncate(0);
        // SAFETY: the list ends here.
        unsafe { self.free_storage() };
    }
}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A slice on the heap whose length is set when it is made, so that its items never move.
pub struct Array<T>(List<T>);

impl<T> Array<T> {
    /// An array of `len` items, each made by `make` from its index. The first failure drops what was made.
    pub fn from_fn(allocator: Allocator, len: usize, make: impl FnMut(usize) -> Result<T>) -> Result<Array<T>> {
        Array::aligned_from_fn(allocator, len, mem::align_of::<T>(), make)
    }

    /// As [`from_fn`](Self::from_fn), with the first item at a multiple of `align` bytes (a power of two).
    pub fn aligned_from_fn(
        allocator: Allocator,
        len: usize,
        align: usize,
        mut make: impl FnMut(usize) -> Result<T>,
    ) -> Result<Array<T>> {
        let mut list = List::new(allocator);
        list.align = align.max(mem::align_of::<T>());
        list.grow_to(len)?;
        for index in 0..len {
            list.push(make(index)?)?;
        }
        Ok(Array(list))
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for Array<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Uninitialised memory of a size and alignment, for buffers that are written before they are read.
#[derive(Debug)]
pub struct RawBuffer {
    memory: NonNull<u8>,
    layout: Layout,
    allocator: Allocator,
}

// SAFETY: a `RawBuffer` is the only owner of its memory.
unsafe impl Send for RawBuffer {}
// SAFETY: a shared `RawBuffer` only tells its address and size.
unsafe impl Sync for RawBuffer {}

impl RawBuffer {
    /// `size` bytes at a multiple of `align` (a power of two).
    pub fn new(allocator: Allocator, size: usize, align: usize) -> Result<RawBuffer> {
        let layout = Layout::from_size_align(size, align).map_err(|_| {
            error!(Overflow, "a buffer of {size} bytes aligned to {align} does not fit the address space")
        })?;
        Ok(RawBuffer { memory: allocator.allocate(layout)?, layout, allocator })
    }

    /// The first byte.
    pub fn as_ptr(&self) -> *mut u8 {
        self.memory.as_ptr()
    }

    /// The size in bytes.
    pub fn size(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for RawBuffer {
    fn drop(&mut self) {
        // SAFETY: the memory came from this allocator with this layout and ends here.
        unsafe { self.allocator.deallocate(self.memory, self.layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use core::sync::atomic::{AtomicUsize, Ordering};

    /// Lets `budget` allocations through, then has no memory; counts what is out.
    struct Scarce {
        budget: AtomicUsize,
        live: AtomicUsize,
    }

    unsafe extern "C-unwind" fn scarce_allocate(context: *mut c_void, size: usize, align: usize) -> *mut c_void {
        // SAFETY: the tests pass a `Scarce` that outlives the allocator.
        let scarce = unsafe { &*context.cast::<Scarce>() };
        if scarce.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
            return ptr::null_mut();
        }
        scarce.live.fetch_add(1, Ordering::Relaxed);
        // SAFETY: passed on unchanged.
        unsafe { system_allocate(ptr::null_mut(), size, align) }
    }

    unsafe extern "C-unwind" fn scarce_free(context: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
        // SAFETY: as in `scarce_allocate`.
        unsafe {
            (*context.cast::<Scarce>()).live.fetch_sub(1, Ordering::Relaxed);
            system_free(ptr::null_mut(), memory, size, align);
        }
    }

    fn scarce(budget: usize) -> (Box<Scarce>, Allocator) {
        let state = Box::new(Scarce { budget: AtomicUsize::new(budget), live: AtomicUsize::new(0) });
        let context = ptr::from_ref(&*state).cast_mut().cast();
        // SAFETY: both functions may run on any thread, and the tests keep `state` alive.
        (state, unsafe { Allocator::from_host(scarce_allocate, scarce_free, context) })
    }

    #[test]
    fn a_refused_allocation_is_an_error_and_drops_what_was_made() {
        let (state, allocator) = scarce(3);
        let made = Array::from_fn(allocator, 5, |i| Owned::new(allocator, i));
        assert_eq!(made.err().map(|e| e.status()), Some(Status::OutOfMemory));
        assert_eq!(state.live.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_list_grows_and_gives_everything_back() {
        let (state, allocator) = scarce(usize::MAX);
        let mut list = List::new(allocator);
        for i in 0..1000 {
            list.push(Owned::new(allocator, i).unwrap()).unwrap();
        }
        assert!(list.iter().enumerate().all(|(i, item)| **item == i));
        list.truncate(10);
        assert_eq!(list.len(), 10);
        drop(list);
        assert_eq!(state.live.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_array_is_aligned_as_asked() {
        let array = Array::aligned_from_fn(Allocator::SYSTEM, 3, 4096, |i| Ok(i as u8)).unwrap();
        assert_eq!(array.as_ptr() as usize % 4096, 0);
        assert_eq!(&*array, &[0, 1, 2]);
    }

    #[test]
    fn a_length_that_overflows_is_an_error() {
        let mut list = List::<u64>::new(Allocator::SYSTEM);
        assert_eq!(list.reserve(usize::MAX).err().map(|e| e.status()), Some(Status::Overflow));
    }
}
