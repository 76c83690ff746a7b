//! Scopes, on real threads.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use std::alloc::{self, Layout};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use vgpu_pool::error::{Error, Status};
use vgpu_pool::os::alloc::Allocator;
use vgpu_pool::parallel;
use vgpu_pool::pool::{Config, Pinning, Pool, Scope, WhenFull, Worker};

/// Pools of 1 to 4 workers, for the tests whose closures wait for nobody; two others could wait for each other's worker.
static POOLS: LazyLock<Vec<Pool>> = LazyLock::new(|| (1..=4).map(pool).collect());

fn pool(workers: usize) -> Pool {
    Pool::new(&Config { workers, pinning: Pinning::Off, ..Config::default() }).unwrap()
}

/// Calls `action` on a worker.
fn on<R: Send>(pool: &Pool, action: impl FnOnce(&Worker) -> R + Send) -> R {
    pool.run(|worker| Ok(action(worker))).unwrap()
}

/// The text that `action` panics with.
fn panic_text(action: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(action)).unwrap_err();
    *payload.downcast::<String>().unwrap()
}

/// A panic without the message that it prints.
fn quiet_panic(text: &str) -> ! {
    resume_unwind(Box::new(text.to_string()))
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, SeqCst);
}

/// Waits for something that another thread will do.
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not happen");
        thread::yield_now();
    }
}

#[test]
fn what_is_spawned_is_called_once_and_may_change_what_it_borrows() {
    for pool in &*POOLS {
        for len in [0, 1, 2, 3, 1000] {
            let mut items = vec![0; len];
            let value = pool
                .scope(|_, scope| {
                    for (i, item) in items.iter_mut().enumerate() {
                        scope.spawn(move |_, _| *item += i + 1);
                    }
                    Ok(len)
                })
                .unwrap();
            assert_eq!(value, len);
            assert!(items.iter().zip(1..).all(|(item, expected)| *item == expected));
        }
    }
}

/// Each node of the tree spawns its children, through the scope it is given.
#[test]
fn what_is_spawned_may_spawn() {
    fn visit<'t>(depth: u32, visited: &'t AtomicUsize, scope: &Scope<'t>) {
        visited.fetch_add(1, SeqCst);
        if depth > 0 {
            for _ in 0..3 {
                scope.spawn(move |_, scope| visit(depth - 1, visited, scope));
            }
        }
    }
    for pool in &*POOLS {
        let visited = AtomicUsize::new(0);
        on(pool, |worker| worker.scope(|_, scope| visit(8, &visited, scope)));
        assert_eq!(visited.into_inner(), (3usize.pow(9) - 1) / 2);
    }
}

/// A closure that has been spawned by another has no frame on top of it, wherever it runs.
#[test]
fn a_long_chain_of_spawns_takes_no_stack() {
    fn link<'s>(left: usize, scope: &Scope<'s>, called: &'s AtomicUsize) {
        count(called);
        if left > 0 {
            scope.spawn(move |_, scope| link(left - 1, scope, called));
        }
    }
    const LINKS: usize = 100_000;
    for workers in [1, 2] {
        let config = Config { workers, stack_size: 256 << 10, pinning: Pinning::Off, ..Config::default() };
        let pool = Pool::new(&config).unwrap();
        let called = AtomicUsize::new(0);
        on(&pool, |worker| worker.scope(|_, scope| link(LINKS, scope, &called)));
        assert_eq!(called.swap(0, SeqCst), LINKS + 1);
        if workers == 1 {
            continue;
        }
        // On a thief: the body does not end before the chain has begun elsewhere.
        let stolen = AtomicBool::new(false);
        on(&pool, |worker| {
            worker.scope(|_, scope| {
                scope.spawn(|_, scope| {
                    stolen.store(true, SeqCst);
                    link(LINKS, scope, &called);
                });
                await_that("a theft", || stolen.load(SeqCst));
            });
        });
        assert_eq!(called.into_inner(), LINKS + 1);
    }
}

#[test]
fn what_is_spawned_runs_while_the_body_does() {
    for workers in 2..=4 {
        let pool = &pool(workers);
        let met = AtomicUsize::new(0);
        let meet = || {
            count(&met);
            await_that("the meeting", || met.load(SeqCst) == 2);
        };
        on(pool, |worker| {
            worker.scope(|_, scope| {
                scope.spawn(|_, _| meet());
                meet();
            });
        });
    }
}

