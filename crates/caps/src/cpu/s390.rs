//! CPUs of s390: models and features are the emulator's to know.

use ostler_base::{Arch, Code, Error, Origin, Result};

use super::Comparison;
use super::definition::{Cpu, Match, Mode, Policy};
use super::family::{Family, take_host_model};

/// The family.
pub(super) struct S390;

impl Family for S390 {
    fn archs(&self) -> &'static [Arch] {
        &[Arch::S390, Arch::S390x]
    }

    fn vendor_of_model(&self, model: &str) -> Option<&'static str> {
        (model.starts_with('z') || model.starts_with("gen")).then_some("IBM")
    }

    /// The emulator checks whether a model runs.
    fn compare(&self, _host: Option<&Cpu>, _cpu: &Cpu) -> Result<Comparison> {
        Ok(Comparison::Identical)
    }

    fn update(&self, guest: &mut Cpu, host: Option<&Cpu>, relative: bool, _removed: Policy) -> Result<()> {
        if !relative {
            return Ok(());
        }
        if guest.mode == Some(Mode::Custom) {
            return Err(unsupported(match guest.matching {
                Match::Minimum => format!("match mode {} not supported", guest.matching),
                _ => "optional CPU features are not supported".to_owned(),
            }));
        }
        let own = std::mem::take(&mut guest.features);
        take_host_model(guest, host)?;
        for feature in own {
            guest.set_feature(&feature.name, feature.policy);
        }
        Ok(())
    }

    fn validate_features(&self, cpu: &Cpu) -> Result<()> {
        match cpu.features.iter().find(|feature| feature.policy == Some(Policy::Optional)) {
            Some(feature) => Err(unsupported(format!(
                "only cpu feature policies 'require' and 'disable' are supported for {}",
                feature.name
            ))),
            None => Ok(()),
        }
    }
}

fn unsupported(words: String) -> Error {
    Error::new(Code::ConfigUnsupported, Origin::Cpu, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_features_go_over_the_hosts() {
        let mut host = Cpu { model: Some("gen16a".to_owned()), ..Cpu::guest() };
        host.set_feature("aen", Some(Policy::Require));
        host.set_feature("vx", Some(Policy::Require));
        let mut guest = Cpu { mode: Some(Mode::HostModel), ..Cpu::guest() };
        guest.set_feature("vx", Some(Policy::Disable));
        S390.update(&mut guest, Some(&host), true, Policy::Disable).unwrap();
        assert_eq!(guest.model.as_deref(), Some("gen16a"));
        assert_eq!(guest.mode, Some(Mode::Custom));
        assert_eq!(guest.feature("vx").unwrap().policy, Some(Policy::Disable));
        assert!(
            S390.update(&mut Cpu { matching: Match::Minimum, ..Cpu::guest() }, None, true, Policy::Disable)
                .is_err()
        );
    }
}
