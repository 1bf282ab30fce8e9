//! The settings of `qemu.conf`.
//!
//! Owns: which keys there are, their types and what they default to; `None` where the default
//! depends on the instance, the host or another key. Never: acts on a setting.

use crate::settings::settings;
use ostler_base::conf::Value;

settings! {
    /// The settings, each under its key of `qemu.conf`.
    QemuConf {
        default_tls_x509_cert_dir: String = "/etc/pki/qemu".into();
        default_tls_x509_verify: Option<bool> = None;
        default_tls_x509_secret_uuid: Option<String> = None;
        vnc_listen: String = "127.0.0.1".into();
        vnc_auto_unix_socket: Option<bool> = None;
        vnc_tls: Option<bool> = None;
        vnc_tls_x509_cert_dir: Option<String> = None;
        vnc_tls_x509_secret_uuid: Option<String> = None;
        vnc_tls_x509_verify: Option<bool> = None;
        vnc_password: Option<String> = None;
        vnc_sasl: Option<bool> = None;
        vnc_sasl_dir: Option<String> = None;
        vnc_allow_host_audio: Option<bool> = None;
        spice_listen: String = "127.0.0.1".into();
        spice_tls: Option<bool> = None;
        spice_tls_x509_cert_dir: Option<String> = None;
        spice_auto_unix_socket: Option<bool> = None;
        spice_password: Option<String> = None;
        spice_sasl: Option<bool> = None;
        spice_sasl_dir: Option<String> = None;
        rdp_listen: String = "127.0.0.1".into();
        rdp_tls_x509_cert_dir: Option<String> = None;
        rdp_username: Option<String> = None;
        rdp_password: Option<String> = None;
        chardev_tls: Option<bool> = None;
        chardev_tls_x509_cert_dir: Option<String> = None;
        chardev_tls_x509_verify: Option<bool> = None;
        chardev_tls_x509_secret_uuid: Option<String> = None;
        vxhs_tls: Option<bool> = None;
        vxhs_tls_x509_cert_dir: Option<String> = None;
        vxhs_tls_x509_secret_uuid: Option<String> = None;
        nbd_tls: Option<bool> = None;
        nbd_tls_x509_cert_dir: Option<String> = None;
        nbd_tls_x509_secret_uuid: Option<String> = None;
        migrate_tls_x509_cert_dir: Option<String> = None;
        migrate_tls_x509_verify: Option<bool> = None;
        migrate_tls_x509_secret_uuid: Option<String> = None;
        migrate_tls_force: Option<bool> = None;
        backup_tls_x509_cert_dir: Option<String> = None;
        backup_tls_x509_verify: Option<bool> = None;
        backup_tls_x509_secret_uuid: Option<String> = None;
        nographics_allow_host_audio: Option<bool> = None;
        remote_display_port_min: u32 = 5900;
        remote_display_port_max: u32 = 65535;
        remote_websocket_port_min: u32 = 5700;
        remote_websocket_port_max: u32 = 65535;
        security_driver: Vec<String> = Vec::new();
        security_default_confined: bool = true;
        security_require_confined: bool = false;
        user: Option<String> = None;
        group: Option<String> = None;
        dynamic_ownership: Option<bool> = None;
        remember_owner: Option<bool> = None;
        cgroup_controllers: Vec<String> = Vec::new();
        cgroup_device_acl: Vec<String> = Vec::new();
        save_image_format: Option<String> = None;
        dump_image_format: Option<String> = None;
        snapshot_image_format: Option<String> = None;
        auto_dump_path: Option<String> = None;
        auto_dump_bypass_cache: Option<bool> = None;
        auto_start_bypass_cache: Option<bool> = None;
        auto_start_delay: Option<u32> = None;
        auto_shutdown_try_save: Option<String> = None;
        auto_shutdown_try_shutdown: Option<String> = None;
        auto_shutdown_poweroff: Option<String> = None;
        auto_shutdown_wait: Option<u32> = None;
        auto_shutdown_restore: bool = true;
        auto_save_bypass_cache: Option<bool> = None;
        hugetlbfs_mount: Vec<String> = Vec::new();
        bridge_helper: String = "qemu-bridge-helper".into();
        set_process_name: Option<bool> = None;
        max_processes: Option<u32> = None;
        max_files: Option<u32> = None;
        max_threads_per_process: Option<u32> = None;
        max_core: Option<Value> = None;
        dump_guest_core: Option<bool> = None;
        mac_filter: Option<bool> = None;
        relaxed_acs_check: Option<bool> = None;
        lock_manager: Option<String> = None;
        max_queued: Option<u32> = None;
        keepalive_interval: i32 = 5;
        keepalive_count: u32 = 5;
        seccomp_sandbox: Option<i32> = None;
        migration_address: Option<String> = None;
        migration_host: Option<String> = None;
        migration_port_min: u32 = 49152;
        migration_port_max: u32 = 49215;
        log_timestamp: bool = true;
        nvram: Vec<String> = Vec::new();
        stdio_handler: Option<String> = None;
        gluster_debug_level: u32 = 4;
        virtiofsd_debug: Option<bool> = None;
        namespaces: Option<Vec<String>> = None;
        memory_backing_dir: Option<String> = None;
        pr_helper: String = "qemu-pr-helper".into();
        slirp_helper: String = "slirp-helper".into();
        qemu_rdp: String = "qemu-rdp".into();
        dbus_daemon: String = "dbus-daemon".into();
        swtpm_user: Option<String> = None;
        swtpm_group: Option<String> = None;
        capability_filters: Vec<String> = Vec::new();
        deprecation_behavior: String = "none".into();
        sched_core: Option<String> = None;
        storage_use_nbdkit: bool = false;
        shared_filesystems: Vec<String> = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;
    use std::path::Path;

    #[test]
    fn keys_are_the_reference_s() {
        let by_instance = ["dynamic_ownership", "remember_owner", "auto_dump_path", "seccomp_sandbox"];
        settings::compare_with_facts::<QemuConf>("qemu-conf.tsv", &by_instance);
    }

    #[test]
    fn kinds_of_values() {
        let text = "user = \"root\"\nmax_core = \"unlimited\"\nhugetlbfs_mount = [\"/a\", \"/b\"]\nlog_timestamp = 0\n";
        let conf = settings::parse::<QemuConf>(text, Path::new("q.conf")).unwrap().config;
        assert_eq!(conf.user.as_deref(), Some("root"));
        assert_eq!(conf.max_core, Some(Value::Text("unlimited".into())));
        assert_eq!(conf.hugetlbfs_mount, ["/a", "/b"]);
        assert!(!conf.log_timestamp);
    }
}
