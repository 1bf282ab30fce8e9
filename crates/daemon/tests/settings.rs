//! The page of settings: every key, what its value has to be, what it is if nothing says it.
//!
//! `OSTLER_UPDATE=1 cargo test -p ostler-daemon --test settings` writes it anew.

use std::fmt::Write;
use std::fs;

use ostler_daemon::config::Config;
use ostler_daemon::settings::Settings;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/libvirtd-conf.md");

const INTRODUCTION: &str = "\
# libvirtd.conf

The settings of the daemon: `/etc/libvirt/libvirtd.conf`, of a user's own daemon
`~/.config/libvirt/libvirtd.conf`, or what `--config` names. A line is `key = value`; a value is a
number, a text in quotes, or a list `[\"a\", \"b\"]`; `#` begins a comment. A mistake is told with file
and line, and the daemon does not start. A key that is not known is passed over with a warning.

SIGHUP has the file read again: what it says counts for clients that come from then on; where they are
listened for stays as it was.

This page is generated: `OSTLER_UPDATE=1 cargo test -p ostler-daemon --test settings`.

| key | value | default | what it is for |
| --- | --- | --- | --- |
";

#[test]
fn the_page_is_current() {
    let mut page = INTRODUCTION.to_owned();
    for entry in Config::manual() {
        assert!(!entry.about.is_empty(), "{} is not explained", entry.key);
        let default = entry.default.map_or_else(String::new, |text| format!("`{text}`"));
        writeln!(page, "| `{}` | {} | {default} | {} |", entry.key, entry.kind, entry.about).unwrap();
    }
    if std::env::var_os("OSTLER_UPDATE").is_some() {
        fs::write(PAGE, &page).unwrap();
    }
    let written = fs::read_to_string(PAGE).unwrap_or_default();
    assert!(written == page, "docs/reference/libvirtd-conf.md is old: run this test with OSTLER_UPDATE=1");
}
