//! The domain model: from a definition to a plan.
//!
//! Owns: sections, devices, machine families, the passes that look across devices, the plans.
//! Never: touches the host. From XML to command line it is a pure function of (definition,
//! emulator, facts).
//!
//! ```text
//! text --Outline::read--> which emulator?     (identity only, cheap)
//! text --Draft::parse--> Draft --complete(setting)--> Domain --to_xml--> text
//!                                                     Domain --plans::start--> Launch
//! ```

mod abi;
pub mod blocks;
pub mod devices;
pub mod firmware;
pub mod machine;
pub mod memlock;
pub mod migration;
mod model;
pub mod moments;
mod outline;
mod passes;
pub mod plans;
pub mod run;
pub mod sections;
mod setting;
pub mod vhost_user;

pub use model::{Domain, Draft, Head, ReadMode, WriteMode};
pub use outline::{Outline, stored_identity};
pub use setting::{
    DriverConfig, Entropy, GraphicsConfig, HostFacts, HugePageMount, ScreenConfig, Setting, StorageConfig,
    TlsConfig,
};