/// The body waits for a group whose task waits for what was spawned last, and is private until then.
#[test]
fn a_wait_in_the_body_shows_what_was_spawned() {
    static GO: AtomicBool = AtomicBool::new(false);
    for workers in 2..=4 {
        let pool = &pool(workers);
        GO.store(false, SeqCst);
        on(pool, |worker| {
            worker.scope(|_, scope| {
                for _ in 0..10 {
                    scope.spawn(|_, _| ());
                }
                scope.spawn(|_, _| GO.store(true, SeqCst));
                let mut group = pool.group().unwrap();
                let task = |_: &Worker| {
                    await_that("the last", || GO.load(SeqCst));
                    Ok(())
                };
                group.submit(task).unwrap();
                group.wait().unwrap();
            });
        });
    }
}

#[test]
fn a_panic_comes_out_when_all_is_done() {
    for pool in &*POOLS {
        for panicking in [0, 1, 50, 99] {
            let called = AtomicUsize::new(0);
            let text = on(pool, |worker| {
                panic_text(|| {
                    worker.scope(|_, scope| {
                        for i in 0..100 {
                            let called = &called;
                            scope.spawn(move |_, _| {
                                count(called);
                                if i == panicking {
                                    quiet_panic("one of them");
                                }
                            });
                        }
                    });
                })
            });
            assert_eq!((text.as_str(), called.into_inner()), ("one of them", 100));
        }
    }
}

#[test]
fn a_panic_of_the_body_comes_out_when_all_is_done() {
    for pool in &*POOLS {
        let called = AtomicUsize::new(0);
        let text = on(pool, |worker| {
            panic_text(|| {
                worker.scope(|_, scope| {
                    for _ in 0..100 {
                        scope.spawn(|_, _| {
                            count(&called);
                            quiet_panic("a spawned one");
                        });
                    }
                    quiet_panic("the body");
                });
            })
        });
        assert!(pool.workers() > 1 || text == "the body", "nobody was before it");
        assert!(["the body", "a spawned one"].contains(&text.as_str()));
        assert_eq!(called.into_inner(), 100);
    }
}

/// A thief's closure spawns others, of which one panics; the thief waits for them, and the panic goes all the way.
#[test]
fn a_panic_of_what_a_thief_has_spawned_comes_out() {
    for workers in 2..=4 {
        let pool = &pool(workers);
        let (stolen, called) = (AtomicBool::new(false), AtomicUsize::new(0));
        let result = pool.scope(|worker, scope| {
            let owner = worker.index();
            let (stolen, called) = (&stolen, &called);
            scope.spawn(move |worker, scope| {
                assert_ne!(worker.index(), owner);
                for i in 0..10 {
                    scope.spawn(move |_, _| {
                        count(called);
                        if i == 3 {
                            quiet_panic("the third");
                        }
                    });
                }
                stolen.store(true, SeqCst);
            });
            await_that("a theft", || stolen.load(SeqCst));
            Ok(())
        });
        let error = result.unwrap_err();
        assert_eq!(error.status(), Status::Panic);
        assert!(error.message().contains("the third"), "{error}");
        assert_eq!(called.into_inner(), 10);
    }
}

/// A panic whose own destructor panics is one of many, and nobody may be torn down by it.
#[test]
fn a_second_panic_is_dropped_whatever_it_carries() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            quiet_panic("the payload's destructor");
        }
    }
    for pool in &*POOLS {
        let called = AtomicUsize::new(0);
        let caught = on(pool, |worker| {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                worker.scope(|_, scope| {
                    for _ in 0..10 {
                        scope.spawn(|_, _| {
                            count(&called);
                            resume_unwind(Box::new(Bomb));
                        });
                    }
                });
            }));
            let payload = outcome.unwrap_err();
            let is_bomb = payload.is::<Bomb>();
            std::mem::forget(payload);
            is_bomb
        });
        assert!(caught);
        assert_eq!(called.into_inner(), 10);
    }
}

#[test]
fn what_a_closure_holds_is_dropped_once_and_before_the_scope_ends() {
    struct Held<'a>(&'a AtomicUsize);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            count(self.0);
        }
    }
    for pool in &*POOLS {
        for panics in [false, true] {
            let dropped = AtomicUsize::new(0);
            on(pool, |worker| {
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    worker.scope(|_, scope| {
                        for i in 0..100 {
                            let held = Held(&dropped);
                            scope.spawn(move |_, _| {
                                let _held = held;
                                if panics && i % 3 == 0 {
                                    quiet_panic("every third");
                                }
                            });
                        }
                        Held(&dropped)
                    })
                }));
                assert_eq!((outcome.is_err(), dropped.load(SeqCst)), (panics, 100 + usize::from(panics)));
            });
        }
    }
}

