//! CPUs of LoongArch: models and features are the emulator's to know.

use ostler_base::{Arch, Result};

use super::Comparison;
use super::definition::{Cpu, Policy};
use super::family::Family;

/// The family.
pub(super) struct Loongarch;

impl Family for Loongarch {
    fn archs(&self) -> &'static [Arch] {
        &[Arch::Loongarch64]
    }

    fn compare(&self, _host: Option<&Cpu>, _cpu: &Cpu) -> Result<Comparison> {
        Ok(Comparison::Identical)
    }

    /// Every CPU stays as it is defined.
    fn update(&self, _guest: &mut Cpu, _host: Option<&Cpu>, _relative: bool, _removed: Policy) -> Result<()> {
        Ok(())
    }
}
