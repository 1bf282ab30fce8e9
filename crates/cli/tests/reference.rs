//! The reference page is what the program says of itself.

use std::process::Command;

#[test]
fn page_is_up_to_date() {
    let output = Command::new(env!("CARGO_BIN_EXE_ostler")).args(["help", "--markdown"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/commands.md");
    let kept = std::fs::read_to_string(page).unwrap();
    assert!(said == kept, "write it again: ostler help --markdown > docs/reference/commands.md");
}
