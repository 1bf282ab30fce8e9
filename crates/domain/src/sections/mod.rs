//! Sections: everything of a definition that is not a device. One file each: type, reader, writer,
//! rules, and what it adds to the command line.

pub(crate) mod backend;
pub mod clock;
pub(crate) mod cpu;
pub mod cputune;
pub mod features;
pub mod identity;
pub mod iothreads;
pub mod launch_security;
pub mod lifecycle;
pub mod loader;
pub mod memory;
pub mod memory_backing;
pub mod numa;
pub mod numatune;
pub mod os;
pub mod qemu_ns;
pub(crate) mod rules;
pub mod seclabel;
pub mod sysinfo;
pub mod throttle;
pub mod tuning;
pub mod vcpu;
