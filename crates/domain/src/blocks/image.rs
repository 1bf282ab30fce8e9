//! An image, the chain of images below it, and their XML.
//!
//! Owns: `<source>`, `<backingStore>`, `<dataStore>`. Never: the front end of a disk.

use ostler_base::{Error, Result, YesNo};
use ostler_vocab::storage_auth::StorageAuth;
use ostler_vocab::storage_encryption::{EncryptionEngine, StorageEncryption};
use ostler_xml::{El, Element};

use super::place::{ImageFormat, ImageType, Place, StartupPolicy};
use crate::WriteMode;
use crate::devices::DeviceLabel;
use crate::devices::disk::ImageRun;

/// What is below an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backing {
    /// Whatever the image says.
    Unknown,
    /// Nothing: the chain ends.
    End,
    /// An image.
    Image(Box<Image>),
}

/// A part of a file or device, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub size: u64,
}

/// An image with all that is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `type` and `<source>`
    pub place: Place,
    /// Its format; raw where absent.
    pub format: Option<ImageFormat>,
    /// `index`; in a run, what its block nodes are named after.
    pub index: Option<u32>,
    /// `fdgroup`: descriptors that a client handed in, by their name there.
    pub fd_group: Option<String>,
    /// `startupPolicy`
    pub startup_policy: Option<StartupPolicy>,
    /// `<auth>`, and whether it stands in the source.
    pub auth: Option<StorageAuth>,
    /// Whether `<auth>` stands in the source and not beside it.
    pub auth_inside: bool,
    /// `<encryption>`
    pub encryption: Option<StorageEncryption>,
    /// Whether `<encryption>` stands in the source and not beside it.
    pub encryption_inside: bool,
    /// `<slices>`
    pub slice: Option<Slice>,
    /// `<reservations>`: managed, and the helper's socket.
    pub reservations: Option<(Option<YesNo>, Option<String>)>,
    /// `<seclabel>`
    pub labels: Vec<DeviceLabel>,
    /// `<metadata_cache><max_size>`, bytes.
    pub metadata_cache: Option<u64>,
    /// `<dataStore>`: where the content is, if this image has only the map of it.
    pub data_store: Option<Box<Image>>,
    /// What only a run knows.
    pub run: Option<Box<ImageRun>>,
    /// `<backingStore>`
    pub backing: Backing,
}

impl Image {
    /// An image of which nothing is known but the place.
    pub fn new(place: Place) -> Self {
        Image {
            place,
            format: None,
            index: None,
            fd_group: None,
            startup_policy: None,
            auth: None,
            auth_inside: false,
            encryption: None,
            encryption_inside: false,
            slice: None,
            reservations: None,
            labels: Vec::new(),
            metadata_cache: None,
            data_store: None,
            run: None,
            backing: Backing::Unknown,
        }
    }

    /// Reads type, source and what is below; `el` is a disk or a `<backingStore>`.
    pub(crate) fn parse(el: &Element<'_>, kind: ImageType, format: Option<ImageFormat>) -> Result<Self> {
        let image = Image::from_source(el.child("source"), kind, format)?;
        Ok(Image { backing: Backing::parse(el)?, ..image })
    }

    /// Reads what `<source>`, or an element like it, says.
    pub(crate) fn from_source(
        source: Option<Element<'_>>,
        kind: ImageType,
        format: Option<ImageFormat>,
    ) -> Result<Self> {
        let inside = |name: &str| source.and_then(|s| s.child(name));
        let (auth, encryption) = (inside("auth"), inside("encryption"));
        let reservations = match inside("reservations") {
            Some(r) => Some((
                r.yes_no("managed")?,
                r.child("source").and_then(|s| s.attr("path")).map(str::to_owned),
            )),
            None => None,
        };
        Ok(Image {
            format,
            index: source.map(|s| s.number("index")).transpose()?.flatten(),
            fd_group: source.and_then(|s| s.attr("fdgroup")).map(str::to_owned),
            startup_policy: source.map(|s| s.word("startupPolicy")).transpose()?.flatten(),
            auth: auth.map(|a| StorageAuth::parse(&a)).transpose()?,
            auth_inside: auth.is_some(),
            encryption: encryption.map(|e| StorageEncryption::parse(&e)).transpose()?,
            encryption_inside: encryption.is_some(),
            slice: inside("slices").and_then(|s| s.child("slice")).map(|s| Slice::parse(&s)).transpose()?,
            reservations,
            labels: source.map(|s| DeviceLabel::parse_all(&s)).transpose()?.unwrap_or_default(),
            data_store: inside("dataStore").map(|d| parse_store(&d)).transpose()?,
            ..Image::new(Place::parse(source.as_ref(), kind)?)
        })
    }

