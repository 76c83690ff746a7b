//! Products of files: the bits of the product in memory, within the budget; and after an error the old file.

use super::*;
use crate::error::{Error, Status, error};
use crate::gemm::{FileGemm, FileMatrix, gemm_files};
use crate::os::file::PathBuffer;
use core::ffi::c_void;
use std::alloc::Layout as Memory;
use std::path::PathBuf;

/// A folder that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("vgpu-gemm-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuffer {
        PathBuffer::format(format_args!("{}/{name}", self.0.display())).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn write<T: Number>(&self, name: &str, before: usize, elements: &[T]) {
        let mut bytes = vec![0xaa; before];
        for element in elements {
            bytes.extend_from_slice(&element.bits().to_ne_bytes()[..size_of::<T>()]);
        }
        std::fs::write(self.0.join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes a case's matrices, A 5 bytes into its file, and says what is to be computed.
fn files<T: Number>(folder: &Folder, case: &Case<T>, budget: usize) -> FileGemm<T> {
    folder.write("a", 5, &case.a.memory[1..]);
    folder.write("b", 0, &case.b.memory[1..]);
    folder.write("c", 0, &case.c.memory[1..]);
    let shape = case.shape;
    FileGemm {
        layout: shape.layout,
        trans_a: shape.trans_a,
        trans_b: shape.trans_b,
        m: shape.m as i64,
        n: shape.n as i64,
        k: shape.k as i64,
        alpha: case.alpha,
        a: FileMatrix { path: folder.path("a"), offset: 5, ld: case.a.ld as i64 },
        b: FileMatrix { path: folder.path("b"), offset: 0, ld: case.b.ld as i64 },
        beta: case.beta,
        c: folder.path("c"),
        budget,
    }
}

/// A case whose C has no padding, though A and B have.
fn case<T: Number>(shape: Shape, beta: f64) -> Case<T> {
    let mut dice = Dice(21);
    let mut case = Case::<T>::new(shape, T::fraction(0.9), T::fraction(beta), || dice.fraction());
    let plain = Case::<T>::new(Shape { pad: 0, ..shape }, T::ONE, T::ZERO, || dice.fraction());
    case.c = plain.c;
    case
}

fn expected<T: Number>(case: &Case<T>) -> Vec<u8> {
    let c = case.run(Level::detect(), &Serial::default());
    c[1..].iter().flat_map(|x| x.bits().to_ne_bytes()[..size_of::<T>()].to_vec()).collect()
}

/// An allocator that knows how much it has given out, and the most it ever had.
#[derive(Default)]
struct Meter {
    now: AtomicUsize,
    most: AtomicUsize,
}

unsafe extern "C-unwind" fn metered(context: *mut c_void, size: usize, align: usize) -> *mut c_void {
    // SAFETY: the tests pass a `Meter` that outlives the allocator; the layout is not empty.
    unsafe {
        let meter = &*context.cast::<Meter>();
        let now = meter.now.fetch_add(size, Ordering::Relaxed) + size;
        meter.most.fetch_max(now, Ordering::Relaxed);
        std::alloc::alloc(Memory::from_size_align_unchecked(size, align)).cast()
    }
}

unsafe extern "C-unwind" fn unmetered(context: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
    // SAFETY: as above.
    unsafe {
        (*context.cast::<Meter>()).now.fetch_sub(size, Ordering::Relaxed);
        std::alloc::dealloc(memory.cast(), Memory::from_size_align_unchecked(size, align));
    }
}

/// Runs with a meter, and gives the most memory there ever was.
fn run<T: Number>(product: &FileGemm<T>, workers: usize) -> (Result<()>, usize) {
    let meter = Meter::default();
    let mut tiles = Threads::new(workers, 3);
    // SAFETY: the meter outlives the call, after which nothing is allocated.
    tiles.allocator = unsafe { Allocator::from_host(metered, unmetered, (&raw const meter).cast_mut().cast()) };
    let result = gemm_files(product, &|_, _| Ok(()), &tiles);
    assert_eq!(meter.now.load(Ordering::Relaxed), 0, "something is still allocated");
    (result, meter.most.load(Ordering::Relaxed))
}

fn like_in_memory<T: Number>(name: &str) {
    let folder = Folder::new(name);
    // The second k is such that equal parts of a part would not be the blocks of the whole.
    for (m, n, k) in [(37, 120, 90), (66, 130, 5121), (1, 300, 1500), (300, 1, 1500)] {
        for shape in (Shape { pad: 2, ..Shape::plain(m, n, k) }).everywhere() {
            let large = k > 5000 && (shape.trans_a == Transpose::No) != (shape.trans_b == Transpose::Yes);
            if large || shape.trans_a == Transpose::Conjugate || shape.trans_b == Transpose::Conjugate {
                continue;
            }
            for beta in [0.0, -1.1] {
                let case = case::<T>(shape, beta);
                let expected = expected(&case);
                for (workers, budget) in [(1, 310_000), (1, 1 << 30), (3, 700_000)] {
                    let product = files(&folder, &case, budget);
                    let (result, most) = run(&product, workers);
                    result.unwrap();
                    assert!(most <= budget, "{shape:?}: {most} bytes of {budget}");
                    assert!(folder.read("c") == expected, "{shape:?} {workers} {budget}");
                    assert_eq!(folder.names(), ["a", "b", "c"]);
                }
            }
        }
    }
}

#[test]
fn f32_files_give_the_bits_of_memory_within_the_budget() {
    like_in_memory::<f32>("f32");
}

#[test]
fn f64_files_give_the_bits_of_memory_within_the_budget() {
    like_in_memory::<f64>("f64");
}

#[test]
fn files_that_have_no_part_in_it_need_not_exist() {
    let folder = Folder::new("absent");
    for (alpha, k) in [(0.0, 7), (1.0, 0)] {
        let mut case = case::<f64>(Shape::plain(20, 30, k), 2.0);
        case.alpha = alpha;
        let expected = expected(&case);
        let product = files(&folder, &case, 1 << 20);
        std::fs::remove_file(folder.0.join("a")).unwrap();
        std::fs::remove_file(folder.0.join("b")).unwrap();
        gemm_files(&product, &|_, _| Ok(()), &Serial::default()).unwrap();
        assert!(folder.read("c") == expected);
        // Nor does C where it is not read.
        std::fs::remove_file(folder.0.join("c")).unwrap();
        gemm_files(&FileGemm { beta: 0.0, ..product }, &|_, _| Ok(()), &Serial::default()).unwrap();
        assert!(folder.read("c") == vec![0; 20 * 30 * 8]);
    }
}

#[test]
fn progress_counts_up_to_the_whole_and_can_end_it() {
    let folder = Folder::new("progress");
    let case = case::<f32>(Shape::plain(90, 100, 2000), 0.0);
    let product = files(&folder, &case, 400_000);
    let before = folder.read("c");
    let last = AtomicUsize::new(0);
    let stop = |done: u64, total: u64| -> Result<()> {
        assert_eq!(total, 90 * 100 * 2000);
        assert!(done as usize > last.load(Ordering::Relaxed));
        last.store(done as usize, Ordering::Relaxed);
        if 2 * done > total { Err(error!(Cancelled, "enough")) } else { Ok(()) }
    };
    let ended = gemm_files(&product, &stop, &Serial::default());
    assert_eq!(ended.err().map(|error| error.status()), Some(Status::Cancelled));
    assert!(last.load(Ordering::Relaxed) < 90 * 100 * 2000, "several steps, or there is nothing to end");
    assert!(folder.read("c") == before);
    assert_eq!(folder.names(), ["a", "b", "c"]);
    let last = AtomicUsize::new(0);
    let count = |done: u64, _: u64| {
        last.store(done as usize, Ordering::Relaxed);
        Ok(())
    };
    gemm_files(&product, &count, &Threads::new(2, 1)).unwrap();
    assert_eq!(last.load(Ordering::Relaxed), 90 * 100 * 2000);
}

#[test]
fn after_an_error_the_old_file_is_there_and_nothing_else() {
    let folder = Folder::new("errors");
    let case = case::<f32>(Shape::plain(40, 50, 600), 1.0);
    let refused = |status: Status, words: &str, spoil: &dyn Fn(&mut FileGemm<f32>)| {
        let mut product = files(&folder, &case, 1 << 20);
        let before = folder.read("c");
        spoil(&mut product);
        let failure: Error = gemm_files(&product, &|_, _| Ok(()), &Threads::new(2, 1)).expect_err(words);
        assert_eq!(failure.status(), status, "{failure}");
        assert!(failure.message().contains(words), "{failure}");
        assert!(folder.read("c") == before, "{words}");
        assert_eq!(folder.names(), ["a", "b", "c"], "{words}");
    };
    let cut = |name: &str, bytes: u64| {
        let file = std::fs::OpenOptions::new().write(true).open(folder.0.join(name)).unwrap();
        file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
    };
    refused(Status::Io, "but A needs 96005", &|_| cut("a", 5));
    refused(Status::Io, "but B needs 120000", &|_| cut("b", 5));
    refused(Status::Io, "cannot be opened", &|product| product.a.path = folder.path("none"));
    refused(Status::Io, "no regular file", &|product| product.b.path = folder.path("."));
    refused(Status::Io, "cannot be", &|product| {
        product.beta = 0.0;
        product.c = folder.path("none/c");
    });
    refused(Status::InvalidArgument, "lda,", &|product| product.a.ld -= 1);
    refused(Status::InvalidArgument, "m,", &|product| product.m = -1);
    refused(Status::InvalidArgument, "pass a file of C alone", &|product| product.n = 49);
    refused(Status::InvalidArgument, "or more", &|product| product.budget = 1000);
    // The file shrinks while it is read.
    let product = files(&folder, &case, 200_000);
    let before = folder.read("c");
    let shrink = |_, _| {
        std::fs::write(folder.0.join("b"), [0; 100]).unwrap();
        Ok(())
    };
    let failure = gemm_files(&product, &shrink, &Serial::default()).expect_err("the file is short");
    assert_eq!(failure.status(), Status::Io, "{failure}");
    assert!(folder.read("c") == before);
    assert_eq!(folder.names(), ["a", "b", "c"]);
}

#[test]
fn the_least_budget_that_is_named_is_enough() {
    let folder = Folder::new("least");
    let case = case::<f64>(Shape::plain(100, 150, 900), 0.5);
    let expected = expected(&case);
    let failure = gemm_files(&files(&folder, &case, 1), &|_, _| Ok(()), &Threads::new(2, 1)).expect_err("too little");
    let words: Vec<&str> = failure.message().split(' ').collect();
    let least: usize = words[words.len() - 3].parse().unwrap();
    let mut product = files(&folder, &case, least);
    let (result, most) = run(&product, 2);
    result.unwrap();
    assert!(most <= least);
    assert!(folder.read("c") == expected);
    product.budget = least / 2;
    assert!(gemm_files(&product, &|_, _| Ok(()), &Threads::new(2, 1)).is_err());
}
