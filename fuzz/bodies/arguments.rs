//! The arguments and results of every procedure: the first two bytes choose it, the rest is read.
//! What can be read is written, and reads the same again.

use ostler_rpc::Program;
use ostler_rpc::programs::{admin::ADMIN, keepalive::KEEPALIVE, qemu::QEMU, remote::REMOTE};

const PROGRAMS: [&Program; 4] = [&REMOTE, &QEMU, &ADMIN, &KEEPALIVE];

/// Takes one input.
pub(crate) fn run(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first_chunk() else { return };
    let choice = usize::from(u16::from_be_bytes(*choice));
    let rows = PROGRAMS.iter().flat_map(|program| program.rows);
    let count = rows.clone().count();
    let Some(row) = rows.into_iter().nth(choice / 2 % count) else { return };
    let recode = if choice.is_multiple_of(2) { row.recode_args } else { row.recode_ret };
    if let Ok(once) = recode(bytes) {
        assert_eq!(recode(&once).as_ref(), Ok(&once), "{}", row.name);
    }
}
