//! How one image names another that is below it.
//!
//! Owns: paths, addresses, and the `json:` form for what neither can say. Never: a secret.

use ostler_base::{Json, Result};
use ostler_plan::Props;

use super::naming::NodeNames;
use super::network::NetworkImage;
use super::place::{ImageFormat, Place, Protocol, Transport};
use super::storage::Depth;
use super::{Image, Surroundings};

impl Image {
    /// The properties that say which storage it is, and no more.
    pub fn target_props(&self, floppy: bool) -> Result<Props> {
        let names = NodeNames::of(self);
        self.place_props(&names, &Surroundings { floppy, ..Surroundings::default() }, Depth::Target)
    }
}

/// The name of an image inside one that is above it.
pub fn backing_string(image: &Image) -> Result<String> {
    Ok(match plain_name(image) {
        Some(name) => name,
        None => format!("json:{}", Json::from(Props::new().with("file", nested_props(image)?))),
    })
}

/// The properties that stand under `file` in a name of the `json:` form.
pub fn nested_props(image: &Image) -> Result<Props> {
    let target = image.target_props(false)?;
    Ok(match image.slice {
        Some(slice) => Props::new()
            .with("driver", "raw")
            .with("size", slice.size)
            .with("offset", slice.offset)
            .with("file", target),
        None => target,
    })
}

/// The name of images that have one of the simple forms.
pub fn plain_name(image: &Image) -> Option<String> {
    if image.slice.is_some() {
        return None;
    }
    match image.actual() {
        Place::Dir(Some(path)) if image.format == Some(ImageFormat::Fat) => Some(format!("fat:{path}")),
        Place::File(Some(path)) | Place::Block(Some(path)) | Place::Dir(Some(path)) => Some(path.clone()),
        Place::Network(network) => network.simple_url(),
        _ => None,
    }
}

impl NetworkImage {
    /// The address, escaped, where it says everything.
    fn simple_url(&self) -> Option<String> {
        let [host] = &self.hosts[..] else { return None };
        let by_address = matches!(
            self.protocol,
            Protocol::Nbd
                | Protocol::Http
                | Protocol::Https
                | Protocol::Ftp
                | Protocol::Ftps
                | Protocol::Tftp
                | Protocol::Iscsi
                | Protocol::Gluster
        );
        let more = self.timeout.is_some_and(|t| t != 0)
            || !self.cookies.is_empty()
            || self.ssl_verify.is_some()
            || self.readahead.is_some_and(|r| r != 0)
            || self.reconnect_delay.is_some_and(|d| d != 0);
        if !by_address || more || !matches!(host.transport, None | Some(Transport::Tcp)) {
            return None;
        }
        self.url().ok()
    }
}
