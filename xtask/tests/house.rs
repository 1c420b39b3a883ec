//! The house: doors lead down, rooms are small, and what was promised about them is so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The floor of each crate: a door leads to a lower floor only.
const FLOORS: [(&str, u32); 13] = [
    ("dwell", 4),
    ("dwell-server", 3),
    ("dwell-engine", 2),
    ("dwell-courier", 2),
    ("dwell-lake", 2),
    ("dwell-dialect", 1),
    ("dwell-keys", 1),
    ("dwell-policy", 1),
    ("dwell-simulate", 1),
    ("dwell-store", 1),
    ("dwell-ui", 1),
    ("dwell-core", 0),
    ("xtask", 0),
];

/// The longest a file of code may be, tests apart.
const LONGEST_FILE: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The normal dependencies of every crate of the workspace.
fn doors() -> BTreeMap<String, Vec<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            (name(package), dependencies.iter().filter(|one| one["kind"].is_null()).map(name).collect())
        })
        .collect()
}

#[test]
fn every_crate_has_its_floor_and_doors_lead_down() {
    let floors: BTreeMap<&str, u32> = FLOORS.into();
    for (from, doors) in doors() {
        let floor = floors.get(from.as_str()).unwrap_or_else(|| panic!("{from} has no floor in FLOORS"));
        for to in doors.iter().filter_map(|door| floors.get_key_value(door.as_str())) {
            assert!(to.1 < floor, "{from} (floor {floor}) has a door up to {} (floor {})", to.0, to.1);
        }
    }
}

#[test]
fn the_ground_floor_stands_on_two_small_libraries() {
    assert_eq!(doors()["dwell-core"], ["libm", "xxhash-rust"]);
}

#[test]
fn core_has_no_standard_library_and_no_unsafe_code() {
    let lib = std::fs::read_to_string(root().join("crates/dwell-core/src/lib.rs")).unwrap();
    assert!(lib.contains("#![no_std]") && lib.contains("#![forbid(unsafe_code)]"));
}

#[test]
fn files_fit_a_head() {
    let mut long = Vec::new();
    for file in code(&root().join("crates")) {
        if file.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if LONGEST_FILE < lines {
            long.push(format!("{} has {lines} lines", file.display()));
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn nothing_is_left_for_later_without_an_entry() {
    for file in code(&root().join("crates")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in ["TODO", "FIXME", "XXX"] {
            assert!(!text.contains(word), "{} holds {word}: write it down in docs/GAPS.md", file.display());
        }
    }
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let mut files = vec![root().join("README.md"), root().join("ARCHITECTURE.md"), root().join("GLOSSARY.md")];
    files.extend(ending(&root().join("docs"), "md"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            assert!(file.parent().unwrap().join(path).exists(), "{} links to {path}", file.display());
        }
    }
}

#[test]
fn every_metric_that_is_watched_exists_and_every_one_that_exists_is_explained() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let exist = metrics_in(&read("crates/dwell-server/src/metrics.rs"));
    for path in ["deploy/grafana.json", "deploy/alerts.yml", "docs/guide/operate.md"] {
        let named = metrics_in(&read(path));
        let invented: Vec<&String> = named.difference(&exist).collect();
        assert!(!named.is_empty() && invented.is_empty(), "{path} names {invented:?}, which metrics.rs does not have");
    }
    let unexplained: Vec<String> = exist.difference(&metrics_in(&read("docs/guide/operate.md"))).cloned().collect();
    assert!(unexplained.is_empty(), "docs/guide/operate.md does not explain {unexplained:?}");
}

#[test]
fn every_alert_is_tested_on_what_it_is_for_and_on_what_it_is_not_for() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let tests = read("tests/deploy/alerts.test.yml");
    let rules = read("deploy/alerts.yml");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(15 < alerts.len(), "{alerts:?}");
    for alert in alerts {
        let fires = format!("- alertname: {alert}\n");
        let is_silent = format!("- {{ alertname: {alert}, ");
        assert!(tests.contains(&fires) && tests.contains(&is_silent), "{alert} is not tested on both");
    }
}

#[test]
fn every_test_that_a_promise_is_shown_by_exists() {
    let promises = std::fs::read_to_string(root().join("docs/guide/promise.md")).unwrap();
    let tests: String =
        code(&root().join("crates")).iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let names: Vec<&str> =
        promises.split('`').skip(1).step_by(2).filter(|word| 3 < word.matches('_').count()).collect();
    assert!(15 < names.len(), "{names:?}");
    for name in names.iter().filter(|name| !name.contains('/')) {
        assert!(tests.contains(&format!("fn {name}(")), "promise.md names {name}, which is no test");
    }
}

/// All words of a text that look like the name of a metric.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("dwell_") || word.starts_with("process_")).map(str::to_owned).collect()
}

fn code(folder: &Path) -> Vec<PathBuf> {
    ending(folder, "rs")
}

fn ending(folder: &Path, with: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(ending(&path, with));
        } else if path.extension().is_some_and(|end| end == with) {
            found.push(path);
        }
    }
    found
}
