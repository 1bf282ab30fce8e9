//! One file per topic; a command is a line of this table.

mod capabilities;
mod domain;
mod network;

use ostler_base::Result;

use crate::{Args, Kept};

/// What a command is: from arguments to the text it prints.
pub(crate) type Command = fn(&Args, &mut Kept) -> Result<String>;

/// Every command by name.
pub(crate) const COMMANDS: &[(&str, Command)] = &[
    ("argv", domain::argv),
    ("domxml", domain::domxml),
    ("capabilities", capabilities::capabilities),
    ("guest-caps", capabilities::guest_caps),
    ("host-caps", capabilities::host_caps),
    ("network-conf", network::conf),
    ("network-firewall", network::firewall),
    ("network-port", network::port),
    ("network-update", network::update),
    ("network-xml", network::xml),
];
