//! The program by which the kernel decides whether a process of a group may open a device node.
//!
//! Owns: the program's instructions. Never: loads it.
//!
//! The kernel hands over three numbers: kind (low half) and access (high half), major, minor. The
//! program goes through the permits and answers 1 at the first that fits, else 0.

use super::Permit;

/// Kinds of nodes.
const BLOCK: u32 = 1;
const CHARACTER: u32 = 2;
/// Accesses.
const MAKE: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;

/// One instruction: code, registers, jump, number.
fn instruction(code: u8, to: u8, from: u8, jump: i16, number: u32) -> u64 {
    u64::from(code)
        | u64::from(to & 15) << 8
        | u64::from(from & 15) << 12
        | u64::from(jump.cast_unsigned()) << 16
        | u64::from(number) << 32
}

fn load(to: u8, offset: i16) -> u64 {
    instruction(0x61, to, 1, offset, 0)
}

/// Jumps where the register is not this number.
fn unless(register: u8, number: u32, jump: usize) -> u64 {
    instruction(0x55, register, 0, i16::try_from(jump).unwrap_or(i16::MAX), number)
}

fn answer(yes: bool) -> [u64; 2] {
    [instruction(0xb7, 0, 0, 0, u32::from(yes)), instruction(0x95, 0, 0, 0, 0)]
}

/// The program for these permits.
pub(super) fn program(permits: &[Permit]) -> Vec<u64> {
    let mut out = vec![
        load(2, 0),
        instruction(0x54, 2, 0, 0, 0xffff), // r2: the kind
        load(3, 0),
        instruction(0x74, 3, 0, 0, 16), // r3: the access
        load(4, 4),
        load(5, 8),
    ];
    for permit in permits {
        let mut access = MAKE | READ;
        if permit.write {
            access |= WRITE;
        }
        let rest = if permit.minor.is_some() { 5 } else { 4 };
        out.push(unless(2, if permit.block { BLOCK } else { CHARACTER }, rest + 2));
        out.push(instruction(0xbc, 6, 3, 0, 0));
        out.push(instruction(0x54, 6, 0, 0, !access));
        out.push(unless(6, 0, rest - 1));
        out.push(unless(4, permit.major, rest - 2));
        if let Some(minor) = permit.minor {
            out.push(unless(5, minor, 2));
        }
        out.extend(answer(true));
    }
    out.extend(answer(false));
    out
}
