//! Conformance data as tests: runs the scorer that lies beside the data over `ostler conformance`
//! and compares the cases that do not pass with `corpus/gaps.txt`.
//!
//! Owns: the list of gaps. A gap that passes is a fault, so the list only shrinks; so is a case that
//! fails without standing in it. Where the data are absent it says so and passes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Every suite.
const SUITES: &[&str] = &[
    "argv",
    "domxml",
    "errors",
    "capabilities",
    "network",
    "cpu",
    "monitor",
    "hotplug",
    "blockdev",
    "migration",
    "statusxml",
    "firmware",
    "vhostuser",
    "memlock",
    "nbdkit",
    "from-native",
];

const TABLE_HEAD: &str = "# Conformance\n\nThe reference's own conformance data, run by `cargo xtask corpus`; \
written by `cargo xtask corpus --update`.\nThe cases that do not pass stand in `corpus/gaps.txt`, each with the class of \
its failure.\n\n| suite | pass | cases | share |\n|---|--:|--:|--:|\n";

const GAPS: &str = "corpus/gaps.txt";

/// Least number of cases that a whole run has.
const FLOOR: usize = 2774;

/// Runs suites (all where none is named); `--update` writes the list of gaps anew.
pub(crate) fn run(root: &Path, options: &[&str]) -> Vec<String> {
    let shared = root.join("../shared");
    let scorer = shared.join("score/score.py");
    if !scorer.is_file() {
        eprintln!("SKIPPED: the conformance data are not here ({})", scorer.display());
        return Vec::new();
    }
    let update = options.contains(&"--update");
    let named: Vec<&str> = options.iter().copied().filter(|o| !o.starts_with("--")).collect();
    let suites = if named.is_empty() { SUITES.to_vec() } else { named };
    let program = root.join("target/debug/ostler");
    let mut failing = BTreeMap::new();
    let mut cases = 0;
    let mut table = String::from(TABLE_HEAD);
    for suite in &suites {
        match score(&scorer, &program, suite) {
            Ok(verdicts) => {
                let failed: Vec<_> = verdicts.iter().filter(|(_, class)| class != "pass").collect();
                println!("{suite}: {} passed, {} failed", verdicts.len() - failed.len(), failed.len());
                cases += verdicts.len();
                let passed = verdicts.len() - failed.len();
                let share = passed as f64 * 100.0 / verdicts.len().max(1) as f64;
                table.push_str(&format!("| {suite} | {passed} | {} | {share:.1} % |\n", verdicts.len()));
                failing.extend(
                    failed.into_iter().map(|(name, class)| (format!("{suite}/{name}"), class.clone())),
                );
            }
            Err(error) => return vec![format!("{suite}: {error}")],
        }
    }
    if update {
        if suites.len() != SUITES.len() {
            return vec!["--update needs all suites".to_owned()];
        }
        return write(root, &failing, &table);
    }
    let listed = fs::read_to_string(root.join(GAPS)).unwrap_or_default();
    let mut faults = compare(&listed, &failing, &suites);
    if suites.len() == SUITES.len() && cases < FLOOR {
        faults.push(format!("only {cases} cases were run, expected at least {FLOOR}"));
    }
    faults
}

/// Writes the list of gaps and the page of figures.
fn write(root: &Path, failing: &BTreeMap<String, String>, table: &str) -> Vec<String> {
    let gaps: String = failing.iter().map(|(name, class)| format!("{name} = {class}\n")).collect();
    let files = [(GAPS, gaps.as_str()), ("docs/reference/conformance.md", table)];
    let write =
        |(name, text): (&str, &str)| fs::write(root.join(name), text).err().map(|e| format!("{name}: {e}"));
    files.into_iter().filter_map(write).collect()
}

fn compare(listed: &str, failing: &BTreeMap<String, String>, suites: &[&str]) -> Vec<String> {
    let of_run =
        |name: &&str| suites.iter().any(|s| name.strip_prefix(s).is_some_and(|rest| rest.starts_with('/')));
    let gaps: Vec<&str> =
        listed.lines().filter_map(|l| l.split_once(" = ")).map(|(name, _)| name).filter(of_run).collect();
    let known: std::collections::BTreeSet<&str> = gaps.iter().copied().collect();
    let passing = known
        .iter()
        .filter(|name| !failing.contains_key(**name))
        .map(|name| format!("{name}: passes; take it out of corpus/gaps.txt (cargo xtask corpus --update)"));
    let new = failing
        .iter()
        .filter(|(name, _)| !known.contains(name.as_str()))
        .map(|(name, class)| format!("{name}: fails ({class}) and is no known gap"));
    passing.chain(new).collect()
}

/// Name and class of every case of a suite.
fn score(scorer: &Path, program: &Path, suite: &str) -> Result<Vec<(String, String)>, String> {
    let json = std::env::temp_dir().join(format!("ostler-corpus-{}-{suite}.jsonl", std::process::id()));
    let output = Command::new("python3")
        .arg(scorer)
        .args([suite, "--batch", "--cmd", &format!("{} conformance", program.display()), "--json"])
        .arg(&json)
        .output()
        .map_err(|e| format!("cannot run python3: {e}"))?;
    let text = fs::read_to_string(&json);
    let _ = fs::remove_file(&json);
    let text = text.map_err(|e| {
        format!("the scorer wrote nothing ({e}): {}", String::from_utf8_lossy(&output.stderr))
    })?;
    let field = |line: &str, key: &str| {
        let at = line.find(&format!("\"{key}\": \""))? + key.len() + 5;
        line[at..].find('"').map(|end| line[at..at + end].to_owned())
    };
    text.lines()
        .map(|line| {
            let name = field(line, "name").ok_or_else(|| format!("no name in {line}"))?;
            Ok((name, field(line, "verdict").unwrap_or_default()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_that_passes_and_a_new_failure_are_faults() {
        let failing = BTreeMap::from([("argv/b".to_owned(), "content".to_owned())]);
        let faults = compare("argv/a = content\n", &failing, &["argv"]);
        assert_eq!(faults.len(), 2);
        assert!(faults[0].starts_with("argv/a: passes"));
        assert!(faults[1].starts_with("argv/b: fails (content)"));
        assert!(compare("argv/b = content\n", &failing, &["argv"]).is_empty());
    }
}
