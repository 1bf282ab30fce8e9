//! `<mirror>`: the image that a running job copies the disk to.
//!
//! Owns: the element, in both forms. Never: the job.

use ostler_base::{Error, Result, words};
use ostler_xml::{El, Element};

use crate::WriteMode;
use crate::blocks::{Image, ImageFormat, ImageType, Place, parse_nested};

words! {
    /// `<mirror job='…'>`
    pub MirrorJob { Copy = "copy", ActiveCommit = "active-commit" }
    /// `<mirror ready='…'>`
    pub MirrorState { No = "no", Ready = "yes", Abort = "abort", Pivot = "pivot" }
}

/// `<mirror>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The image.
    pub image: Image,
    /// `job`
    pub job: MirrorJob,
    /// `ready`: how far the job is.
    pub state: Option<MirrorState>,
}

impl Mirror {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        let image = match el.word::<ImageType>("type")? {
            Some(kind) => parse_nested(el, kind, false)?,
            None => {
                let path = el.attr("file").ok_or_else(|| Error::xml("mirror requires file name"))?;
                let format: Option<ImageFormat> = el.word("format")?;
                Image { format, ..Image::new(Place::File(Some(path.to_owned()))) }
            }
        };
        Ok(Mirror { image, job: el.word("job")?.unwrap_or(MirrorJob::Copy), state: el.word("ready")? })
    }

    pub(super) fn to_el(&self, mode: &WriteMode) -> El {
        let mut el = El::new("mirror").attr("type", self.image.place.kind());
        if let Place::File(Some(path)) = &self.image.place {
            el.set("file", path);
            el.set_opt("format", self.image.format);
        }
        el.set("job", self.job);
        el.set_opt("ready", self.state.filter(|state| *state != MirrorState::No));
        self.image.format_inside(&mut el, mode);
        self.image.backing.format(&mut el, mode);
        el
    }
}
