//! Which of the files in several folders count, for descriptors of every kind.

use std::collections::BTreeMap;

/// The paths that count, sorted by file name. Folders come from the distribution's to the user's: a
/// file takes the place of one of the same name in a folder before, an empty one that of nothing.
/// Each file: its folder, its name, whether it is empty.
pub fn precedence<'f>(files: impl IntoIterator<Item = (&'f str, &'f str, bool)>) -> Vec<String> {
    let mut chosen: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for (folder, name, empty) in files {
        if name.ends_with(".json") && !name.starts_with('.') {
            chosen.insert(name, (!empty).then(|| format!("{folder}/{name}")));
        }
    }
    chosen.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_folders_replace_and_mask() {
        let files = [
            ("/usr", "50-a.json", false),
            ("/usr", "40-b.json", false),
            ("/usr", "note.txt", false),
            ("/etc", "50-a.json", false),
            ("/etc", "40-b.json", true),
            ("/etc", "60-c.json", false),
        ];
        assert_eq!(precedence(files), ["/etc/50-a.json", "/etc/60-c.json"]);
    }
}