/// An outer scope takes spawns while an inner one is open, whether or not that has spawned itself.
#[test]
fn scopes_nest_in_any_order() {
    for pool in &*POOLS {
        let called = AtomicUsize::new(0);
        on(pool, |worker| {
            worker.scope(|worker, outer| {
                outer.spawn(|_, _| count(&called));
                worker.scope(|worker, inner| {
                    outer.spawn(|_, _| count(&called));
                    inner.spawn(|_, _| count(&called));
                    outer.spawn(|_, scope| scope.spawn(|_, _| count(&called)));
                    worker.join(|worker| worker.scope(|_, scope| scope.spawn(|_, _| count(&called))), |_| ());
                    inner.spawn(|worker, _| worker.scope(|_, scope| scope.spawn(|_, _| count(&called))));
                });
                outer.spawn(|_, _| count(&called));
            });
        });
        assert_eq!(called.into_inner(), 7);
    }
}

#[test]
fn a_panic_of_what_is_called_on_the_spot_waits_for_the_end() {
    let called = AtomicUsize::new(0);
    let text = on(&POOLS[0], |worker| {
        panic_text(|| {
            worker.scope(|worker, outer| {
                worker.scope(|_, inner| {
                    inner.spawn(|_, _| count(&called));
                    // The inner scope has spawned, so this is called here and now.
                    outer.spawn(|_, scope| {
                        scope.spawn(|_, _| count(&called));
                        quiet_panic("on the spot");
                    });
                    assert_eq!(called.load(SeqCst), 1, "what it spawned is done, what was spawned before it is not");
                });
                count(&called);
            });
        })
    });
    assert_eq!((text.as_str(), called.into_inner()), ("on the spot", 3));
}

#[test]
fn scopes_work_inside_everything() {
    fn nest(worker: &Worker, leaves: &AtomicUsize) {
        worker.scope(|_, scope| {
            for _ in 0..3 {
                scope.spawn(|worker, _| {
                    worker.fork_all(3, |worker, _| {
                        let body = |worker: &Worker, piece: std::ops::Range<usize>| {
                            worker.scope(|_, scope| piece.for_each(|_| scope.spawn(|_, _| count(leaves))));
                            Ok(())
                        };
                        parallel::for_range_on(worker, 0..10, 2, body).unwrap();
                    });
                });
            }
        });
    }
    for pool in &*POOLS {
        let leaves = AtomicUsize::new(0);
        thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| on(pool, |worker| nest(worker, &leaves)));
            }
        });
        assert_eq!(leaves.into_inner(), 3 * 90);
    }
}

#[test]
fn a_scope_from_outside_gives_its_bodys_value_or_failure() {
    for pool in &*POOLS {
        assert_eq!(pool.scope(|_, _| Ok(7)).unwrap(), 7);
        let called = AtomicUsize::new(0);
        let result = pool.scope(|_, scope| {
            scope.spawn(|_, _| count(&called));
            Err::<(), _>(Error::new(Status::TaskFailed, format_args!("as asked")))
        });
        assert_eq!(result.unwrap_err().message(), "as asked");
        assert_eq!(called.into_inner(), 1);
    }
}

/// The recursion is an error, not a crash, and what was spawned on the way is done.
#[test]
fn a_recursion_of_scopes_too_deep_for_the_stack_is_an_error() {
    fn deeper(worker: &Worker, called: &AtomicUsize) {
        worker.scope(|_, scope| scope.spawn(|worker, _| deeper(worker, called)));
        count(called);
    }
    for workers in [1, 2] {
        let config = Config { workers, stack_size: 256 << 10, pinning: Pinning::Off, ..Config::default() };
        let pool = Pool::new(&config).unwrap();
        let called = AtomicUsize::new(0);
        let root = |worker: &Worker| {
            deeper(worker, &called);
            Ok(())
        };
        let error = pool.run(root).unwrap_err();
        assert_eq!(error.status(), Status::StackLimit);
        assert_eq!(on(&pool, |_| called.load(SeqCst)), 0, "the pool goes on");
    }
}

/// Memory that is counted, and that may run out.
struct Memory {
    blocks: AtomicUsize,
    is_out: AtomicBool,
}

impl Memory {
    const fn new() -> Memory {
        Memory { blocks: AtomicUsize::new(0), is_out: AtomicBool::new(false) }
    }

