//! The `qemu-img` commands that make a volume.
//!
//! Owns: options, their order, and what cannot be made. Never: runs a command or sees a
//! passphrase; those are in files that the caller names.

use std::fmt::Write;

use ostler_base::{Error, Origin, Result, refuse};
use ostler_vocab::storage_encryption::{EncryptionFormat, StorageEncryption};

use super::kinds::{FileFormat, VolumeType};
use super::volume::{ImageFeature, Volume, VolumeFile, VolumeFormat};
use crate::Command;
use crate::read::reported_by;

/// The version of a qcow2 image that does not say its version.
const DEFAULT_COMPAT: &str = "1.1";
/// The version that knows no features.
const OLD_COMPAT: &str = "0.10";

/// Whether space for a new image is taken at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preallocation {
    /// It grows.
    None,
    /// Its tables are written at once.
    Metadata,
}

/// What is wanted, and the files with passphrases.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The volume to be made; its file has a path.
    pub volume: &'a Volume,
    /// The volume whose contents it gets.
    pub input: Option<&'a Volume>,
    /// Whether space is taken at once.
    pub preallocation: Preallocation,
    /// File with the passphrase of the new volume.
    pub secret_file: &'a str,
    /// File with the passphrase of the other volume.
    pub input_secret_file: &'a str,
}

/// The commands, in order. Contents that are encrypted on either side need two: one that makes the
/// image and one that fills it.
pub fn create(request: &Request<'_>) -> Result<Vec<Command>> {
    commands(request).map_err(|error| reported_by(error, Origin::Storage))
}

fn commands(request: &Request<'_>) -> Result<Vec<Command>> {
    let output = Image::new(request.volume, request.secret_file)?;
    output.check(request)?;
    let Some(input) = request.input else {
        return Ok(vec![make(&output, request, backing_of(request.volume)?)?]);
    };
    check_input(request.volume, input, &output)?;
    let input = Image::new(input, request.input_secret_file)?;
    if input.encryption.is_none() && output.encryption.is_none() {
        return Ok(vec![convert(&input, &output, request)?]);
    }
    Ok(vec![make(&output, request, None)?, fill(&input, &output)?])
}

/// One side of a command.
struct Image<'a> {
    volume: &'a Volume,
    path: &'a str,
    format: FileFormat,
    encryption: Option<&'a StorageEncryption>,
    secret_file: &'a str,
}

impl<'a> Image<'a> {
    fn new(volume: &'a Volume, secret_file: &'a str) -> Result<Self> {
        let Some(path) = volume.target.path.as_deref() else {
            refuse!(internal, "volume '{}' has no path", volume.name);
        };
        let encryption = volume.target.encryption.as_ref();
        Ok(Image { volume, path, format: format_of(volume), encryption, secret_file })
    }

    /// The name under which QEMU knows its passphrase.
    fn secret(&self) -> String {
        format!("{}_encrypt0", self.volume.name)
    }

