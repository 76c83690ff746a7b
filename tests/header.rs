//! The C header is what the sources say, and the list of exported symbols is what the header says.
//!
//! So is the loader, which has every function of the header.
//!
//! `VGPU_UPDATE_HEADER=1 cargo test --test header` (or `make header`) rewrites the files instead of failing.

#[path = "header_loader.rs"]
mod loader;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The order in which the header presents its subjects. Files not named here follow, by name.
const ORDER: [&str; 26] = [
    "mod",
    "status",
    "error",
    "types",
    "callbacks",
    "config",
    "pool",
    "lease",
    "submit",
    "stats",
    "trace",
    "task",
    "future",
    "group",
    "parallel",
    "reduce",
    "scan",
    "sort",
    "graph",
    "worker",
    "gemm",
    "gemm_batch",
    "gemm_packed",
    "gemm_files",
    "fork",
    "topology",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn update() -> bool {
    env::var_os("VGPU_UPDATE_HEADER").is_some_and(|value| value != "0" && !value.is_empty())
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// The files of `src/capi/`, in the header's order. Only these are read, so that no constant of another floor leaks into C.
fn sources() -> Vec<PathBuf> {
    let dir = root().join("src/capi");
    let mut files: Vec<PathBuf> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", dir.display()))
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort_by_key(|path| {
        let stem = path.file_stem().expect("a file name").to_string_lossy().into_owned();
        (ORDER.iter().position(|&known| known == stem).unwrap_or(ORDER.len()), stem)
    });
    files
}

fn generate() -> String {
    let mut config = cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml is valid");
    let versions = [
        ("@VERSION@", env!("CARGO_PKG_VERSION")),
        ("@VERSION_MAJOR@", env!("CARGO_PKG_VERSION_MAJOR")),
        ("@VERSION_MINOR@", env!("CARGO_PKG_VERSION_MINOR")),
        ("@VERSION_PATCH@", env!("CARGO_PKG_VERSION_PATCH")),
    ];
    let mut text = config.after_includes.take().expect("cbindgen.toml has after_includes");
    for (mark, value) in versions {
        text = text.replace(mark, value);
    }
    config.after_includes = Some(text);

    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in sources() {
        builder = builder.with_src(without_submodules(&source));
    }
    let mut bytes = Vec::new();
    builder.generate().expect("cbindgen reads src/capi/").write(&mut bytes);
    tidy(&String::from_utf8(bytes).expect("the header is UTF-8"))
}

/// cbindgen follows `mod name;`, and rustfmt sorts those by name. To choose the order ourselves we hand it a copy of
/// `mod.rs` which declares no files.
fn without_submodules(source: &Path) -> PathBuf {
    if source.file_name().is_none_or(|name| name != "mod.rs") {
        return source.to_owned();
    }
    let text: String = read(source)
        .lines()
        .filter(|line| !(line.trim_end().ends_with(';') && line.split_whitespace().any(|word| word == "mod")))
        .map(|line| line.to_owned() + "\n")
        .collect();
    // The tests run side by side, each in a thread of its own: one file each.
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("capi_mod_{:?}.rs", std::thread::current().id()));
    fs::write(&copy, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", copy.display()));
    copy
}

/// What cbindgen cannot be told: `VGPU_API` and the like on the line of their function, negative numbers in parentheses, no blanks at
/// line ends, one newline at the end.
fn tidy(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut shift = 0;
    for line in text.lines().map(str::trim_end) {
        if let Some(attributes) = lines.last_mut().filter(|last| last.starts_with("VGPU_API") && !last.contains('(')) {
            shift = attributes.len() + 1;
            *attributes = format!("{attributes} {line}");
        } else if let Some((name, value)) = line.strip_prefix("#define ").and_then(|rest| rest.split_once(" -")) {
            lines.push(format!("#define {name} (-{value})"));
        } else {
            let indent = if line.starts_with(' ') { shift } else { 0 };
            lines.push(format!("{:indent$}{line}", ""));
        }
        if line.ends_with(';') {
            shift = 0;
        }
    }
    let mut clean = lines.join("\n").replace("\n\n\n", "\n\n");
    clean.truncate(clean.trim_end().len());
    clean + "\n"
}

/// The functions that the header declares, sorted: in `VGPU_API <type> name(`, the word before the parenthesis.
fn declared(header: &str) -> Vec<String> {
    let mut names: Vec<String> = header
        .lines()
        .filter(|line| line.starts_with("VGPU_API "))
        .map(|line| {
            let before = line.split('(').next().unwrap_or(line);
            before.rsplit([' ', '*']).next().unwrap_or(before).to_owned()
        })
        .collect();
    names.sort();
    names
}

/// The functions that the sources export, sorted.
fn exported_by_sources() -> Vec<String> {
    let mut names = Vec::new();
    for source in sources() {
        let text = read(&source);
        for piece in text.split("no_mangle)]").skip(1) {
            let name = piece.split("fn ").nth(1).and_then(|rest| rest.split('(').next()).unwrap_or("(no function)");
            names.push(name.trim().to_owned());
        }
    }
    names.sort();
    names
}

/// Writes the file when updating, otherwise fails with the first line that differs.
fn check(path: &str, expected: &str) {
    let file = root().join(path);
    if update() {
        fs::create_dir_all(file.parent().expect("a parent")).expect("the folder can be made");
        fs::write(&file, expected).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    if found == expected {
        return;
    }
    let mut message =
        format!("{path} is not what src/capi/ and cbindgen.toml give. Run `make header` and commit it.\n");
    let mut old = found.lines();
    let mut new = expected.lines();
    for number in 1.. {
        let (was, is) = (old.next(), new.next());
        if was != is {
            let _ = writeln!(message, "first difference, line {number}:");
            let _ = writeln!(message, "  committed: {}", was.unwrap_or("(end of file)"));
            let _ = writeln!(message, "  generated: {}", is.unwrap_or("(end of file)"));
            break;
        }
    }
    panic!("{message}");
}

#[test]
fn the_header_is_fresh() {
    check("include/vgpu_pool.h", &generate());
}

#[test]
fn the_loader_is_fresh() {
    let frame = read(&root().join("abi/vgpu_pool_loader.h.in"));
    check("include/vgpu_pool_loader.h", &loader::generate(&generate(), &frame));
}

#[test]
fn the_export_list_is_the_header() {
    let mut list = String::new();
    for name in declared(&generate()) {
        list += &name;
        list.push('\n');
    }
    check("abi/exports.txt", &list);
}

/// cbindgen leaves out what it cannot read, a function made by a macro for instance, without a word.
#[test]
fn no_exported_function_is_missing_from_the_header() {
    assert_eq!(exported_by_sources(), declared(&generate()));
}

#[test]
fn every_function_and_struct_is_documented() {
    let header = generate();
    let mut before = "";
    let mut bare = Vec::new();
    for line in header.lines() {
        let declares = line.starts_with("VGPU_API ") || (line.starts_with("typedef struct ") && line.ends_with('{'));
        if declares && !before.ends_with("*/") {
            bare.push(line);
        }
        before = line;
    }
    assert!(bare.is_empty(), "no documentation in the header for:\n  {}", bare.join("\n  "));
}

/// Every row of the guarantees names tests, each by its file and by something that stands in it.
#[test]
fn every_guarantee_names_tests_that_are_there() {
    let guarantees = read(&root().join("docs/guarantees.md"));
    let mut missing = Vec::new();
    let mut rows = 0;
    for row in guarantees.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promised")) {
        let shown = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        let mut text = String::new();
        let mut names = 0;
        for name in shown.split('`').skip(1).step_by(2) {
            if name.contains('/') {
                text = fs::read_to_string(root().join(name)).unwrap_or_default();
            } else if text.contains(name) {
                names += 1;
            } else {
                missing.push(name);
            }
        }
        rows += 1;
        if names == 0 {
            missing.push(row);
        }
    }
    assert!(rows > 30 && missing.is_empty(), "docs/guarantees.md names what is not there:\n  {}", missing.join("\n  "));
}
