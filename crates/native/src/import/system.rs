//! Starting and identity: `-boot`, firmware, `-rtc`, `-smbios`, `-fw_cfg`, `-global`.
//!
//! Owns: os, sysinfo, clock, pm. Never: a device.

use ostler_xml::El;

use super::Importer;
use super::storage::Medium;
use crate::values::{Values, truth};

/// Number, element, and which key is which entry.
type Table = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Tables of SMBIOS: number, element, and which key is which entry.
const TABLES: &[Table] = &[
    ("0", "bios", &[("vendor", "vendor"), ("version", "version"), ("date", "date"), ("release", "release")]),
    (
        "1",
        "system",
        &[
            ("manufacturer", "manufacturer"),
            ("product", "product"),
            ("version", "version"),
            ("serial", "serial"),
            ("uuid", "uuid"),
            ("sku", "sku"),
            ("family", "family"),
        ],
    ),
    (
        "2",
        "baseBoard",
        &[
            ("manufacturer", "manufacturer"),
            ("product", "product"),
            ("version", "version"),
            ("serial", "serial"),
            ("asset", "asset"),
            ("location", "location"),
        ],
    ),
    (
        "3",
        "chassis",
        &[
            ("manufacturer", "manufacturer"),
            ("version", "version"),
            ("serial", "serial"),
            ("asset", "asset"),
            ("sku", "sku"),
        ],
    ),
];

