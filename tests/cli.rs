//! The command-line tool, run as a user runs it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vgpu_pool::pool::{Config, Pool};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vgpu-pool")).args(arguments).output().unwrap()
}

fn text(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&text(arguments)).unwrap()
}

/// A recorded machine of two nodes: four CPUs, two threads in each core, and a third node of memory only.
struct Machine(PathBuf);

impl Machine {
    fn new(name: &str) -> Machine {
        let root = std::env::temp_dir().join(format!("vgpu-cli-{name}-{}", std::process::id()));
        let write = |path: &str, contents: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, contents).unwrap();
        };
        write("sys/devices/system/cpu/online", "0-3\n");
        for cpu in 0..4 {
            let (core, node) = (cpu / 2, cpu / 2);
            let siblings = format!("{}-{}\n", 2 * core, 2 * core + 1);
            write(&format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"), &siblings);
            write(&format!("sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id"), &format!("{node}\n"));
        }
        write("sys/devices/system/node/online", "0-2\n");
        for (node, cpus, bytes, row) in
            [(0, "0-1", 1024, "10 21 17"), (1, "2-3", 2048, "22 10 28"), (2, "", 4096, "17 28 10")]
        {
            write(&format!("sys/devices/system/node/node{node}/cpulist"), &format!("{cpus}\n"));
            write(
                &format!("sys/devices/system/node/node{node}/meminfo"),
                &format!("Node {node} MemTotal: {bytes} kB\n"),
            );
            write(&format!("sys/devices/system/node/node{node}/distance"), &format!("{row}\n"));
        }
        Machine(root)
    }

    fn root(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_recorded_machine_as_text() {
    let machine = Machine::new("text");
    let text = text(&["topology", "--root", machine.root()]);
    let wanted = "\
Machine: 4 CPUs, 2 cores, 2 packages, 3 nodes, 7 MiB
  Package 0 + Node 0, 1 MiB + L3 group + L2 group + Core 0: CPU 0, 1
  Package 1 + Node 1, 2 MiB + L3 group + L2 group + Core 1: CPU 2, 3
  Node 2, 4 MiB, no CPUs
Distances from node (row) to node (column):
         0    1    2
    0   10   21   17
    1   22   10   28
    2   17   28   10
Workers by default: 4
";
    assert!(text.starts_with(wanted), "{text}");
    assert!(text.contains("Note: CPU 0 and 3 more: no L2 cache is told"), "{text}");
}

#[test]
fn a_recorded_machine_as_json() {
    let machine = Machine::new("json");
    let machine = json(&["topology", "--json", "--root", machine.root()]);
    assert_eq!(machine["cpus"].as_array().unwrap().len(), 4);
    assert_eq!((&machine["cpus"][3]["node"], &machine["cpus"][3]["thread"]), (&1.into(), &1.into()));
    assert_eq!(machine["nodes"][1]["distances"], serde_json::json!([22, 10, 28]));
    assert_eq!(machine["nodes"][2]["cpus"], serde_json::json!([]));
    assert_eq!(machine["caches"]["l3"], Value::Null);
}

/// Every opened box is closed, and inside its parent.
#[test]
fn a_recorded_machine_as_a_drawing() {
    let machine = Machine::new("svg");
    let svg = text(&["topology", "--svg", "--root", machine.root()]);
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{svg}");
    for name in ["Package 0", "Node 2, 4 MiB, no CPUs", "CPU 3"] {
        assert!(svg.contains(&format!(">{name}</text>")), "{svg}");
    }
    let number = |line: &str, name: &str| -> f64 {
        line.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
    };
    let (width, height) = (number(&svg, "width"), number(&svg, "height"));
    let boxes: Vec<&str> = svg.lines().filter(|line| line.starts_with("<rect")).collect();
    // The machine, and for each package: itself, node, L3, L2, core, two CPUs; and the third node.
    assert_eq!(boxes.len(), 1 + 2 * 7 + 1);
    for line in boxes {
        assert!(number(line, "x") + number(line, "width") <= width, "{line}");
        assert!(number(line, "y") + number(line, "height") <= height, "{line}");
    }
}

#[test]
fn this_machine_is_told() {
    let machine = json(&["topology", "--json"]);
    let cpus = machine["cpus"].as_array().unwrap().len() as u64;
    assert!(machine["default_worker_count"].as_u64().unwrap() <= cpus);
    assert!(text(&["topology"]).starts_with("Machine: "));
}

#[test]
fn the_doctor_tries_everything() {
    let findings = json(&["doctor", "--json"]);
    let whats: Vec<&str> = findings.as_array().unwrap().iter().map(|row| row["what"].as_str().unwrap()).collect();
    for what in ["affinity", "memory policy", "page location", "huge pages", "CPU quota", "membarrier"] {
        assert!(whats.contains(&what), "{whats:?}");
    }
    for row in findings.as_array().unwrap() {
        assert!(["works", "limited", "refused"].contains(&row["state"].as_str().unwrap()), "{row}");
        assert!(!row["found"].as_str().unwrap().is_empty());
    }
    assert_eq!(text(&["doctor"]).lines().count(), whats.len());
}

#[test]
fn every_way_to_share_tasks_is_measured() {
    let small = ["bench", "--tasks", "200", "--task-ns", "500", "--rounds", "1", "--workers", "2"];
    let rows = json(&[&small[..], &["--json"]].concat());
    let rows = rows.as_array().unwrap();
    let of = |table: &str| rows.iter().filter(|row| row["table"].as_str().unwrap().starts_with(table)).count();
    assert_eq!(
        (of("skewed, submitted by one outside"), of("skewed, submitted by one task"), of("settings")),
        (9, 9, 7)
    );
    for row in rows {
        let imbalance = row["imbalance"].as_f64().unwrap();
        assert!((1.0..=2.0).contains(&imbalance) && row["median_s"].as_f64().unwrap() > 0.0, "{row}");
    }
    // Without stealing all stays where it was submitted.
    let still = rows.iter().find(|row| row["way"] == "stealing off").unwrap();
    assert_eq!((&still["imbalance"], &still["migrations"]), (&2.0.into(), &0.into()));
    assert!(text(&small).contains("| Shared, Load | "));
}

#[test]
fn a_trace_is_summed_up() {
    let path = std::env::temp_dir().join(format!("vgpu-cli-trace-{}.json", std::process::id()));
    let pool = Pool::new(&Config { workers: 2, ..Config::default() }).unwrap();
    pool.trace_start(0).unwrap();
    for _ in 0..10 {
        pool.submit(|_| ()).unwrap().get().unwrap();
    }
    assert!(pool.trace_stop());
    pool.trace_write(path.to_str().unwrap()).unwrap();
    let summary = json(&["trace", "--json", path.to_str().unwrap()]);
    assert_eq!((&summary["total"]["tasks"], &summary["dropped_events"]), (&10.into(), &0.into()));
    assert_eq!(summary["workers"].as_array().unwrap().len(), 2);
    assert!(
        text(&["trace", path.to_str().unwrap()]).lines().any(|line| line.trim_start().starts_with("all         10"))
    );
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_is_no_trace_is_refused() {
    let path = std::env::temp_dir().join(format!("vgpu-cli-no-trace-{}", std::process::id()));
    let refused = |contents: &str, why: &str| {
        std::fs::write(&path, contents).unwrap();
        let output = run(&["trace", path.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{contents}: {said}");
    };
    refused("{", "no JSON");
    refused("[]", "no list of traceEvents");
    refused(r#"{"traceEvents":[{"ph":"X"}]}"#, "event 0 names no worker");
    refused(r#"{"traceEvents":[{"ph":"X","tid":0,"cat":"task","ts":1}]}"#, "event 0 has no dur");
    refused(r#"{"traceEvents":[{"ph":"X","tid":0,"cat":"task","ts":-1,"dur":1}]}"#, "event 0 has no ts");
    refused(r#"{"traceEvents":[{"ph":"X","tid":0,"cat":"tea","ts":1,"dur":1}]}"#, "event 0 is a tea");
    std::fs::remove_file(&path).unwrap();
    let output = run(&["trace", path.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not be read"));
}

#[test]
fn latencies_are_told_for_each_mode_and_class() {
    let page = std::env::temp_dir().join(format!("vgpu-cli-latency-{}.html", std::process::id()));
    let told = json(&[
        "latency",
        "--workload",
        "high",
        "--mode",
        "stealing,shared,micropools,handover",
        "--load",
        "0.3",
        "--requests",
        "1000",
        "--workers",
        "3",
        "--scale",
        "20",
        "--cost",
        "time",
        "--json",
        "--html",
        page.to_str().unwrap(),
    ]);
    let runs = told["runs"].as_array().unwrap();
    let modes: Vec<&str> = runs.iter().map(|run| run["mode"].as_str().unwrap()).collect();
    assert_eq!(modes, ["stealing", "shared", "micropools", "handover"]);
    let mut counts = vec![];
    for run in runs {
        let classes = run["classes"].as_array().unwrap();
        assert_eq!(classes.iter().map(|class| class["class"].as_str().unwrap()).collect::<Vec<_>>(), ["short", "long"]);
        counts.push(classes.iter().map(|class| class["requests"].as_u64().unwrap()).collect::<Vec<_>>());
        // The long ones take 2 ms, the short ones 20 us; nobody can be faster than that.
        for (class, least) in classes.iter().zip([20_000, 2_000_000]) {
            assert!(class["latency_ns"]["p50"].as_u64().unwrap() >= least, "{class}");
            assert!(class["simulated_slowdown_p99.9"].as_f64().unwrap() >= 1.0, "{class}");
        }
    }
    // The same requests in every mode, without the first tenth.
    assert!(counts.iter().all(|count| *count == counts[0] && count.iter().sum::<u64>() == 900), "{counts:?}");
    let drawn = std::fs::read_to_string(&page).unwrap();
    assert_eq!(drawn.matches("stroke-width=\"2\"").count(), 2 * 8);
    std::fs::remove_file(page).unwrap();
}

#[test]
fn a_latency_run_that_makes_no_sense_is_refused() {
    let refused = |arguments: &[&str], why: &str| {
        let output = run(&[&["latency"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{arguments:?}: {said}");
    };
    refused(&["--load", "1.5"], "a load of 1.5");
    refused(&["--workers", "1"], "one at least for each kind");
    refused(&["--workers", "4", "--short-workers", "4"], "one at least for each kind");
    refused(&["--requests", "10"], "10 requests");
    refused(&["--scale", "0"], "a scale of 0");
    refused(&["--workload", "none"], "none");
    refused(&["--mode", "none"], "none");
}

#[test]
fn a_root_that_is_none_is_named() {
    let output = run(&["topology", "--root", "/nowhere/at/all"]);
    assert!(!output.status.success());
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("/nowhere/at/all/sys/devices/system/cpu"), "{complaint}");
    assert!(!run(&["no-such-command"]).status.success());
}

/// Recorded machines lie beside the checkout on some machines. Each is told in every form.
#[test]
fn recorded_machines_are_told_in_every_form() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/topologies");
    let Ok(entries) = std::fs::read_dir(folder) else { return println!("skipped: no recorded machines here") };
    for archive in entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension() == Some("bz2".as_ref())) {
        let name = archive.file_stem().unwrap().to_str().unwrap();
        let target = std::env::temp_dir().join(format!("vgpu-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&target).unwrap();
        let unpacked = Command::new("tar").arg("xjf").arg(&archive).arg("-C").arg(&target).status();
        if unpacked.is_ok_and(|status| status.success()) {
            let root = std::fs::read_dir(&target).unwrap().next().unwrap().unwrap().path();
            let root = root.to_str().unwrap();
            let cpus = json(&["topology", "--json", "--root", root])["cpus"].as_array().unwrap().len();
            let drawn = text(&["topology", "--svg", "--root", root]).matches(">CPU ").count();
            assert_eq!(drawn, cpus, "{name}");
            assert!(text(&["topology", "--root", root]).contains(&format!("{cpus} CPUs")), "{name}");
        }
        drop(std::fs::remove_dir_all(&target));
    }
}
