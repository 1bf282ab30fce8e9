//! What firmware descriptors offer a machine.

use ostler_base::{Arch, Json};

use super::Firmware;

impl Firmware {
    /// What descriptors offer a machine type together. Those that are malformed offer nothing.
    pub fn offered<'d>(
        descriptors: impl IntoIterator<Item = &'d Json>,
        arch: Arch,
        machine: &str,
    ) -> Firmware {
        let mut all = Firmware::default();
        for descriptor in descriptors.into_iter().filter(|d| fits(d, arch, machine)) {
            let says = |list: &str, word: &str| strings(&descriptor[list]).any(|item| item == word);
            all.bios |= says("interface-types", "bios");
            all.efi |= says("interface-types", "uefi");
            all.secure |= says("features", "requires-smm");
        }
        all
    }
}

fn strings(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str)
}

fn fits(descriptor: &Json, arch: Arch, machine: &str) -> bool {
    let targets = descriptor["targets"].as_array();
    targets.into_iter().flatten().any(|target| {
        target["architecture"] == arch.qemu_name()
            && strings(&target["machines"]).any(|pattern| matches(pattern.as_bytes(), machine.as_bytes()))
    })
}

/// Whether a name matches a pattern in which `*` stands for any text.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| matches(rest, &name[skip..])),
        Some((byte, rest)) => {
            name.split_first().is_some_and(|(first, more)| byte == first && matches(rest, more))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn offers() {
        let uefi = json!({"interface-types": ["uefi"], "features": ["requires-smm"],
                          "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}]});
        let bios = json!({"interface-types": ["bios"], "features": [],
                          "targets": [{"architecture": "x86_64", "machines": ["pc-i440fx-*", "pc-q35-*"]}]});
        let offered = |machine| Firmware::offered([&uefi, &bios, &Json::Null], Arch::X86_64, machine);
        assert_eq!(offered("pc-q35-9.0"), Firmware { bios: true, efi: true, secure: true });
        assert_eq!(offered("pc-i440fx-9.0"), Firmware { bios: true, efi: false, secure: false });
        assert_eq!(offered("microvm"), Firmware::default());
        assert_eq!(Firmware::offered([&bios], Arch::I686, "pc-q35-9.0"), Firmware::default());
    }
}
