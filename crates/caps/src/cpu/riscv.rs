//! CPUs of RISC-V: models and features are the emulator's to know.

use ostler_base::{Arch, Result};

use super::Comparison;
use super::definition::{Cpu, Match, Mode, Policy};
use super::family::Family;

/// The family.
pub(super) struct Riscv;

impl Family for Riscv {
    fn archs(&self) -> &'static [Arch] {
        &[Arch::Riscv64]
    }

    fn compare(&self, _host: Option<&Cpu>, _cpu: &Cpu) -> Result<Comparison> {
        Ok(Comparison::Identical)
    }

    fn update(&self, guest: &mut Cpu, _host: Option<&Cpu>, _relative: bool, _removed: Policy) -> Result<()> {
        if guest.mode == Some(Mode::Custom) {
            guest.matching = Match::Exact;
        }
        Ok(())
    }
}
