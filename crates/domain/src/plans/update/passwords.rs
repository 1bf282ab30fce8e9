//! Passwords of screens: what a running emulator is told.

use ostler_base::json::json;
use ostler_base::{Error, Result};
use ostler_plan::Command;

use crate::devices::graphics::Graphics;

/// The commands that set the password of a screen, and until when it is valid. `now` is seconds
/// since the epoch.
pub fn set_passwords(screen: &Graphics, now: i64) -> Result<Vec<Command>> {
    let password = &screen.password;
    let Some(text) = &password.text else { return Ok(Vec::new()) };
    let protocol = screen.kind.to_string();
    let mut set = json!({ "protocol": protocol, "password": text });
    if let (Some(action), ostler_base::Json::Object(set)) = (password.connected, &mut set) {
        set.insert("connected".to_owned(), action.to_string().into());
    }
    let until = password.valid_to.as_deref().map(seconds).transpose()?;
    let time = match until {
        _ if text.is_empty() => "now".to_owned(),
        Some(until) if until <= now => "now".to_owned(),
        Some(until) => until.to_string(),
        None => "never".to_owned(),
    };
    let expire = json!({ "protocol": protocol, "time": time });
    Ok(vec![Command::new("set_password", set), Command::new("expire_password", expire)])
}

/// Seconds since the epoch of `YYYY-MM-DDThh:mm:ss`, Universal Time.
fn seconds(text: &str) -> Result<i64> {
    let wrong =
        || Error::xml(format!("cannot parse password validity time '{text}', expect YYYY-MM-DDTHH:MM:SS"));
    let (date, time) = text.split_once('T').ok_or_else(wrong)?;
    let numbers = |text: &str, by: char| -> Option<[i64; 3]> {
        let numbers: Vec<i64> = text.split(by).map(str::parse).collect::<Result<_, _>>().ok()?;
        numbers.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-').ok_or_else(wrong)?;
    let [hour, minute, second] = numbers(time, ':').ok_or_else(wrong)?;
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !fits {
        return Err(wrong());
    }
    // Years begin in March here, so that the leap day is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
    Ok(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(seconds("1970-01-01T00:00:00"), Ok(0));
        assert_eq!(seconds("2013-06-20T01:34:37"), Ok(1_371_692_077));
        assert_eq!(seconds("2000-02-29T23:59:59"), Ok(951_868_799));
        for text in ["2013-06-20", "2013-13-20T00:00:00", "x", "2013-06-20T25:00:00", "2013-06-20T1:1"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
