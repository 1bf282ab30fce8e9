//! What becomes of a chain of images when a job of the block layer has ended.
//!
//! Owns: which images stay and which go. Never: removes a node or a file.
//!
//! An image is meant by the name of its topmost node.

use ostler_base::{Error, Result};
use ostler_plan::Props;

use super::naming::NodeNames;
use super::{Backing, Image, Surroundings, format_props, slice_props, storage_props};
use crate::devices::disk::{Disk, NodeRole};

/// A chain after a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Operated {
    /// What is left.
    pub image: Image,
    /// What went, from the top.
    pub removed: Vec<Image>,
}

/// The images of a chain one by one, and how it ends.
fn split(image: Image) -> (Vec<Image>, Backing) {
    let mut out = Vec::new();
    let mut next = image;
    loop {
        match std::mem::replace(&mut next.backing, Backing::Unknown) {
            Backing::Image(below) => {
                out.push(next);
                next = *below;
            }
            end => {
                out.push(next);
                return (out, end);
            }
        }
    }
}

fn join(images: Vec<Image>, end: Backing) -> Option<Image> {
    let mut images = images.into_iter().rev();
    let last = Image { backing: end, ..images.next()? };
    Some(images.fold(last, |below, image| Image { backing: Backing::Image(Box::new(below)), ..image }))
}

/// Takes images from one place to before another out of a chain.
fn without(image: &Image, from: usize, to: usize) -> Result<Operated> {
    let (mut images, end) = split(image.clone());
    let end = if to >= images.len() { Backing::End } else { end };
    let to = to.min(images.len());
    if from > to {
        return Err(Error::internal("images of a chain are not in order"));
    }
    let removed = images.drain(from..to).collect();
    let image = join(images, end).ok_or_else(|| Error::internal("a chain needs an image"))?;
    Ok(Operated { image, removed })
}

impl Image {
    /// The place of an image in the chain.
    pub fn place_of(&self, node: &str) -> Option<usize> {
        self.chain().position(|image| image.top_node() == Some(node))
    }

    /// The names of its nodes, from the topmost; with those of its data.
    pub fn node_list(&self) -> Vec<String> {
        let mut out = Vec::new();
        for image in [Some(self), self.data_store.as_deref()].into_iter().flatten() {
            let Some(run) = &image.run else { continue };
            let roles = [NodeRole::Format, NodeRole::SliceStorage, NodeRole::Storage];
            out.extend(roles.into_iter().filter_map(|role| run.node(role)).map(str::to_owned));
        }
        out
    }
}

/// A pull has drawn everything above `base` into the topmost image; everything, where there is no
/// base.
pub fn pulled(image: &Image, base: Option<&str>) -> Result<Operated> {
    let to = match base {
        Some(node) => place(image, node)?,
        None => usize::MAX,
    };
    without(image, 1, to)
}

/// A commit has written the images from `top` on into `base`.
pub fn committed(image: &Image, top: &str, base: &str) -> Result<Operated> {
    without(image, place(image, top)?, place(image, base)?)
}

/// A copy takes the place of a chain, or of its topmost image only.
pub fn copied(image: &Image, mirror: &Image, shallow: bool) -> Operated {
    let (mut removed, _) = split(image.clone());
    if shallow {
        removed.truncate(1);
    }
    Operated { image: mirror.clone(), removed }
}

fn place(image: &Image, node: &str) -> Result<usize> {
    image.place_of(node).ok_or_else(|| Error::internal(format!("the chain has no image with node '{node}'")))
}

/// The image of a disk that a client means: `TARGET[INDEX]`, or its path.
pub fn image_of<'d>(disk: &'d Disk, name: &str) -> Result<&'d Image> {
    let missing = || {
        let detail =
            format!("could not find image '{name}' in chain for '{}'", disk.image.path().unwrap_or_default());
        Error::invalid_arg(detail)
    };
    let index = name.strip_suffix(']').and_then(|rest| rest.split_once('['));
    if let Some((target, number)) = index
        && target == disk.target
    {
        let number: u32 = number.parse().map_err(|_| missing())?;
        return disk.image.chain().find(|image| image.index == Some(number)).ok_or_else(missing);
    }
    disk.image.chain().find(|image| image.path() == Some(name)).ok_or_else(missing)
}

/// The nodes of one image, in the order in which they are added; `below` is the topmost node of the
/// image below it.
pub fn layers(image: &Image, around: &Surroundings, below: Option<&str>) -> Result<Vec<Props>> {
    if image.encryption.is_some() || image.auth.is_some() || image.fd_group.is_some() {
        return Err(Error::unsupported(
            "images with secrets or passed descriptors cannot be added to a running guest yet",
        ));
    }
    let names = NodeNames::of(image);
    let format = image.needs_format(around);
    let mut out = vec![storage_props(image, &names, around, format)?];
    let mut file = names.storage.as_str();
    if let Some(props) = slice_props(image, &names) {
        out.push(props);
        file = &names.slice;
    }
    if format {
        out.push(format_props(image, &names, around, file, below, None)?);
    }
    Ok(out)
}
