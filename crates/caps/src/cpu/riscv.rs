//! CPUs of RISC-V: models and features are the emulator's to know.

use ostler_base::{Arch, Result};

use super::Comparison;
use super::definition::{Cpu, Mode, Policy};
use super::family::{Family, take_host_model};

/// The family.
pub(super) struct Riscv;

impl Family for Riscv {
    fn archs(&self) -> &'static [Arch] {
        &[Arch::Riscv64]
    }

    fn compare(&self, _host: Option<&Cpu>, _cpu: &Cpu) -> Result<Comparison> {
        Ok(Comparison::Identical)
    }

    fn update(&self, guest: &mut Cpu, host: Option<&Cpu>, relative: bool, _removed: Policy) -> Result<()> {
        if relative && guest.mode == Some(Mode::HostModel) {
            take_host_model(guest, host)?;
        }
        Ok(())
    }
}
