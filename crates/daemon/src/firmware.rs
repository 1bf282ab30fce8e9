//! Firmware of guests, as this host and `qemu.conf` offer it.
//!
//! Owns: where descriptors lie, images that are known without one, those that are there of all that
//! a machine type is offered. Never: reads or chooses one.

use std::path::{Path, PathBuf};

use ostler_domain::firmware::Offer;

/// Where the distribution and the administrator put descriptors.
const DIRECTORIES: [&str; 2] = ["/usr/share/qemu/firmware", "/etc/qemu/firmware"];

/// Images without a descriptor and the templates of their variables, where they usually are.
const USUAL: [(&str, &str); 4] = [
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    ("/usr/share/AAVMF/AAVMF32_CODE.fd", "/usr/share/AAVMF/AAVMF32_VARS.fd"),
];

/// The directories of descriptors, the distribution's first; that of the instance is beside `etc`.
pub fn directories(etc: &Path) -> Vec<PathBuf> {
    let own = etc.parent().map(|directory| directory.join("qemu/firmware"));
    let mut all: Vec<PathBuf> = DIRECTORIES.into_iter().map(PathBuf::from).collect();
    all.extend(own.filter(|own| !DIRECTORIES.iter().any(|known| own == Path::new(known))));
    all
}

/// Images that need no descriptor, with the templates of their variables: those of `nvram` in
/// `qemu.conf`, or where they usually are.
pub fn undescribed(nvram: &[String]) -> Vec<(String, String)> {
    let pair = |(image, template): (&str, &str)| (image.to_owned(), template.to_owned());
    if nvram.is_empty() {
        return USUAL.into_iter().map(pair).collect();
    }
    nvram.iter().filter_map(|entry| entry.split_once(':')).map(pair).collect()
}

/// The images that are there of those that a machine type is offered, each once.
pub fn images(offer: &Offer) -> Vec<String> {
    let mut images: Vec<String> = Vec::new();
    for (image, _) in &offer.images {
        if Path::new(image).exists() && images.iter().all(|known| known != image) {
            images.push(image.clone());
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_descriptors() {
        let pairs = ["/a/code.fd:/a/vars.fd", "wrong"].map(str::to_owned);
        assert_eq!(undescribed(&pairs), [("/a/code.fd".to_owned(), "/a/vars.fd".to_owned())]);
        assert_eq!(undescribed(&[]).len(), 4);
    }

    #[test]
    fn folders() {
        assert_eq!(directories(Path::new("/etc/libvirt")).len(), 2);
        let own = directories(Path::new("/home/a/.config/libvirt"));
        assert_eq!(own.last().unwrap(), Path::new("/home/a/.config/qemu/firmware"));
    }

    #[test]
    fn what_is_there() {
        let here = std::env::current_exe().unwrap().to_string_lossy().into_owned();
        let images_of = [here.as_str(), "/nonexistent/code.fd", here.as_str()];
        let offer = Offer { images: images_of.map(|i| (i.to_owned(), None)).to_vec(), ..Offer::default() };
        assert_eq!(images(&offer), [here]);
    }
}