impl Importer {
    /// `-boot`.
    pub(super) fn boot(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "order");
        if let Some(order) = values.take_any(&["order", "once"]) {
            self.hints.has_boot = true;
            for letter in order.chars() {
                let dev = match letter {
                    'a' | 'b' => "fd",
                    'c' => "hd",
                    'd' => "cdrom",
                    'n' => "network",
                    _ => return false,
                };
                if !self.guest.boot.contains(&dev) {
                    self.guest.boot.push(dev);
                }
            }
        }
        let menu = values.take_truth("menu");
        let splash = values.take_number("splash-time");
        if let Some(on) = menu {
            let el = El::new("bootmenu").attr("enable", if on { "yes" } else { "no" });
            self.guest.os_tail.push(el.attr_opt("timeout", splash));
        }
        if let Some(timeout) = values.take("reboot-timeout") {
            self.guest.os_tail.push(El::new("bios").attr("rebootTimeout", timeout));
        }
        values.ignore(&["strict"]);
        let left = values.leftovers();
        if !left.is_empty() {
            self.remark(format!("-boot: left out: {}", left.join(",")));
        }
        true
    }

    /// Where nothing orders the start, QEMU tries the hard disk first.
    pub(super) fn boot_options(&mut self) {
        let ordered = self
            .options
            .iter()
            .any(|o| o.name == "device" && o.value.as_deref().is_some_and(|v| v.contains("bootindex")));
        let kernel = self.guest.os.iter().any(|el| el.name() == "kernel");
        if ordered {
            self.guest.boot.clear();
        } else if self.guest.boot.is_empty() && !kernel {
            self.guest.boot.push("hd");
        }
        for (key, node) in std::mem::take(&mut self.hints.flash) {
            let medium = self.medium(&node);
            match medium {
                Some(medium) => self.firmware(medium, key == "pflash1"),
                None => self.passed_words.push(("-machine".to_owned(), format!("{key}={node}"))),
            }
        }
    }

    fn firmware(&mut self, medium: Medium, variables: bool) {
        for index in &medium.claims {
            self.claim(*index);
        }
        let Some(path) = medium.source.as_ref().and_then(source_path) else {
            self.remark("firmware that is not in a file is left out");
            return;
        };
        let format = medium.format.filter(|format| format != "raw");
        let el = if variables {
            El::with_text("nvram", path).attr_opt("format", format)
        } else {
            let el =
                El::with_text("loader", path).attr("readonly", if medium.read_only { "yes" } else { "no" });
            let secure = self.hints.secure.then_some("yes");
            el.attr("type", "pflash").attr_opt("secure", secure).attr_opt("format", format)
        };
        self.guest.os.push(el);
    }

    /// `-drive if=pflash`.
    pub(super) fn pflash(&mut self, values: &mut Values) -> Option<()> {
        let unit = values.take_number("unit").or_else(|| values.take_number("index"));
        let medium = self.drive_medium(values)?;
        let second =
            unit.unwrap_or_else(|| u64::from(self.guest.os.iter().any(|el| el.name() == "loader"))) == 1;
        self.firmware(medium, second);
        Some(())
    }

    /// `-rtc`.
    pub(super) fn rtc(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "base");
        match values.take("base").as_deref() {
            None | Some("utc") => {}
            Some("localtime") => self.guest.clock.local = true,
            Some(date) => match seconds(date) {
                Some(start) => self.guest.clock.start = Some(start),
                None => return false,
            },
        }
        let track = match values.take("clock").as_deref() {
            Some("host") => Some("wall"),
            Some("vm") => Some("guest"),
            Some("rt") => Some("realtime"),
            _ => None,
        };
        let slew = values.take("driftfix").is_some_and(|fix| fix == "slew");
        let mut el = El::new("timer").attr("name", "rtc").attr_opt("track", track);
        el.set_opt("tickpolicy", slew.then_some("catchup"));
        if track.is_some() || slew {
            self.guest.clock.timers.push(el);
        }
        values.leftovers().is_empty()
    }

    /// `-global`.
    pub(super) fn global(&mut self, text: &str) -> bool {
        let (driver, property, value) = match text.split_once('=') {
            Some((name, value)) if !text.starts_with("driver=") => match name.rsplit_once('.') {
                Some((driver, property)) => (driver.to_owned(), property.to_owned(), value.to_owned()),
                None => return false,
            },
            _ => {
                let mut values = Values::parse(text, "");
                match (values.take("driver"), values.take("property"), values.take("value")) {
                    (Some(driver), Some(property), Some(value)) => (driver, property, value),
                    _ => return false,
                }
            }
        };
        match (driver.as_str(), property.as_str()) {
            ("PIIX4_PM" | "ICH9-LPC", "disable_s3" | "disable_s4") => {
                let off = value == "1" || truth(&value) == Some(true);
                let element = if property == "disable_s3" { "suspend-to-mem" } else { "suspend-to-disk" };
                self.guest.pm.push(El::new(element).attr("enabled", if off { "no" } else { "yes" }));
            }
            ("kvm-pit", "lost_tick_policy") => self.timer("pit", "tickpolicy", &value),
            ("mc146818rtc", "lost_tick_policy") if value == "slew" => {
                self.timer("rtc", "tickpolicy", "catchup")
            }
            // The daemon says so of every q35 guest, whose chipset has a watchdog.
            ("ICH9-LPC", "noreboot") if truth(&value) == Some(false) => {}
            ("cfi.pflash01", "secure") if value == "on" => self.hints.secure = true,
            _ => return false,
        }
        true
    }

    /// `-smbios`.
    pub(super) fn smbios(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "");
        let kind = values.take("type").unwrap_or_default();
        let table = match TABLES.iter().find(|(number, ..)| *number == kind) {
            Some((_, element, entries)) => {
                let mut el = El::new(*element);
                if self.guest.uuid.is_none() {
                    self.guest.uuid = values.get("uuid").map(str::to_owned);
                }
                for (key, word) in *entries {
                    el.extend(values.take(key).map(|value| El::with_text("entry", value).attr("name", word)));
                }
                el
            }
            None if kind == "11" => {
                let mut el = El::new("oemStrings");
                el.extend(values.take_all("value").into_iter().map(|value| El::with_text("entry", value)));
                el
            }
            None => return false,
        };
        if !values.leftovers().is_empty() {
            return false;
        }
        let place = self.guest.sysinfo.iter().position(|el| el.name() == "sysinfo");
        match place.and_then(|place| self.guest.sysinfo.get_mut(place)) {
            Some(sysinfo) => sysinfo.push(table),
            None => {
                self.guest.sysinfo.push(El::new("sysinfo").attr("type", "smbios").child(table));
                self.guest.os_tail.push(El::new("smbios").attr("mode", "sysinfo"));
            }
        }
        true
    }

    /// `-fw_cfg`.
    pub(super) fn fw_cfg(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "name");
        let Some(name) = values.take("name") else { return false };
        let entry = match (values.take("string"), values.take("file")) {
            (Some(text), None) => El::with_text("entry", text).attr("name", name),
            (None, Some(file)) => El::new("entry").attr("name", name).attr("file", file),
            _ => return false,
        };
        match &mut self.fw_cfg {
            Some(sysinfo) => sysinfo.push(entry),
            none => *none = Some(El::new("sysinfo").attr("type", "fwcfg").child(entry)),
        }
        values.leftovers().is_empty()
    }
}

/// The path in a `<source>` of a local file.
fn source_path(source: &El) -> Option<String> {
    source.attribute("file").or_else(|| source.attribute("dev")).map(str::to_owned)
}

/// Seconds since the epoch of `YYYY-MM-DD[THH:MM:SS]`.
fn seconds(date: &str) -> Option<i64> {
    let (day, time) = date.split_once('T').unwrap_or((date, "00:00:00"));
    let mut day = day.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (day.next()??, day.next()??, day.next()??);
    let mut time = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = (time.next()??, time.next()??, time.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1900..=9999).contains(&year) {
        return None;
    }
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) || !(0..61).contains(&seconds) {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

/// Days from 1970-01-01 in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(seconds("1970-01-02"), Some(86_400));
        assert_eq!(seconds("2010-02-01T16:30:15"), Some(1_265_041_815));
        assert_eq!(seconds("2010-13-01"), None);
    }
}
