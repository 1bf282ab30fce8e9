//! Titles, descriptions and what applications leave with networks.

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result, refuse};
use ostler_pools::network::Network as Model;

use super::files::Status;
use super::{Network, Networks, View};
use crate::objects::Happening;

/// Which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataKind {
    /// Any text for people.
    Description,
    /// One line for people.
    Title,
    /// An element of an application.
    Element,
}

impl MetadataKind {
    /// The kind with a number on the wire.
    pub fn from_number(number: i32) -> Option<Self> {
        [Self::Description, Self::Title, Self::Element].into_iter().nth(usize::try_from(number).ok()?)
    }
}

/// A change of a part.
#[derive(Debug, Clone, Copy)]
pub struct MetadataChange<'a> {
    /// Which part.
    pub kind: MetadataKind,
    /// What it becomes; absent: it goes.
    pub value: Option<&'a str>,
    /// What stands before the name of an element.
    pub prefix: Option<&'a str>,
    /// The namespace of an element.
    pub namespace: Option<&'a str>,
}

impl View {
    /// A part of the metadata; `flags` say of which definition: 0 current, 1 live, 2 definition.
    pub fn metadata(&self, kind: MetadataKind, namespace: Option<&str>, flags: u32) -> Result<String> {
        let target = self.target(flags)?;
        let model = if target.live { self.live.as_ref() } else { self.config.as_ref() };
        let found = model.and_then(|model| match kind {
            MetadataKind::Description => model.description.clone(),
            MetadataKind::Title => model.title.clone(),
            MetadataKind::Element => model.metadata.get(namespace.unwrap_or_default()),
        });
        found.ok_or_else(|| {
            Error::new(Code::NoNetworkMetadata, Origin::Network, "Requested metadata element is not present")
        })
    }
}

fn changed(model: &Model, change: &MetadataChange<'_>) -> Result<Model> {
    let mut model = model.clone();
    let value = change.value.filter(|value| !value.is_empty()).map(str::to_owned);
    match change.kind {
        MetadataKind::Description => model.description = value,
        MetadataKind::Title => {
            if value.as_ref().is_some_and(|title| title.contains('\n')) {
                refuse!(invalid_arg, "metadata title can't contain newlines");
            }
            model.title = value;
        }
        MetadataKind::Element => {
            let namespace = change.namespace.unwrap_or_default();
            model.metadata.set(namespace, change.prefix.unwrap_or("m"), change.value)?;
        }
    }
    Ok(model)
}

impl Networks {
    /// Changes a part of the metadata; `flags` are those of [`View::target`].
    pub fn set_metadata(
        &self,
        network: &Arc<Network>,
        change: &MetadataChange<'_>,
        flags: u32,
    ) -> Result<()> {
        network.own(|state| {
            let target = state.view.target(flags)?;
            if let Some(live) = state.view.live.as_ref().filter(|_| target.live) {
                let live = changed(live, change)?;
                let removal = state.removal.clone();
                self.0.write_status(&Status { network: live.clone(), starting: false, removal })?;
                state.view.live = Some(Arc::new(live));
            }
            if let Some(config) = state.view.config.as_ref().filter(|_| target.config) {
                let config = changed(config, change)?;
                self.0.write_definition(&config)?;
                state.view.config = Some(Arc::new(config));
            }
            Ok::<_, Error>(())
        })?;
        let kind = change.kind as i32;
        let namespace = change.namespace.map(str::to_owned);
        self.tell(network, Happening::MetadataChanged { kind, namespace });
        Ok(())
    }
}
