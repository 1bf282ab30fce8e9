//! What the firmware says about the host, as clients read it.
//!
//! Owns: which entries there are and how they are written. Never: needs more than the kernel shows
//! as files.

use std::fmt::Write;
use std::path::Path;

/// Where the kernel shows it.
pub const SYSFS: &str = "/sys/class/dmi/id";

/// The most bytes of an entry.
const ENTRY_MAX: usize = 4096;

/// Elements, and their entries with the file of each.
const ELEMENTS: &[(&str, &[(&str, &str)])] = &[
    (
        "bios",
        &[
            ("vendor", "bios_vendor"),
            ("version", "bios_version"),
            ("date", "bios_date"),
            ("release", "bios_release"),
        ],
    ),
    (
        "system",
        &[
            ("manufacturer", "sys_vendor"),
            ("product", "product_name"),
            ("version", "product_version"),
            ("serial", "product_serial"),
            ("uuid", "product_uuid"),
            ("sku", "product_sku"),
            ("family", "product_family"),
        ],
    ),
    (
        "baseBoard",
        &[
            ("manufacturer", "board_vendor"),
            ("product", "board_name"),
            ("version", "board_version"),
            ("serial", "board_serial"),
            ("asset", "board_asset_tag"),
        ],
    ),
    (
        "chassis",
        &[
            ("manufacturer", "chassis_vendor"),
            ("version", "chassis_version"),
            ("serial", "chassis_serial"),
            ("asset", "chassis_asset_tag"),
        ],
    ),
];

/// The `<sysinfo>` element; `None` where the host has no such firmware.
pub fn describe(directory: &Path) -> Option<String> {
    let mut xml = String::new();
    for (element, entries) in ELEMENTS {
        let mut inner = String::new();
        for (name, file) in *entries {
            let Ok(text) = std::fs::read_to_string(directory.join(file)) else { continue };
            let text = text.trim();
            if !text.is_empty() && text.len() <= ENTRY_MAX {
                // Writing to a string cannot fail.
                let _ = writeln!(inner, "    <entry name='{name}'>{}</entry>", escaped(text));
            }
        }
        if !inner.is_empty() {
            let _ = write!(xml, "  <{element}>\n{inner}  </{element}>\n");
        }
    }
    (!xml.is_empty()).then(|| format!("<sysinfo type='smbios'>\n{xml}</sysinfo>\n"))
}

fn escaped(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_escapes() {
        let directory = std::env::temp_dir().join(format!("ostler-smbios-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        assert_eq!(describe(&directory), None);
        std::fs::write(directory.join("bios_vendor"), "A & B\n").unwrap();
        std::fs::write(directory.join("sys_vendor"), " \n").unwrap();
        let expected = "<sysinfo type='smbios'>\n  <bios>\n    <entry name='vendor'>A &amp; B</entry>\n  </bios>\n</sysinfo>\n";
        assert_eq!(describe(&directory).as_deref(), Some(expected));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
