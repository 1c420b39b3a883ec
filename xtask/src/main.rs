//! Developer commands: `cargo xtask test` is all that a change must pass; `cargo xtask` lists the others.

mod clients;
mod dashboard;
mod demo;
mod deploy;
mod sdk;
mod torture;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "cargo xtask COMMAND
  test      everything that a change must pass, set-up included (some minutes)
  clients   the published SDKs of Segment and RudderStack against a running Dwell (two minutes)
  sdk       the web SDK: types, tests, size, and real browsers against a running Dwell (two minutes)
  dashboard  the dashboard: types, messages, tests, size, its files, and a browser against a running Dwell (six minutes)
  demo      builds the SDK, the dashboard and the page of the demo, as far as Node is there, and runs `dwell demo`
  demo-page  the page of the demo: types, tests, and a browser against a running demo (two minutes)
  pictures  the pictures of the guides, made anew: every screen and the page of the demo, in both languages
  watched   alert rules, board and traces: Prometheus and OpenTelemetry's messages beside a running Dwell (half a minute)
  heavy     the long versions: a million cases of every law, the long oracle (an hour)
  torture   the log and the books through kill -9, power cuts, flips and 200,000 simulated crashes (half an hour)
  bad-builds  builds of the log that are wrong on purpose, each of which the tests must catch (some minutes)
  mutants   mutation testing of the core (an hour or more)
  fuzz      every reader under a fuzzer for five minutes each (needs a nightly toolchain)
  bench     Dwell beside its peers on 100 M events, set-up included (an hour)
  bench-screens  every screen with 10 M sessions behind it; --sessions N for others (half an hour)
  bench-ingest  a load for the live server, beside NATS and merely parsing (half an hour)";

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let done = match command.as_deref() {
        Some("test") => test(),
        Some("clients") => clients(),
        Some("sdk") => web_sdk(),
        Some("dashboard") => dashboard::test(),
        Some("demo") => demo::start(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("demo-page") => demo::test(),
        Some("pictures") => dashboard::pictures(),
        Some("watched") => watched(),
        Some("heavy") => heavy(),
        Some("torture") => torture::long(),
        Some("bad-builds") => torture::bad_builds(),
        Some("mutants") => mutants(),
        Some("fuzz") => fuzz(),
        Some("bench") => bench(),
        Some("bench-screens") => dashboard::bench(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("bench-ingest") => run(Command::new("python3").arg(root().join("bench/ingest.py"))),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("xtask: {failed}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), String>;

fn test() -> Done {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&["test", "--workspace"])?;
    run(cargo_command().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    dashboard::build()?;
    demo::build()?;
    cargo(&["build", "--release", "--package", "dwell"])?;
    first_command()?;
    torture::short()?;
    oracle(&[])?;
    clients::run_all()?;
    deploy::watched()?;
    sdk::run_in(&["chromium"])?;
    dashboard::in_browser("browser")?;
    demo::in_browser()?;
    smoke()
}

fn clients() -> Done {
    cargo(&["build", "--release", "--package", "dwell"])?;
    clients::run_all()
}

fn watched() -> Done {
    cargo(&["build", "--release", "--package", "dwell"])?;
    deploy::watched()
}

fn web_sdk() -> Done {
    cargo(&["build", "--release", "--package", "dwell"])?;
    sdk::run_in(&["chromium", "firefox"])
}

fn heavy() -> Done {
    run(cargo_command().args(["test", "--release", "--package", "dwell-core"]).env("DWELL_CASES", "1000000"))?;
    cargo(&["build", "--release", "--package", "dwell"])?;
    oracle(&["--heavy"])
}

fn mutants() -> Done {
    if run(cargo_command().args(["mutants", "--version"])).is_err() {
        cargo(&["install", "cargo-mutants", "--locked"])?;
    }
    // A mutant needs to be noticed, not explained: without these a broken law looks for a simpler case for minutes.
    run(cargo_command()
        .args(["mutants", "--package", "dwell-core", "--timeout", "180"])
        .env("DWELL_SHRINK", "0")
        .env("PROPTEST_CASES", "16"))
}

fn fuzz() -> Done {
    if run(cargo_command().args(["fuzz", "--version"])).is_err() {
        cargo(&["install", "cargo-fuzz", "--locked"])?;
    }
    let targets = std::fs::read_dir(root().join("fuzz/fuzz_targets")).map_err(|error| error.to_string())?;
    for target in targets {
        let path = target.map_err(|error| error.to_string())?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        run(cargo_command().args(["+nightly", "fuzz", "run", &name, "--", "-max_total_time=300"]))?;
    }
    Ok(())
}

fn bench() -> Done {
    cargo(&["build", "--release", "--package", "dwell"])?;
    run(Command::new("python3").arg(root().join("bench/run.py")).args(["--events", "100M", "--users", "2M"]))
}

/// Runs what the README tells everybody to run first.
fn first_command() -> Done {
    let folder = target().join("try");
    run(cargo_command().args(["run", "--release", "--", "try", "--folder"]).arg(&folder))?;
    let page = folder.join("lab.html");
    if page.exists() { Ok(()) } else { Err(format!("{} was not written", page.display())) }
}

/// Compares the binary with independent counts, in SQL and in Python.
fn oracle(flags: &[&str]) -> Done {
    let python = venv("oracle", &root().join("tests/oracle/requirements.txt"))?;
    let dwell = target().join("release/dwell");
    for script in ["oracle.py", "lab.py"] {
        run(Command::new(&python)
            .arg(root().join("tests/oracle").join(script))
            .arg("--dwell")
            .arg(&dwell)
            .args(flags))?;
    }
    Ok(())
}

/// Runs the benchmark on 10 M events, once, for its answers alone: no time is tested.
fn smoke() -> Done {
    if std::env::var_os("CI").is_none() {
        println!("the 10 M smoke of the benchmark runs in CI only; cargo xtask bench runs all of it");
        return Ok(());
    }
    run(Command::new("python3")
        .arg(root().join("bench/run.py"))
        .args(["--events", "10M", "--users", "200k", "--smoke"]))
}

/// Returns the Python of an environment with these requirements, made if it is not there.
fn venv(name: &str, requirements: &Path) -> Result<PathBuf, String> {
    let folder = target().join("venv").join(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    let wanted = std::fs::read_to_string(requirements).map_err(|error| error.to_string())?;
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let made = run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    if made.is_err() {
        // Debian keeps this module in a package of its own.
        run(Command::new("apt-get").args(["install", "-y", "python3-venv"]))
            .map_err(|error| format!("python3 with the venv module is needed for the oracle: {error}"))?;
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(requirements))?;
    std::fs::write(&stamp, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

fn cargo(args: &[&str]) -> Done {
    run(cargo_command().args(args))
}

fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

fn run(command: &mut Command) -> Done {
    println!("> {command:?}");
    let status = command.status().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

fn root() -> PathBuf {
    // Where cargo runs it and not where it was built: two clones may share a target folder.
    let built = || env!("CARGO_MANIFEST_DIR").into();
    let folder: PathBuf = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built, Into::into);
    folder.parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
