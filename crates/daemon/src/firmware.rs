//! Firmware of guests, as descriptors on the host offer it.
//!
//! Owns: where descriptors lie, which of two of one name counts, the images they name. Never:
//! chooses one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ostler_base::{Arch, Json};
use ostler_caps::domcaps::Firmware;
use ostler_host::fs::read_bounded;

/// Where the distribution and the administrator put them.
const DIRECTORIES: [&str; 2] = ["/usr/share/qemu/firmware", "/etc/qemu/firmware"];

/// Where images usually are that no descriptor names.
const USUAL: [&str; 4] = [
    "/usr/share/OVMF/OVMF_CODE.fd",
    "/usr/share/OVMF/OVMF_CODE.secboot.fd",
    "/usr/share/AAVMF/AAVMF_CODE.fd",
    "/usr/share/AAVMF/AAVMF32_CODE.fd",
];

/// The most bytes of a descriptor.
const DESCRIPTOR_MAX: u64 = 1 << 20;

/// The descriptors of a host, by name. One of the administrator takes the place of the
/// distribution's of the same name, one below `etc` that of both, an empty file that of nothing.
pub fn descriptors(etc: &Path) -> Vec<Json> {
    let own = etc.parent().map(|directory| directory.join("qemu/firmware"));
    let directories = DIRECTORIES.into_iter().map(PathBuf::from).chain(own);
    let mut files: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in directories {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let named = entries.map(|entry| (entry.file_name(), entry.path()));
        files.extend(named.filter(|(_, path)| path.extension().is_some_and(|end| end == "json")));
    }
    let texts = files.values().filter_map(|path| read_bounded(path, DESCRIPTOR_MAX).ok());
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// Images that are offered any machine without a descriptor: those of `nvram` in `qemu.conf`, each
/// entry an image and its variables, or where they usually are.
pub fn undescribed(nvram: &[String]) -> Vec<String> {
    let usual = || USUAL.map(str::to_owned).to_vec();
    let own = || nvram.iter().filter_map(|pair| Some(pair.split_once(':')?.0.to_owned())).collect();
    if nvram.is_empty() { usual() } else { own() }
}

/// The images that are there of those that descriptors offer a machine type, each once.
pub fn images(descriptors: &[Json], arch: Arch, machine: &str) -> Vec<String> {
    let mut images: Vec<String> = Vec::new();
    for descriptor in descriptors {
        let mapping = &descriptor["mapping"];
        let image = mapping["executable"]["filename"].as_str().or_else(|| mapping["filename"].as_str());
        let offered = Firmware::offered([descriptor], arch, machine);
        let Some(image) = image.filter(|_| offered != Firmware::default()) else { continue };
        if Path::new(image).exists() && images.iter().all(|known| known != image) {
            images.push(image.to_owned());
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn without_descriptors() {
        let pairs = ["/a/code.fd:/a/vars.fd", "wrong"].map(str::to_owned);
        assert_eq!(undescribed(&pairs), ["/a/code.fd"]);
        assert_eq!(undescribed(&[]).len(), 4);
    }

    #[test]
    fn what_counts() {
        let root = std::env::temp_dir().join(format!("ostlerd-firmware-{}", std::process::id()));
        fs::create_dir_all(root.join("qemu/firmware")).unwrap();
        let image = root.join("code.fd");
        fs::write(&image, "").unwrap();
        let text = |image: &str| {
            format!(
                "{{\"interface-types\": [\"uefi\"], \"features\": [],
                   \"mapping\": {{\"device\": \"flash\", \"executable\": {{\"filename\": \"{image}\"}}}},
                   \"targets\": [{{\"architecture\": \"sh4\", \"machines\": [\"r2d*\"]}}]}}"
            )
        };
        let write =
            |name: &str, text: String| fs::write(root.join("qemu/firmware").join(name), text).unwrap();
        write("10.json", text(image.to_str().unwrap()));
        write("20.json", text("/nonexistent/code.fd"));
        write("30.json", String::new());
        write("40.txt", text("/etc/passwd"));
        let all = descriptors(&root.join("libvirt"));
        assert_eq!(images(&all, Arch::Sh4, "r2d"), [image.to_str().unwrap()]);
        assert!(images(&all, Arch::Sh4, "shix").is_empty());
        fs::remove_dir_all(&root).unwrap();
    }
}