    /// What QEMU calls its format; an encrypted raw image is one of LUKS.
    fn driver(&self) -> &'static str {
        match (self.encryption, self.format) {
            (Some(_), FileFormat::Raw) => "luks",
            (_, format) => VolumeFormat::File(format).as_str(),
        }
    }

    /// What stands before the names of encryption options.
    fn option_prefix(&self) -> &'static str {
        if self.format == FileFormat::Raw { "" } else { "encrypt." }
    }

    fn secret_object(&self) -> Option<[String; 2]> {
        self.encryption?;
        let (id, file) = (escaped(&self.secret()), escaped(self.secret_file));
        Some(["--object".to_owned(), format!("secret,id={id},file={file}")])
    }

    /// It as a block device with options.
    fn to_options(&self) -> String {
        let mut options = format!("driver={},file.filename={}", self.driver(), escaped(self.path));
        if self.encryption.is_some() {
            let _ = write!(options, ",{}key-secret={}", self.option_prefix(), escaped(&self.secret()));
        }
        options
    }

    /// Refuses what `qemu-img` cannot make.
    fn check(&self, request: &Request<'_>) -> Result<()> {
        let qcow2 = self.format == FileFormat::Qcow2;
        let preallocated = request.preallocation == Preallocation::Metadata;
        if preallocated && !qcow2 {
            refuse!(unsupported, "metadata preallocation only available with qcow2");
        }
        if self.volume.target.compat.is_some() && !qcow2 {
            refuse!(unsupported, "compatibility option only available with qcow2");
        }
        if self.volume.backing.is_some() {
            if self.format == FileFormat::Raw {
                refuse!(unsupported, "cannot set backing store for raw volume");
            }
            if preallocated {
                refuse!(unsupported, "metadata preallocation conflicts with backing store");
            }
        }
        self.check_encryption()?;
        self.check_features()
    }

    fn check_encryption(&self) -> Result<()> {
        let Some(encryption) = self.encryption else { return Ok(()) };
        match (self.format, encryption.format) {
            (FileFormat::Raw, EncryptionFormat::Luks) => {}
            (FileFormat::Raw, _) => refuse!(internal, "Only luks encryption is supported for raw files"),
            (FileFormat::Qcow2, EncryptionFormat::Luks) => {}
            (FileFormat::Qcow2, EncryptionFormat::Default | EncryptionFormat::Qcow) => {
                refuse!(unsupported, "creation of qcow2 encrypted image is not supported")
            }
            (FileFormat::Qcow2, format) => {
                let number = ostler_base::Word::index(format);
                refuse!(unsupported, "unsupported volume encryption format {number}")
            }
            (format, _) => {
                let format = VolumeFormat::File(format).as_str();
                refuse!(unsupported, "volume encryption unsupported with format {format}")
            }
        }
        match &encryption.secrets[..] {
            [] => refuse!(unsupported, "no secret provided for luks encryption"),
            [_] => Ok(()),
            _ => refuse!(unsupported, "too many secrets for luks encryption"),
        }
    }

    fn check_features(&self) -> Result<()> {
        let file = &self.volume.target;
        let features = file.features.as_deref().unwrap_or_default();
        let Some(compat) = file.compat.as_deref().filter(|compat| *compat == OLD_COMPAT) else {
            return Ok(());
        };
        match features.first() {
            None => Ok(()),
            Some(ImageFeature::LazyRefcounts) => {
                refuse!(unsupported, "lazy_refcounts not supported with compat level {compat}")
            }
            Some(ImageFeature::ExtendedL2) => {
                refuse!(unsupported, "'extended_l2' not supported with compat level {compat}")
            }
        }
    }
}

/// The format that matters to `qemu-img`: block devices and CD images are raw.
fn format_of(volume: &Volume) -> FileFormat {
    match volume.target.format {
        _ if volume.kind == VolumeType::Block => FileFormat::Raw,
        Some(VolumeFormat::File(FileFormat::Iso)) => FileFormat::Raw,
        Some(VolumeFormat::File(format)) => format,
        Some(VolumeFormat::Partition(_)) | None => FileFormat::Raw,
    }
}

/// A copy has what the other volume's backing store holds, too; another one makes no sense.
fn check_input(volume: &Volume, input: &Volume, output: &Image<'_>) -> Result<()> {
    if let Some(encryption) = &input.target.encryption
        && encryption.format != EncryptionFormat::Luks
    {
        refuse!(unsupported, "encryption format of inputvol must be LUKS");
    }
    let path = |file: &Option<VolumeFile>| file.as_ref().and_then(|file| file.path.clone());
    let (mine, other) = (path(&volume.backing), path(&input.backing));
    if output.format != FileFormat::Raw && mine.is_some() && other.is_some() && mine != other {
        refuse!(internal, "a different backing store cannot be specified.");
    }
    Ok(())
}

fn backing_of(volume: &Volume) -> Result<Option<(&str, &'static str)>> {
    let Some(backing) = &volume.backing else { return Ok(None) };
    match (backing.path.as_deref(), backing.format) {
        (Some(path), Some(VolumeFormat::File(format))) => {
            Ok(Some((path, VolumeFormat::File(format).as_str())))
        }
        _ => Err(Error::internal("unknown storage vol backing store type 0")),
    }
}

