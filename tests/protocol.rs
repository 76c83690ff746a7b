//! What the protocols do on one thread. What they do on several is checked under `verification/`.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

mod deque {
    use core::ptr::{self, NonNull};
    use vgpu_pool::os::alloc::Allocator;
    use vgpu_pool::protocol::deque::*;

    fn word(i: usize) -> NonNull<u8> {
        NonNull::new(ptr::without_provenance_mut(i + 1)).unwrap()
    }

    #[test]
    fn the_owner_takes_the_newest_and_thieves_the_oldest() {
        let deque = Deque::<u8>::new(Allocator::SYSTEM, 2, 8).unwrap();
        // SAFETY: this thread is the owner.
        unsafe {
            for i in 0..8 {
                deque.push(word(i)).unwrap();
            }
            assert_eq!(deque.push(word(8)).unwrap_err().status(), vgpu_pool::error::Status::QueueFull);
            assert_eq!(deque.pop(), Some(word(7)));
            assert_eq!(deque.steal(), Steal::Got(word(0)));
            assert_eq!(deque.steal(), Steal::Got(word(1)));
            assert_eq!(deque.len(), 5);
            assert!(deque.retired_bytes() < 64);
            for i in (2..7).rev() {
                assert_eq!(deque.pop(), Some(word(i)));
            }
            assert_eq!(deque.pop(), None);
            assert_eq!(deque.steal(), Steal::Empty);
        }
    }

    #[test]
    fn popping_an_untouched_deque_finds_nothing() {
        let deque = Deque::<u8>::new(Allocator::SYSTEM, 2, 2).unwrap();
        // SAFETY: this thread is the owner.
        unsafe {
            assert_eq!(deque.pop(), None);
            deque.push(word(0)).unwrap();
            assert_eq!(deque.pop(), Some(word(0)));
        }
    }

    #[test]
    fn sizes_that_are_no_powers_of_two_are_refused() {
        assert!(Deque::<u8>::new(Allocator::SYSTEM, 3, 4).is_err());
        assert!(Deque::<u8>::new(Allocator::SYSTEM, 8, 4).is_err());
    }
}

mod queue {
    use core::ptr::{self, NonNull};
    use std::alloc::{self, Layout};
    use std::ffi::c_void;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use vgpu_pool::os::alloc::Allocator;
    use vgpu_pool::protocol::queue::*;
    use vgpu_pool::protocol::run_queue::{Growth, RunQueue};
    use vgpu_pool::protocol::sharded::ShardedQueue;

    fn word(i: usize) -> NonNull<u8> {
        NonNull::new(ptr::without_provenance_mut(i + 1)).unwrap()
    }

    #[test]
    fn a_shard_is_first_in_first_out_and_knows_when_it_is_full() {
        let shard = Shard::<u8>::new(Allocator::SYSTEM, 4).unwrap();
        for lap in 0..5 {
            for i in 0..4 {
                assert_eq!(shard.push(word(lap * 4 + i)), Ok(()));
            }
            assert_eq!(shard.push(word(99)), Err(word(99)));
            assert!(shard.has_work());
            for i in 0..4 {
                assert_eq!(shard.pop(), Some(word(lap * 4 + i)));
            }
            assert_eq!(shard.pop(), None);
            assert!(!shard.has_work());
        }
    }

    #[test]
    fn a_full_home_spills_into_the_next_shard() {
        let queue = ShardedQueue::<u8>::new(Allocator::SYSTEM, 2, 2).unwrap();
        for i in 0..4 {
            assert_eq!(queue.push(1, word(i)), Ok(()));
        }
        assert_eq!(queue.push(1, word(9)), Err(word(9)));
        assert_eq!((0..4).map(|_| queue.pop(1)).collect::<Vec<_>>(), (0..4).map(|i| Some(word(i))).collect::<Vec<_>>());
        assert!(!queue.has_work());
    }

    /// An allocator that grants so many requests.
    fn scarce(grants: usize) -> Allocator {
        unsafe extern "C-unwind" fn allocate(left: *mut c_void, size: usize, align: usize) -> *mut c_void {
            // SAFETY: the number below.
            let left = unsafe { &*left.cast::<AtomicUsize>() };
            match left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)) {
                // SAFETY: nobody asks for nothing.
                Ok(_) => unsafe { alloc::alloc(Layout::from_size_align(size, align).unwrap()).cast() },
                Err(_) => ptr::null_mut(),
            }
        }
        unsafe extern "C-unwind" fn free(_: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
            // SAFETY: from `allocate`, with the same size and alignment.
            unsafe { alloc::dealloc(memory.cast(), Layout::from_size_align(size, align).unwrap()) }
        }
        let left = Box::leak(Box::new(AtomicUsize::new(grants)));
        // SAFETY: any thread may call them.
        unsafe { Allocator::from_host(allocate, free, ptr::from_mut(left).cast()) }
    }

    /// Rings of 2, 4 and 8, or four of 2.
    #[test]
    fn a_run_queue_grows_to_its_limit_and_no_further() {
        for (growth, most) in [(Growth::Vertical, 14), (Growth::Horizontal, 8)] {
            let queue = RunQueue::<u8>::new(Allocator::SYSTEM, 2, 8, growth).unwrap();
            let accepted = (0..20).take_while(|&i| queue.push(word(i)).is_ok()).count();
            assert_eq!((accepted, queue.len()), (most, most), "{growth:?}");
            let mut taken: Vec<_> = (0..most).map(|turn| queue.pop(turn).unwrap()).collect();
            if growth == Growth::Horizontal {
                // The order of turns, hence another one.
                assert!(!taken.is_sorted(), "{taken:?}");
                taken.sort_unstable();
            }
            assert_eq!(taken, (0..most).map(word).collect::<Vec<_>>(), "{growth:?}");
            assert_eq!((queue.pop(0), queue.has_work(), queue.is_empty()), (None, false, true));
            // What has grown stays so.
            let elements: Vec<_> = (0..20).map(word).collect();
            assert_eq!(queue.push_many(&elements), 8, "{growth:?}");
        }
    }

    #[test]
    fn a_run_queue_without_memory_to_grow_is_full() {
        for growth in [Growth::Vertical, Growth::Horizontal] {
            let queue = RunQueue::<u8>::new(scarce(2), 2, 8, growth).unwrap();
            assert_eq!((0..3).map(|i| queue.push(word(i)).is_ok()).collect::<Vec<_>>(), [true, true, false]);
            assert_eq!((queue.pop(0), queue.pop(0), queue.pop(0)), (Some(word(0)), Some(word(1)), None));
        }
    }

    #[test]
    fn a_run_queue_of_odd_sizes_is_refused() {
        let refused =
            |capacity, limit, growth| RunQueue::<u8>::new(Allocator::SYSTEM, capacity, limit, growth).is_err();
        assert!(refused(2, 6, Growth::Vertical) && refused(4, 2, Growth::Vertical) && refused(6, 8, Growth::Vertical));
        assert!(refused(2, 256, Growth::Horizontal) && !refused(2, 128, Growth::Horizontal));
    }

    #[test]
    fn a_capacity_below_two_is_refused() {
        assert!(Shard::<u8>::new(Allocator::SYSTEM, 1).is_err());
        assert!(Shard::<u8>::new(Allocator::SYSTEM, 6).is_err());
    }
}
