//! The log of a guest's emulator: when it started and how, and how it ended.
//!
//! Owns: the form of these lines. Never: reads or writes a file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment as logs show it: `2026-01-31 12:00:00.000+0000`.
pub fn timestamp(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:03}+0000",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that the leap day is the last of one.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The lines that a start begins with; `vector` is variables, program and arguments.
pub fn opening(moment: SystemTime, vector: &[String]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut lines = format!("{}: starting up ostler version: {version}\n", timestamp(moment));
    for (number, word) in vector.iter().enumerate() {
        let begins_line = word.starts_with('-') || number == 0 || !vector[number - 1].starts_with('-');
        if number > 0 {
            lines.push_str(if begins_line { " \\\n" } else { " " });
        }
        lines.push_str(&quoted(word));
    }
    lines.push('\n');
    lines
}

/// Variables, program and arguments on one line, as a shell takes them.
pub fn command(vector: &[String]) -> String {
    vector.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// The line that a run ends with.
pub fn closing(moment: SystemTime, reason: &str) -> String {
    format!("{}: shutting down, reason={reason}\n", timestamp(moment))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,./:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_a_shell() {
        assert_eq!(command(&["-name".into(), "a b".into()]), "-name 'a b'");
    }

    #[test]
    fn moments() {
        let at = |seconds: u64| timestamp(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7));
        assert_eq!(at(0), "1970-01-01 00:00:00.007+0000");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00.007+0000");
        assert_eq!(at(1_772_323_199), "2026-02-28 23:59:59.007+0000");
    }

    #[test]
    fn an_option_and_its_value_share_a_line() {
        let vector = ["LC_ALL=C", "/usr/bin/qemu", "-S", "-name", "guest=a b", "-device", r#"{"a":1}"#];
        let text = opening(UNIX_EPOCH, &vector.map(str::to_owned));
        let (_, command) = text.split_once('\n').unwrap();
        assert_eq!(
            command,
            "LC_ALL=C \\\n/usr/bin/qemu \\\n-S \\\n-name 'guest=a b' \\\n-device '{\"a\":1}'\n"
        );
        assert!(closing(UNIX_EPOCH, "destroyed").ends_with(": shutting down, reason=destroyed\n"));
    }
}
