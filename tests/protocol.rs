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
    use vgpu_pool::os::alloc::Allocator;
    use vgpu_pool::protocol::queue::*;

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

    #[test]
    fn a_capacity_below_two_is_refused() {
        assert!(Shard::<u8>::new(Allocator::SYSTEM, 1).is_err());
        assert!(Shard::<u8>::new(Allocator::SYSTEM, 6).is_err());
    }
}
