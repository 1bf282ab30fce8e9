//! Rules about the tree.
//!
//! Owns: which crate may use which, what stands at the top of a module, where `unsafe` may be, how
//! long a file may get. Never: changes a file.

use std::fs;
use std::path::{Path, PathBuf};

/// Which crates of ours a crate may depend on (DESIGN: dependencies point downwards only).
const EDGES: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("xml", &["base"]),
    ("vocab", &["base", "xml"]),
    ("caps", &["base", "xml"]),
    ("plan", &["base"]),
    ("domain", &["base", "xml", "vocab", "caps", "plan"]),
    ("pools", &["base", "xml", "vocab", "plan"]),
    ("host", &["base", "plan", "confine", "launcher"]),
    ("launcher", &["base"]),
    ("sasl", &[]),
    ("lease", &["base", "pools"]),
    ("qmp", &["base"]),
    ("confine", &["base", "plan"]),
    ("native", &["base", "xml"]),
    ("rpc", &["base"]),
    ("engine", &["base", "xml", "vocab", "caps", "plan", "confine", "domain", "pools", "host", "qmp"]),
    (
        "daemon",
        &["base", "xml", "caps", "plan", "confine", "domain", "pools", "host", "rpc", "engine", "native"],
    ),
    ("offline", &["base", "xml", "vocab", "caps", "plan", "domain", "pools", "native"]),
    ("cli", &["base", "xml", "offline", "rpc"]),
];

/// Longest file of code, in lines. Tables of facts (listed) may be longer.
const LONGEST: usize = 1200;
const TABLES: &[&str] = &["crates/rpc/src/programs/remote/procedures.rs"];

/// Every fault, as `path:line: what`.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, allowed) in EDGES {
        edges(root, name, allowed, &mut faults);
    }
    for folder in crate_folders(root) {
        if !EDGES.iter().any(|(name, _)| *name == folder) {
            faults.push(format!("crates/{folder}: not in the table of crates (xtask/src/tidy.rs)"));
        }
    }
    let mut files = Vec::new();
    rust_files(&root.join("crates"), &mut files);
    rust_files(&root.join("xtask"), &mut files);
    files.sort();
    for file in files {
        source(root, &file, &mut faults);
    }
    faults
}

fn crate_folders(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join("crates")).into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().into_string().ok()).collect()
}

fn edges(root: &Path, name: &str, allowed: &[&str], faults: &mut Vec<String>) {
    let path = root.join("crates").join(name).join("Cargo.toml");
    let Ok(manifest) = fs::read_to_string(&path) else {
        faults.push(format!("crates/{name}: no Cargo.toml"));
        return;
    };
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let Some(rest) = line.strip_prefix("ostler-") else { continue };
        let used = rest.split(['.', ' ', '=']).next().unwrap_or_default();
        if section == "[dependencies]" && !allowed.contains(&used) {
            faults.push(format!(
                "crates/{name}/Cargo.toml: may not depend on '{used}'; allowed: {}",
                allowed.join(", ")
            ));
        }
    }
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn source(root: &Path, file: &Path, faults: &mut Vec<String>) {
    let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
    let Ok(text) = fs::read_to_string(file) else {
        faults.push(format!("{name}: unreadable"));
        return;
    };
    if !text.starts_with("//!") {
        faults.push(format!("{name}:1: a module begins with `//!`: what it owns, what it must never do"));
    }
    let lines = text.lines().count();
    if lines > LONGEST && !TABLES.contains(&name.as_str()) {
        faults.push(format!("{name}: {lines} lines; split it by meaning (at most {LONGEST})"));
    }
    for (at, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let bare = code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
        let own = ["crates/host/src/sys", "crates/sasl/src/cyrus.rs", "xtask/"];
        if bare && !own.iter().any(|place| name.starts_with(place)) {
            faults.push(format!("{name}:{}: `unsafe` belongs in crates/host/src/sys.rs", at + 1));
        }
        if code.contains(concat!("#[", "allow(")) {
            faults.push(format!("{name}:{}: use #[expect(…, reason = \"…\")]", at + 1));
        }
    }
}
