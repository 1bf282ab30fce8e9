//! The daemon: it listens where libvirtd listens and answers what libvirtd answers.
//!
//! Owns: configuration, sockets, who may do what, and the handler of every procedure. Never:
//! carries out what a handler asks for; that is done by the crates below.

pub mod accept;
pub mod access;
pub mod accounts;
pub mod activation;
pub mod auth;
pub mod callbacks;
pub mod capabilities;
pub mod config;
pub mod confinement;
pub mod daemon;
pub mod deliver;
pub mod dispatch;
pub mod domcaps;
pub mod emulator;
pub mod firmware;
pub mod handlers;
pub mod host_cpu;
mod huge_pages;
pub mod layout;
pub mod log;
pub mod network_conf;
pub mod objects;
pub mod options;
pub mod params;
pub mod pidfile;
pub mod ports;
pub mod qemu_conf;
pub mod roster;
pub mod sasl;
pub mod serve;
pub mod session;
pub mod settings;
pub mod setup;
pub mod smbios;
pub mod sockets;
pub mod sysfs;
pub mod workers;
