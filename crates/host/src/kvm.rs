//! What the kernel's virtual machines can do.
//!
//! Owns: which questions tell it. Never: runs a guest.

use std::fs::File;

use ostler_base::{Error, Result};

use crate::failed;
use crate::sys::{KvmQuestion, kvm_ask, kvm_make};

const DEVICE: &str = "/dev/kvm";
/// The number of virtual CPUs that is advisable.
const CAP_NR_VCPUS: i32 = 9;
/// Whether the counter of a guest can run at another speed.
const CAP_TSC_CONTROL: i32 = 60;
/// The most virtual CPUs of a machine.
const CAP_MAX_VCPUS: i32 = 66;

/// The counter of the host's processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// In Hz.
    pub frequency: u64,
    /// Whether that of a guest can run at another speed.
    pub scaling: bool,
}

fn open() -> Result<File> {
    let opened = File::options().read(true).write(true).open(DEVICE);
    opened.map_err(|error| failed(format_args!("Unable to open {DEVICE}"), error))
}

/// The most virtual CPUs of a guest.
pub fn max_vcpus() -> Result<u32> {
    let kvm = open()?;
    let most = [CAP_MAX_VCPUS, CAP_NR_VCPUS].into_iter().find_map(|capability| {
        kvm_ask(&kvm, KvmQuestion::Extension(capability)).ok().filter(|number| *number > 0)
    });
    most.ok_or_else(|| Error::system(format!("{DEVICE} does not say how many CPUs a guest can have")))
}

/// The counter; fails where there is none or the kernel does not tell.
pub fn counter() -> Result<Counter> {
    let unknown = |error| failed(format_args!("Unable to probe TSC frequency"), error);
    let kvm = open()?;
    let machine = kvm_make(&kvm, false).map_err(unknown)?;
    let cpu = kvm_make(&machine, true).map_err(unknown)?;
    let frequency = u64::from(kvm_ask(&cpu, KvmQuestion::TscKhz).map_err(unknown)?).saturating_mul(1000);
    let scaling = kvm_ask(&kvm, KvmQuestion::Extension(CAP_TSC_CONTROL)).is_ok_and(|answer| answer > 0);
    Ok(Counter { frequency, scaling })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host() {
        if File::options().read(true).write(true).open(DEVICE).is_err() {
            eprintln!("SKIPPED: no KVM");
            return;
        }
        assert!(max_vcpus().unwrap() >= 1);
        if cfg!(target_arch = "x86_64") {
            assert!(counter().unwrap().frequency > 100_000_000);
        }
    }
}
