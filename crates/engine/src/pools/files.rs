//! The files of pools: definitions, marks of autostart, status.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use ostler_base::{Error, Result};
use ostler_pools::ReadMode;
use ostler_pools::storage::Pool as Model;
use ostler_xml::{Document, El};

use super::Inner;
use crate::files::{self, Durability};

impl Inner {
    pub(super) fn definitions(&self) -> PathBuf {
        self.paths.etc.join("storage")
    }

    pub(super) fn definition(&self, name: &str) -> PathBuf {
        self.definitions().join(format!("{name}.xml"))
    }

    pub(super) fn autostart(&self, name: &str) -> PathBuf {
        self.definitions().join("autostart").join(format!("{name}.xml"))
    }

    pub(super) fn runs(&self) -> PathBuf {
        self.paths.run.join("storage")
    }

    pub(super) fn status(&self, name: &str) -> PathBuf {
        self.runs().join(format!("{name}.xml"))
    }

    pub(super) fn write_definition(&self, pool: &Model) -> Result<()> {
        files::make_directory(&self.definitions(), 0o700)?;
        let text = files::with_header_for("pool-edit", &pool.name, pool.uuid, &pool.to_xml());
        files::replace(&self.definition(&pool.name), &text, Durability::Durable)
    }

    /// Makes or removes the link that marks a pool to be started with the daemon.
    pub(super) fn mark_autostart(&self, name: &str, autostart: bool) -> Result<()> {
        let link = self.autostart(name);
        files::remove(&link)?;
        if !autostart {
            return Ok(());
        }
        files::make_directory(&self.definitions().join("autostart"), 0o700)?;
        symlink(self.definition(name), &link)
            .map_err(|error| files::failed("cannot create link", &link, &error))
    }

    pub(super) fn write_status(&self, pool: &Model) -> Result<()> {
        files::make_directory(&self.runs(), 0o755)?;
        let mut el = El::new("poolstate");
        let document = pool.to_xml();
        let mut indented = String::with_capacity(document.len() + 256);
        for (number, line) in document.trim_end().lines().enumerate() {
            if number > 0 {
                indented.push_str("\n  ");
            }
            indented.push_str(line);
        }
        el.source(indented);
        let text = files::with_header_for("pool-edit", &pool.name, pool.uuid, &el.to_xml());
        files::replace(&self.status(&pool.name), &text, Durability::Volatile)
    }
}

/// Reads a status file.
pub(super) fn read_status(text: &str, mode: &ReadMode) -> Result<Model> {
    let document = Document::parse(text, "pool_state")?;
    let pool = document.root().child("pool").ok_or_else(|| Error::internal("no pool in a status file"))?;
    Model::parse(&pool.source(), mode)
}
