//! One file per topic; a command is a line of this table.

mod blocks;
mod capabilities;
mod cpu;
mod domain;
mod firmware;
mod hotplug;
mod interface;
mod memlock;
mod migration;
mod monitor;
mod native;
mod network;
mod nodedev;
mod nwfilter;
mod secret;
mod snapshot;
mod status;
mod storage;
mod vhost_user;

use ostler_base::Result;

use crate::{Args, Kept};

/// What a command is: from arguments to the text it prints.
pub(crate) type Command = fn(&Args, &mut Kept) -> Result<String>;

/// Every command by name.
pub(crate) const COMMANDS: &[(&str, Command)] = &[
    ("argv", domain::argv),
    ("domxml", domain::domxml),
    ("blockdev-props", blocks::props),
    ("blockdev-json2json", blocks::json2json),
    ("image-create", blocks::image_create),
    ("storage-source", blocks::storage_source),
    ("bitmap-detect", blocks::bitmap_detect),
    ("bitmap-backup", blocks::bitmap_backup),
    ("bitmap-checkpoint-delete", blocks::bitmap_checkpoint_delete),
    ("bitmap-blockcopy", blocks::bitmap_blockcopy),
    ("bitmap-commit", blocks::bitmap_commit),
    ("bitmap-validate", blocks::bitmap_validate),
    ("nbdkit", blocks::nbdkit),
    ("capabilities", capabilities::capabilities),
    ("domcaps", capabilities::domcaps),
    ("from-native", native::import),
    ("cpu-baseline", cpu::baseline),
    ("cpu-compare", cpu::compare),
    ("cpu-decode", cpu::decode),
    ("cpu-from-qmp", cpu::from_qmp),
    ("cpu-guest", cpu::guest),
    ("cpu-has-feature", cpu::has_feature),
    ("cpu-signature", cpu::signature),
    ("cpu-update", cpu::update),
    ("cpu-validate-features", cpu::validate_features),
    ("qmp-cpu-info", monitor::cpu_info),
    ("qmp-cpu-data", monitor::cpu_data),
    ("qmp-jobs", monitor::jobs),
    ("qapi-query", monitor::qapi_query),
    ("qapi-validate", monitor::qapi_validate),
    ("firmware-format", firmware::format),
    ("firmware-list", firmware::list),
    ("firmware-supported", firmware::supported),
    ("cookie", migration::cookie),
    ("memlock", memlock::memlock),
    ("migparams", migration::parameters),
    ("vhostuser-format", vhost_user::format),
    ("vhostuser-list", vhost_user::list),
    ("hotplug", hotplug::hotplug),
    ("hotplug-vcpu", hotplug::vcpus),
    ("guest-caps", capabilities::guest_caps),
    ("host-caps", capabilities::host_caps),
    ("network-conf", network::conf),
    ("network-firewall", network::firewall),
    ("network-port", network::port),
    ("network-update", network::update),
    ("network-xml", network::xml),
    ("secret-xml", secret::xml),
    ("interface-xml", interface::xml),
    ("pool-xml", storage::pool_xml),
    ("pool-argv", storage::pool_argv),
    ("vol-xml", storage::vol_xml),
    ("vol-argv", storage::vol_argv),
    ("nodedev-xml", nodedev::xml),
    ("nodedev-mdevctl", nodedev::mdevctl),
    ("nwfilter-xml", nwfilter::xml),
    ("nwfilter-firewall", nwfilter::firewall),
    ("nwfilter-binding", nwfilter::binding),
    ("snapshot-xml", snapshot::snapshot),
    ("checkpoint-xml", snapshot::checkpoint),
    ("backup-xml", snapshot::backup),
    ("statusxml", status::status),
];
