//! Sections: everything of a definition that is not a device. One file each: type, reader, writer,
//! rules, and what it adds to the command line.

pub mod clock;
pub mod cpu;
pub mod features;
pub mod identity;
pub mod lifecycle;
pub mod memory;
pub mod os;
pub mod vcpu;
