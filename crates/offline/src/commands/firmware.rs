//! Descriptors of firmware: the commands of suite `firmware`.

use std::fmt::Write;

use ostler_base::{Arch, Error, Result, Word};
use ostler_domain::firmware::{Descriptor, offered};

use crate::{Args, Kept, descriptors};

/// `firmware-format FILE`: a descriptor as it was understood.
pub(super) fn format(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&[])?;
    let path = args.input(0)?;
    Ok(Descriptor::parse(path, &args.read_input(0)?)?.to_json().to_string() + "\n")
}

/// `firmware-list --fakehost DIR`: the descriptors that count, in order.
pub(super) fn list(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["fakehost"])?;
    let files = descriptors::files(&args.fake_host()?, "firmware")?;
    Ok(files.into_iter().map(|(path, _)| path + "\n").collect())
}

/// `firmware-supported --fakehost DIR --machine M --arch A`: what there is for a machine type.
pub(super) fn supported(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["fakehost", "machine", "arch"])?;
    let name = args.required("arch")?;
    let arch =
        Arch::parse(name).ok_or_else(|| Error::invalid_arg(format!("unknown architecture '{name}'")))?;
    args.fake_host()?;
    let offer = offered(descriptors::firmwares(args)?.current().iter(), arch, args.required("machine")?);
    let mut out = String::from("interfaces:");
    for (there, word) in [(offer.bios, "bios"), (offer.efi, "efi")] {
        if there {
            let _ = write!(out, " {word}");
        }
    }
    let _ = write!(out, "\nsecure: {}\n", if offer.secure { "yes" } else { "no" });
    for (image, template) in &offer.images {
        let _ = writeln!(out, "firmware: {image} nvram: {}", template.as_deref().unwrap_or("-"));
    }
    Ok(out)
}
