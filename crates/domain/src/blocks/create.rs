//! What the emulator is told to make an image.
//!
//! Owns: the options of `blockdev-create` for storage and for formats. Never: decides on sizes.

use ostler_base::{Result, Word, refuse};
use ostler_plan::Props;
use ostler_vocab::storage_encryption::{EncryptionFormat, StorageEncryption};

use super::naming::NodeNames;
use super::place::{ImageFormat, Place, Protocol};
use super::{Image, backing_string};

/// The options that make the storage of an image with room for so many bytes; `None` where the
/// emulator cannot make such storage.
pub fn storage_options(image: &Image, physical: u64) -> Result<Option<Props>> {
    let driver = match image.actual() {
        Place::File(path) => {
            let props =
                Props::new().with("driver", "file").with("filename", path.as_deref().unwrap_or_default());
            return Ok(Some(props.with("size", physical)));
        }
        Place::Network(network) => match network.protocol {
            protocol @ (Protocol::Gluster | Protocol::Rbd | Protocol::Nfs | Protocol::Ssh) => {
                protocol.as_str()
            }
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let mut location = image.target_props(false)?;
    location.remove("driver");
    Ok(Some(Props::new().with("driver", driver).with("location", location).with("size", physical)))
}

/// The options that make the format of an image of so many bytes; `None` where there is nothing to
/// make.
pub fn format_options(
    image: &Image,
    backing: Option<&Image>,
    names: &NodeNames,
    capacity: u64,
) -> Result<Option<Props>> {
    let encryption = image.encryption.as_ref().filter(|_| !image.by_librbd());
    let plain = |driver: &str| {
        Props::new().with("driver", driver).with("file", names.storage.as_str()).with("size", capacity)
    };
    Ok(Some(match image.format {
        None | Some(ImageFormat::Raw) => match encryption.filter(|e| e.format == EncryptionFormat::Luks) {
            None => return Ok(None),
            Some(encryption) => {
                let mut props = luks(encryption, names);
                props.extend(plain("luks"));
                props
            }
        },
        Some(ImageFormat::Qcow2) => {
            let mut props = with_backing(plain("qcow2"), backing, true)?;
            props.set_opt("encrypt", encryption.map(|e| encrypt(e, names)));
            props
        }
        Some(ImageFormat::Qcow) => {
            let mut props = with_backing(plain("qcow"), backing, false)?;
            props.set_opt("encrypt", encryption.map(|e| encrypt(e, names)));
            props
        }
        Some(ImageFormat::Qed) => with_backing(plain("qed"), backing, true)?,
        Some(ImageFormat::Vmdk) => with_backing(plain("vmdk"), backing, false)?,
        Some(ImageFormat::Ploop) => plain("parallels"),
        Some(format @ (ImageFormat::Vdi | ImageFormat::Vpc)) => plain(format.as_str()),
        Some(format) => refuse!(operation_unsupported, "can't create storage format '{format}'"),
    }))
}

fn with_backing(props: Props, backing: Option<&Image>, with_format: bool) -> Result<Props> {
    let Some(below) = backing else { return Ok(props) };
    let luks = below.encryption.as_ref().is_some_and(|e| e.format == EncryptionFormat::Luks);
    let format = match below.format.unwrap_or(ImageFormat::Raw) {
        ImageFormat::Raw if luks => "luks",
        format => format.as_str(),
    };
    Ok(props
        .with("backing-file", backing_string(below)?)
        .with_opt("backing-fmt", with_format.then_some(format)))
}

fn encrypt(encryption: &StorageEncryption, names: &NodeNames) -> Props {
    match encryption.format {
        EncryptionFormat::Qcow | EncryptionFormat::Default => {
            Props::new().with("format", "aes").with_opt("key-secret", names.keys.first().map(String::as_str))
        }
        _ => luks(encryption, names).with("format", "luks"),
    }
}

fn luks(encryption: &StorageEncryption, names: &NodeNames) -> Props {
    let mut props = Props::new().with_opt("key-secret", names.keys.first().map(String::as_str));
    if let Some(cipher) = &encryption.cipher {
        props.set("cipher-alg", format!("{}-{}", cipher.name, cipher.size));
        props.set_opt("cipher-mode", cipher.mode.as_deref());
        props.set_opt("hash-alg", cipher.hash.as_deref());
    }
    if let Some(ivgen) = &encryption.ivgen {
        props.set("ivgen-alg", ivgen.name.as_str());
        props.set_opt("ivgen-hash-alg", ivgen.hash.as_deref());
    }
    props
}
