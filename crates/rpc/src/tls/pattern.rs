//! Patterns of names.
//!
//! Owns: what fits one. Never: knows what the names are of.

/// Whether a text fits a pattern, in which `*` stands for anything and `?` for one character.
pub fn fits(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where the last star was, and the text behind what it has eaten.
    let mut again = None;
    loop {
        let left = text.clone();
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                again = Some((pattern.clone(), left.clone()));
                text = left;
            }
            (Some(wanted), Some(have)) if wanted == '?' || wanted == have => {}
            _ => {
                let Some((behind, mut eaten)) = again else { return false };
                if eaten.next().is_none() {
                    return false;
                }
                (pattern, text) = (behind.clone(), eaten.clone());
                again = Some((behind, eaten));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns() {
        let cases = [
            ("*qemu*", "qemu.engine", true),
            ("*qemu*", "rpc.server", false),
            ("*a*b*", "xaxxbx", true),
            ("*a?c*", "zabc", true),
            ("*a?c*", "zac", false),
            ("*", "", true),
            ("", "", true),
            ("a", "", false),
            ("C=GB,*,CN=client?", "C=GB,O=x,CN=client1", true),
            ("C=GB,*,CN=client?", "C=GB,O=x,CN=client12", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
