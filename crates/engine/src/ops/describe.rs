//! Title, description and the elements that applications keep in a definition.
//!
//! Owns: which of them a number means, and the event that tells of a change. Never: looks into an
//! application's element.

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};

use super::targets::Targets;
use crate::domain::{Guest, Job};
use crate::engine::Engine;
use crate::events::What;

/// What is said of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// `<description>`
    Description,
    /// `<title>`
    Title,
    /// An element of an application.
    Element,
}

impl About {
    /// By the number in the public headers.
    pub fn parse(number: i32) -> Result<Self> {
        match number {
            0 => Ok(About::Description),
            1 => Ok(About::Title),
            2 => Ok(About::Element),
            _ => {
                Err(Error::invalid_arg(format!("unknown metadata type '{number}'"))
                    .from_origin(Origin::Domain))
            }
        }
    }
}

impl Engine {
    /// Says something of a guest, or takes it back where `text` is `None` or empty. An element stands
    /// under `prefix` in the namespace `uri` and replaces the one that was there.
    pub async fn describe(
        &self,
        guest: &Arc<Guest>,
        about: About,
        text: Option<&str>,
        namespace: (Option<&str>, Option<&str>),
        flags: u32,
    ) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetMetadata").await?;
        let targets = Targets::of(flags, &guest.view())?;
        let (prefix, uri) = namespace;
        let filled = text.filter(|text| !text.is_empty()).map(str::to_owned);
        self.edit(guest, targets, |draft| {
            let identity = &mut draft.head.identity;
            match about {
                About::Description => identity.description = filled.clone(),
                About::Title => identity.title = filled.clone(),
                About::Element => {
                    let uri = uri.unwrap_or_default();
                    identity.set_element(text, prefix.unwrap_or_default(), uri)?;
                }
            }
            Ok(())
        })
        .await?;
        let kind = match about {
            About::Description => 0,
            About::Title => 1,
            About::Element => 2,
        };
        self.tell(&guest.view(), What::MetadataChange { kind, uri: uri.map(str::to_owned) });
        Ok(())
    }

    /// What is said of a guest.
    pub fn described(&self, guest: &Guest, about: About, uri: Option<&str>, flags: u32) -> Result<String> {
        let shown = guest.view().asked(flags, &self.setting(None))?;
        let identity = &shown.domain().head.identity;
        let text = match about {
            About::Description => identity.description.clone(),
            About::Title => identity.title.clone(),
            About::Element => identity.element(uri.unwrap_or_default()),
        };
        text.ok_or_else(|| {
            let text = "Requested metadata element is not present";
            Error::new(Code::NoDomainMetadata, Origin::Domain, text)
        })
    }
}