    /// Reads a `<source>` that stands alone.
    pub fn of_source(source: &Element<'_>, kind: ImageType) -> Result<Self> {
        Image::from_source(Some(*source), kind, None)
    }

    /// Writes a `<source>` that stands alone.
    pub fn to_source(&self, mode: &WriteMode) -> El {
        self.source_el("source", mode)
    }

    /// Whether there is no medium.
    pub fn is_empty(&self) -> bool {
        match &self.place {
            Place::File(None) | Place::Block(None) | Place::Dir(None) => true,
            Place::Network(image) => image.is_empty(),
            _ => false,
        }
    }

    /// Where the content is: that of the volume, where it is one that was found.
    pub fn actual(&self) -> &Place {
        match &self.place {
            Place::Volume { found: Some(found), .. } => found,
            place => place,
        }
    }

    /// The path, of images that have one on this host, and the name that a server knows it by.
    pub fn path(&self) -> Option<&str> {
        match self.actual() {
            Place::File(path) | Place::Block(path) | Place::Dir(path) => path.as_deref(),
            Place::VhostVdpa(path) | Place::VhostUser { path, .. } => Some(path),
            Place::Network(image) => image.name.as_deref(),
            Place::Volume { .. } | Place::Nvme { .. } => None,
        }
    }

    /// The path, of files, devices and directories of this host.
    pub fn local_path(&self) -> Option<&str> {
        match self.actual() {
            Place::File(path) | Place::Block(path) | Place::Dir(path) => path.as_deref(),
            _ => None,
        }
    }

    /// This image and those below it, from the top.
    pub fn chain(&self) -> impl Iterator<Item = &Image> {
        std::iter::successors(Some(self), |image| image.below())
    }

    /// The image below, where one is known.
    pub fn below(&self) -> Option<&Image> {
        match &self.backing {
            Backing::Image(below) => Some(below),
            Backing::Unknown | Backing::End => None,
        }
    }

    /// Does something with this image and all that belongs to it: those below, and data files,
    /// each right after the image that it belongs to.
    pub(crate) fn for_each(&mut self, change: &mut impl FnMut(&mut Image)) {
        let mut next = Some(self);
        while let Some(image) = next {
            change(image);
            if let Some(store) = &mut image.data_store {
                change(store);
            }
            next = match &mut image.backing {
                Backing::Image(below) => Some(below),
                Backing::Unknown | Backing::End => None,
            };
        }
    }

    /// Fills in what follows from what it says.
    pub fn complete(&mut self) {
        self.for_each(&mut |image| {
            if let Place::Network(network) = &mut image.place {
                network.complete();
            }
            if let Some(encryption) = &mut image.encryption {
                encryption.engine.get_or_insert(EncryptionEngine::Qemu);
            }
        });
    }