    fn allocator(&'static self) -> Allocator {
        unsafe extern "C-unwind" fn allocate(memory: *mut c_void, size: usize, align: usize) -> *mut c_void {
            // SAFETY: the context is the `Memory` below.
            let memory = unsafe { &*memory.cast::<Memory>() };
            if memory.is_out.load(SeqCst) {
                return ptr::null_mut();
            }
            count(&memory.blocks);
            // SAFETY: the pool asks for no empty blocks.
            unsafe { alloc::alloc(Layout::from_size_align(size, align).unwrap()).cast() }
        }
        unsafe extern "C-unwind" fn free(memory: *mut c_void, block: *mut c_void, size: usize, align: usize) {
            // SAFETY: the context is the `Memory` below; the block is from `allocate`, with the same size and alignment.
            unsafe {
                (*memory.cast::<Memory>()).blocks.fetch_sub(1, SeqCst);
                alloc::dealloc(block.cast(), Layout::from_size_align(size, align).unwrap());
            }
        }
        // SAFETY: any thread may call them.
        unsafe { Allocator::from_host(allocate, free, ptr::from_ref(self).cast_mut().cast()) }
    }
}

#[test]
fn every_block_is_given_back() {
    static MEMORY: Memory = Memory::new();
    for workers in 1..=3 {
        let config = Config { workers, pinning: Pinning::Off, allocator: MEMORY.allocator(), ..Config::default() };
        let pool = Pool::new(&config).unwrap();
        // Deques and inbox may have grown by then.
        let busy = |panics: bool| {
            on(&pool, |worker| {
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    worker.scope(|_, scope| {
                        for i in 0..500 {
                            scope.spawn(move |_, scope| {
                                scope.spawn(|_, _| thread::yield_now());
                                if panics && i % 7 == 0 {
                                    quiet_panic("every seventh");
                                }
                            });
                        }
                    });
                }));
                assert_eq!(outcome.is_err(), panics);
            });
        };
        let held = |pool: &Pool| {
            pool.wait_all().unwrap();
            MEMORY.blocks.load(SeqCst)
        };
        let before = held(&pool);
        let in_scope = AtomicUsize::new(0);
        on(&pool, |worker| {
            worker.scope(|_, scope| {
                (0..10).for_each(|_| scope.spawn(|_, _| ()));
                in_scope.store(MEMORY.blocks.load(SeqCst), SeqCst);
            });
        });
        assert!(in_scope.into_inner() >= before + 10);
        busy(false);
        busy(true);
        drop(pool);
        assert_eq!(MEMORY.blocks.load(SeqCst), 0);
    }
}

#[test]
fn without_memory_everything_is_called_on_the_spot() {
    static MEMORY: Memory = Memory::new();
    for workers in 1..=2 {
        let config = Config { workers, pinning: Pinning::Off, allocator: MEMORY.allocator(), ..Config::default() };
        let pool = Pool::new(&config).unwrap();
        let order = Mutex::new(vec![]);
        let text = on(&pool, |worker| {
            panic_text(|| {
                worker.scope(|_, scope| {
                    MEMORY.is_out.store(true, SeqCst);
                    for i in 0..3 {
                        let order = &order;
                        scope.spawn(move |_, scope| {
                            scope.spawn(move |_, _| order.lock().unwrap().push(10 + i));
                            order.lock().unwrap().push(i);
                            if i == 1 {
                                quiet_panic("the middle one");
                            }
                        });
                    }
                    MEMORY.is_out.store(false, SeqCst);
                });
            })
        });
        assert_eq!((text.as_str(), order.into_inner().unwrap()), ("the middle one", vec![10, 0, 11, 1, 12, 2]));
    }
}

/// A submitter that finds the inbox full runs its task itself, as a guest of the pool, which has no deque to share from.
#[test]
fn a_guest_may_open_a_scope() {
    let config =
        Config { workers: 1, inbox_capacity: 2, when_full: WhenFull::Run, pinning: Pinning::Off, ..Config::default() };
    let pool = Pool::new(&config).unwrap();
    static BLOCKED: AtomicBool = AtomicBool::new(false);
    static RELEASE: AtomicBool = AtomicBool::new(false);
    drop(pool.submit(|_| {
        BLOCKED.store(true, SeqCst);
        await_that("the release", || RELEASE.load(SeqCst));
    }));
    await_that("that the worker is busy", || BLOCKED.load(SeqCst));
    let here = thread::current().id();
    let futures: Vec<_> = (0..10)
        .map(|_| {
            let task = move |worker: &Worker| {
                let called = AtomicUsize::new(0);
                worker.scope(|_, scope| (0..10).for_each(|_| scope.spawn(|_, _| count(&called))));
                (called.into_inner(), thread::current().id() == here)
            };
            pool.submit(task).unwrap()
        })
        .collect();
    RELEASE.store(true, SeqCst);
    let found: Vec<_> = futures.into_iter().map(|future| future.get().unwrap()).collect();
    assert!(found.iter().all(|(called, _)| *called == 10));
    assert!(found.iter().any(|(_, is_guest)| *is_guest));
}
