//! What the fuzz targets do, for some seconds, with inputs that are the same each time.

use std::time::{Duration, Instant};

use ostler_rpc::programs::{admin::ADMIN, qemu::QEMU, remote::REMOTE};

use super::raw::{frame, header};

#[path = "../../../../fuzz/bodies/arguments.rs"]
mod arguments;
#[path = "../../../../fuzz/bodies/frames.rs"]
mod frames;
#[path = "../../../../fuzz/bodies/replies.rs"]
mod replies;

/// How long each may take; a slow machine tries fewer inputs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    /// Damages bytes a little.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                2 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                3 => bytes.extend(self.next().to_be_bytes()),
                4 => {
                    let part = bytes[at..].to_vec();
                    bytes.extend_from_slice(&part[..part.len().min(64)]);
                }
                _ => {
                    let word = [0, 1, 3, 16, 0xffff, u32::MAX][self.below(6)];
                    let at = at / 4 * 4;
                    bytes.splice(at..(at + 4).min(bytes.len()), word.to_be_bytes());
                }
            }
        }
        bytes.truncate(64 << 10);
    }

    /// Words that could be arguments: mostly small numbers, some text.
    fn words(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.below(24) {
            match self.below(4) {
                0 => bytes.extend(*b"\0\0\0\x04text"),
                1 => bytes.extend(u32::try_from(self.below(4)).unwrap().to_be_bytes()),
                _ => bytes.extend([0; 4]),
            }
        }
        bytes
    }
}

fn try_all(seed: u64, inputs: u32, run: impl Fn(&[u8]), mut make: impl FnMut(&mut Numbers) -> Vec<u8>) {
    let mut numbers = Numbers(seed);
    let deadline = Instant::now() + PATIENCE;
    for _ in 0..inputs {
        if Instant::now() > deadline {
            break;
        }
        let mut input = make(&mut numbers);
        run(&input);
        numbers.damage(&mut input);
        run(&input);
    }
}

#[test]
fn arguments_of_every_procedure() {
    try_all(1, 60_000, arguments::run, |numbers| {
        let choice = u16::try_from(numbers.below(1 << 16)).unwrap();
        [&choice.to_be_bytes()[..], &numbers.words()].concat()
    });
}

#[test]
fn frames_of_a_client() {
    let rows: Vec<_> = [&REMOTE, &QEMU, &ADMIN].iter().flat_map(|program| program.rows).collect();
    try_all(2, 3_000, frames::run, |numbers| {
        let mut input = Vec::new();
        for serial in 0..=numbers.below(6) {
            let kind = i32::try_from(numbers.below(7)).unwrap();
            let number = rows[numbers.below(rows.len())].number;
            let header = header(number, kind, u32::try_from(serial).unwrap(), 0);
            input.extend(frame(&header, &numbers.words(), None));
        }
        input
    });
}

#[test]
fn frames_of_a_server() {
    try_all(3, 3_000, replies::run, |numbers| {
        let mut input = Vec::new();
        for _ in 0..=numbers.below(6) {
            let kind = i32::try_from(numbers.below(7)).unwrap();
            let number = [344, 209, 318][numbers.below(3)];
            let serial = u32::try_from(numbers.below(4)).unwrap();
            let header = header(number, kind, serial, i32::try_from(numbers.below(3)).unwrap());
            input.extend(frame(&header, &numbers.words(), None));
        }
        input
    });
}