/// `qemu-img create`
fn make(image: &Image<'_>, request: &Request<'_>, backing: Option<(&str, &str)>) -> Result<Command> {
    let mut command = Command::new("qemu-img", ["create", "-f", image.driver()]);
    if let Some((path, _)) = backing {
        command.extend(["-b", path]);
    }
    command.extend(image.secret_object().into_iter().flatten());
    add_options(&mut command, image, request, backing.map(|(_, format)| format));
    command.arg(image.path);
    let capacity = image.volume.capacity;
    if backing.is_none() || capacity > 0 {
        command.arg(format!("{}K", capacity.div_ceil(1024)));
    }
    Ok(command)
}

/// `qemu-img convert` that makes the image as well.
fn convert(input: &Image<'_>, output: &Image<'_>, request: &Request<'_>) -> Result<Command> {
    let mut command = Command::new("qemu-img", ["convert", "-f", input.driver(), "-O", output.driver()]);
    add_options(&mut command, output, request, None);
    command.extend([input.path, output.path]);
    Ok(command)
}

/// `qemu-img convert` into an image that is there.
fn fill(input: &Image<'_>, output: &Image<'_>) -> Result<Command> {
    let mut command = Command::new("qemu-img", ["convert", "--image-opts", "-n", "--target-image-opts"]);
    command.extend(output.secret_object().into_iter().flatten());
    command.extend(input.secret_object().into_iter().flatten());
    command.extend([input.to_options(), output.to_options()]);
    Ok(command)
}

fn add_options(command: &mut Command, image: &Image<'_>, request: &Request<'_>, backing: Option<&str>) {
    let file = &image.volume.target;
    let mut options: Vec<String> = Vec::new();
    options.extend(backing.map(|format| format!("backing_fmt={format}")));
    if let Some(encryption) = image.encryption {
        options.extend(encryption_options(image, encryption));
    }
    if request.preallocation == Preallocation::Metadata {
        // The size is taken in KiB and what is allocated in bytes, as the reference does: sparse
        // means that hardly anything is allocated.
        let sparse = image.volume.capacity.div_ceil(1024) > image.volume.allocation;
        options.push(format!("preallocation={}", if sparse { "metadata" } else { "falloc" }));
    }
    options.extend(image.volume.nocow.then(|| "nocow=on".to_owned()));
    if image.format == FileFormat::Qcow2 {
        options.push(format!("compat={}", file.compat.as_deref().unwrap_or(DEFAULT_COMPAT)));
    }
    options.extend(file.cluster_size.filter(|size| *size > 0).map(|size| format!("cluster_size={size}")));
    options.extend(file.features.iter().flatten().map(|feature| match feature {
        ImageFeature::LazyRefcounts => "lazy_refcounts".to_owned(),
        ImageFeature::ExtendedL2 => "extended_l2=on".to_owned(),
    }));
    if !options.is_empty() {
        command.extend(["-o".to_owned(), options.join(",")]);
    }
}

fn encryption_options(image: &Image<'_>, encryption: &StorageEncryption) -> Vec<String> {
    let prefix = image.option_prefix();
    let mut options = Vec::new();
    if image.format == FileFormat::Qcow2 {
        options.push("encrypt.format=luks".to_owned());
    }
    options.push(format!("{prefix}key-secret={}", escaped(&image.secret())));
    if let Some(cipher) = &encryption.cipher {
        options.push(format!("{prefix}cipher-alg={}-{}", escaped(&cipher.name), cipher.size));
        options.extend(cipher.mode.as_ref().map(|mode| format!("{prefix}cipher-mode={}", escaped(mode))));
        options.extend(cipher.hash.as_ref().map(|hash| format!("{prefix}hash-alg={}", escaped(hash))));
    }
    if let Some(ivgen) = &encryption.ivgen {
        options.push(format!("{prefix}ivgen-alg={}", escaped(&ivgen.name)));
        options.extend(ivgen.hash.as_ref().map(|hash| format!("{prefix}ivgen-hash-alg={}", escaped(hash))));
    }
    options
}

/// A comma in the value of an option is written twice.
fn escaped(text: &str) -> String {
    text.replace(',', ",,")
}