    /// All that [`Image::for_each`] reaches.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Image> {
        self.chain().flat_map(|image| std::iter::once(image).chain(image.data_store.as_deref()))
    }

    /// `<source>`, unless it would say nothing.
    pub(crate) fn format_source(&self, el: &mut El, mode: &WriteMode) {
        el.push_filled(self.source_el("source", mode));
    }

    /// `<source>`, or an element like it.
    pub(crate) fn source_el(&self, name: &'static str, mode: &WriteMode) -> El {
        let mut source = self.plain_el(name, mode);
        source.set_opt("index", self.index);
        source
    }

    /// The same without `index`, which backing stores say elsewhere.
    fn plain_el(&self, name: &'static str, mode: &WriteMode) -> El {
        let mut source = El::new(name);
        self.place.format(&mut source);
        source.set_opt("fdgroup", self.fd_group.as_ref());
        source.set_opt("startupPolicy", self.startup_policy);
        source.extend(self.slice.map(|slice| El::new("slices").child(slice.to_el())));
        source.extend(self.labels.iter().map(DeviceLabel::to_el));
        source.extend(self.auth.as_ref().filter(|_| self.auth_inside).map(StorageAuth::to_el));
        source.extend(
            self.encryption.as_ref().filter(|_| self.encryption_inside).map(StorageEncryption::to_el),
        );
        if let Some((managed, path)) = &self.reservations {
            let mut reservations = El::new("reservations").attr_opt("managed", *managed);
            reservations.extend(path.as_ref().map(|path| {
                El::new("source").attr("type", "unix").attr("path", path).attr("mode", "client")
            }));
            source.push(reservations);
        }
        source.extend(self.data_store.as_ref().map(|store| {
            let mut el = El::new("dataStore").attr("type", store.place.kind());
            store.format_inside(&mut el, mode);
            el
        }));
        source
    }

    /// Adds `<format>` and `<source>`.
    pub(crate) fn format_inside(&self, el: &mut El, mode: &WriteMode) {
        el.extend(self.format_el());
        el.push_filled(self.source_el("source", mode));
    }

    fn format_el(&self) -> Option<El> {
        let mut el = El::new("format").attr("type", self.format?);
        el.extend(self.metadata_cache.map(metadata_cache_el));
        Some(el)
    }

    /// An element with type, format and source in it.
    pub(crate) fn nested_el(&self, name: &'static str, mode: &WriteMode) -> El {
        let mut el = El::new(name).attr("type", self.place.kind()).attr_opt("index", self.index);
        el.extend(self.format_el());
        el.push_filled(self.plain_el("source", mode));
        el
    }
}

/// `<metadata_cache>` of so many bytes.
pub(crate) fn metadata_cache_el(bytes: u64) -> El {
    El::new("metadata_cache").child(El::with_text("max_size", bytes).attr("unit", "bytes"))
}

/// The size in the `<metadata_cache>` of an element, bytes.
pub(crate) fn metadata_cache(el: Option<Element<'_>>) -> Result<Option<u64>> {
    el.and_then(|el| el.path("metadata_cache/max_size")).map(|size| size.size(1, u64::MAX / 2)).transpose()
}

/// An element with type, format and source in it.
pub(crate) fn parse_nested(el: &Element<'_>, kind: ImageType, wants_format: bool) -> Result<Image> {
    let format = el.child("format");
    if format.is_none() && wants_format {
        return Err(Error::xml("missing disk backing store format"));
    }
    let mut image = Image::parse(el, kind, format.map(|f| f.word("type")).transpose()?.flatten())?;
    image.metadata_cache = metadata_cache(format)?;
    image.index = el.number("index")?.or(image.index);
    Ok(image)
}

fn parse_store(el: &Element<'_>) -> Result<Box<Image>> {
    parse_nested(el, el.require_word("type")?, true).map(Box::new)
}

impl Slice {
    fn parse(el: &Element<'_>) -> Result<Self> {
        if let Some(kind) = el.attr("type").filter(|kind| *kind != "storage") {
            return Err(el.invalid("type", kind, ""));
        }
        Ok(Slice { offset: el.number("offset")?.unwrap_or_default(), size: el.require_number("size")? })
    }

    fn to_el(self) -> El {
        El::new("slice").attr("type", "storage").attr("offset", self.offset).attr("size", self.size)
    }
}

impl Backing {
    pub(crate) fn parse(el: &Element<'_>) -> Result<Self> {
        let Some(below) = el.child("backingStore") else { return Ok(Backing::Unknown) };
        let Some(kind) = below.word("type")? else { return Ok(Backing::End) };
        Ok(Backing::Image(Box::new(parse_nested(&below, kind, true)?)))
    }

    pub(crate) fn format(&self, el: &mut El, mode: &WriteMode) {
        match self {
            Backing::Unknown => {}
            Backing::End => el.push(El::new("backingStore")),
            Backing::Image(image) => {
                let mut below = image.nested_el("backingStore", mode);
                image.backing.format(&mut below, mode);
                el.push(below);
            }
        }
    }
}
