//! Firmware: what descriptors on the host offer, and which of it a guest gets.
//!
//! Owns: the form of descriptors ([`Descriptor`]), which files count ([`precedence`]), what they
//! offer a machine type ([`offered`]), the choice for a definition. Never: opens a file; the host
//! reads descriptors and hands them in.

mod choose;
mod descriptor;
mod precedence;

use std::sync::{Arc, PoisonError, RwLock};

use ostler_base::Arch;

pub(crate) use choose::{at_start, choose};
pub use descriptor::{Descriptor, Feature, FlashFile, FlashMode, Interface, Mapping, Target};
pub use precedence::precedence;

/// The descriptors of a host, as they were read last.
#[derive(Debug, Default)]
pub struct Firmwares(RwLock<Arc<[Descriptor]>>);

impl Firmwares {
    /// These descriptors, the most preferred first.
    pub fn new(descriptors: Vec<Descriptor>) -> Self {
        Firmwares(RwLock::new(descriptors.into()))
    }

    /// From files with their texts, in order of precedence. Malformed ones are left out; their
    /// errors are given back.
    pub fn read<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> (Self, Vec<ostler_base::Error>) {
        let mut errors = Vec::new();
        let mut good = Vec::new();
        for (path, text) in files {
            match Descriptor::parse(path, text) {
                Ok(descriptor) => good.push(descriptor),
                Err(error) => errors.push(error),
            }
        }
        (Self::new(good), errors)
    }

    /// The descriptors, the most preferred first.
    pub fn current(&self) -> Arc<[Descriptor]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the place of what was read before.
    pub fn replace(&self, with: &Firmwares) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = with.current();
    }
}

impl Clone for Firmwares {
    fn clone(&self) -> Self {
        Firmwares(RwLock::new(self.current()))
    }
}

/// What descriptors offer a machine type together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offer {
    /// A BIOS.
    pub bios: bool,
    /// UEFI.
    pub efi: bool,
    /// One that needs system management mode, as secure boot does.
    pub secure: bool,
    /// Images with the templates of their variables, each pair once.
    pub images: Vec<(String, Option<String>)>,
}

/// What descriptors offer a machine type, by its canonical name.
pub fn offered<'d>(
    descriptors: impl IntoIterator<Item = &'d Descriptor>,
    arch: Arch,
    machine: &str,
) -> Offer {
    let mut offer = Offer::default();
    for descriptor in descriptors.into_iter().filter(|d| d.fits(arch, machine)) {
        offer.bios |= descriptor.interfaces.contains(&Interface::Bios);
        offer.efi |= descriptor.interfaces.contains(&Interface::Uefi);
        offer.secure |= descriptor.has(Feature::RequiresSmm);
        let pair = match &descriptor.mapping {
            Mapping::Flash { executable, nvram_template, .. } => {
                let template = nvram_template.as_ref().map(|template| template.filename.clone());
                (executable.filename.clone(), template)
            }
            Mapping::Memory(image) => (image.clone(), None),
            Mapping::Kernel(_) => continue,
        };
        if !offer.images.contains(&pair) {
            offer.images.push(pair);
        }
    }
    offer
}

#[cfg(test)]
mod tests {
    use super::*;

    const UEFI: &str = r#"{"interface-types": ["uefi"], "features": ["requires-smm", "unheard-of"],
        "mapping": {"device": "flash", "executable": {"filename": "/c", "format": "raw"},
                    "nvram-template": {"filename": "/v", "format": "raw"}},
        "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}]}"#;
    const BIOS: &str = r#"{"interface-types": ["bios"], "features": [],
        "mapping": {"device": "memory", "filename": "/b"},
        "targets": [{"architecture": "x86_64", "machines": ["pc-i440fx-*", "pc-q35-*"]}]}"#;

    #[test]
    fn offers() {
        let files = [("u", UEFI), ("b", BIOS), ("bad", "{}"), ("again", BIOS)];
        let (firmwares, errors) = Firmwares::read(files);
        assert_eq!(errors.len(), 1);
        let all = firmwares.current();
        let offer = |arch, machine| offered(all.iter(), arch, machine);
        let q35 = offer(Arch::X86_64, "pc-q35-9.0");
        assert!(q35.bios && q35.efi && q35.secure);
        assert_eq!(q35.images, [("/c".to_owned(), Some("/v".to_owned())), ("/b".to_owned(), None)]);
        let pc = offer(Arch::X86_64, "pc-i440fx-9.0");
        assert!(pc.bios && !pc.efi && !pc.secure);
        assert_eq!(offer(Arch::I686, "pc-q35-9.0"), Offer::default());
        let empty = Firmwares::default();
        empty.replace(&firmwares);
        assert_eq!(empty.current().len(), 3);
    }
}
