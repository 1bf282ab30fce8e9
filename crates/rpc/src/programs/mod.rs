//! The programs of the wire: every structure and every procedure, each declared once.
//!
//! Owns: the tables. Never: carries anything out.
//!
//! Names are those of the protocol in this project's spelling: `remote_domain_get_info_ret` is
//! [`remote::DomainGetInfoRet`], `remote_nonnull_domain` (a domain's name, UUID and id) is
//! [`remote::DomainRef`], a field `nrVirtCpu` is `nr_virt_cpu`, and a field `type` is `kind`.

pub mod admin;
pub mod keepalive;
pub mod qemu;
pub mod remote;
mod typed;

#[cfg(test)]
mod tests;

pub use typed::{TypedParam, TypedValue};
