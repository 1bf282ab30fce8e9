//! The page of procedures: it says of each who may call it and whether there is a handler.
//!
//! `OSTLER_UPDATE=1 cargo test -p ostler-daemon --test procedures` writes it anew.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::fmt::Write;
use std::fs;

use ostler_daemon::handlers;
use ostler_rpc::programs::admin::ADMIN;
use ostler_rpc::programs::qemu::QEMU;
use ostler_rpc::programs::remote::REMOTE;
use ostler_rpc::table::{Kind, Program, ReadOnly, Row};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/procedures.md");

const INTRODUCTION: &str = "\
# Procedures

What clients can call, by program and number. *Read-only* says whether a client on the read-only
socket may call it; *unless* means that it depends on an argument. What has no handler is answered
with \"this function is not supported by the connection driver\". Events, which the daemon sends, are
not listed.

This page is generated: `OSTLER_UPDATE=1 cargo test -p ostler-daemon --test procedures`.
";

fn calls(program: &Program) -> impl Iterator<Item = &'static Row> {
    program.rows.iter().copied().filter(|row| row.rule.kind == Kind::Call)
}

fn is_handled(program: &Program, row: &Row) -> bool {
    handlers::of(program, row.number).is_some()
}

fn read_only(row: &Row) -> &'static str {
    match row.rule.read_only {
        ReadOnly::Refused => "no",
        ReadOnly::AllowedUnless(_) => "unless",
        ReadOnly::Allowed => "yes",
    }
}

fn page() -> String {
    let programs = [&REMOTE, &QEMU, &ADMIN];
    let mut page = format!("{INTRODUCTION}\n| program | calls | with a handler |\n| --- | ---: | ---: |\n");
    for program in programs {
        let handled = calls(program).filter(|row| is_handled(program, row)).count();
        writeln!(page, "| {} | {} | {handled} |", program.name, calls(program).count()).unwrap();
    }
    for program in programs {
        let (name, number) = (program.name, program.number);
        write!(page, "\n## Program {name} ({number:#010x})\n\n").unwrap();
        page.push_str(
            "| number | name | function | read-only | handler |\n| ---: | --- | --- | --- | --- |\n",
        );
        for row in calls(program) {
            let handler = if is_handled(program, row) { "yes" } else { "no" };
            let Row { number, name, rule, .. } = row;
            let read_only = read_only(row);
            writeln!(page, "| {number} | {name} | {} | {read_only} | {handler} |", rule.api).unwrap();
        }
    }
    page
}

#[test]
fn the_page_is_current() {
    let page = page();
    if std::env::var_os("OSTLER_UPDATE").is_some() {
        fs::create_dir_all(std::path::Path::new(PAGE).parent().unwrap()).unwrap();
        fs::write(PAGE, &page).unwrap();
    }
    let current = fs::read_to_string(PAGE).unwrap_or_default();
    assert!(current == page, "docs/reference/procedures.md is old: run this test with OSTLER_UPDATE=1");
}
