//! The settings of `network.conf`.
//!
//! Owns: which keys there are and their types. Never: acts on a setting.

use crate::settings::settings;

settings! {
    /// The settings, each under its key of `network.conf`.
    NetworkConf {
        firewall_backend: Option<String> = None;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings;

    #[test]
    fn the_backend_is_a_word() {
        let text = "firewall_backend = \"iptables\"\n";
        let loaded = settings::parse::<NetworkConf>(text, Path::new("n.conf")).unwrap();
        assert_eq!(loaded.config.firewall_backend.as_deref(), Some("iptables"));
        assert!(settings::parse::<NetworkConf>("firewall_backend = 1\n", Path::new("n.conf")).is_err());
    }
}
