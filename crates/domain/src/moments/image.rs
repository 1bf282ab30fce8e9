//! Images that disks of snapshots and backups are written to.
//!
//! Owns: the element around `<source>`, `<target>` or `<scratch>`. Never: the source itself.

use ostler_base::Result;
use ostler_xml::{El, Element};

use crate::blocks::{Image, ImageFormat, ImageType, Place};

/// Reads `type`, `<driver>` and the element that says where the image is, if there is one.
pub(super) fn parse(
    el: &Element<'_>,
    place: &str,
    format: Option<ImageFormat>,
) -> Result<(ImageType, Image)> {
    let kind = el.word("type")?.unwrap_or(ImageType::File);
    let mut image = match el.child(place) {
        Some(source) => Image::from_source(Some(source), kind, format)?,
        None => Image { format, ..Image::new(Place::File(None)) },
    };
    // Numbers of images are those of a guest's own; and these are never missing.
    image.index = None;
    image.startup_policy = None;
    if let Some(size) = el.path("driver/metadata_cache/max_size") {
        image.metadata_cache = Some(size.size(1, u64::MAX)?);
    }
    Ok((kind, image))
}

/// `<driver>`, unless it would say nothing.
pub(super) fn driver(image: &Image) -> El {
    let mut driver = El::new("driver").attr_opt("type", image.format);
    driver.extend(image.metadata_cache.map(|bytes| {
        El::new("metadata_cache").child(El::with_text("max_size", bytes).attr("unit", "bytes"))
    }));
    driver
}
