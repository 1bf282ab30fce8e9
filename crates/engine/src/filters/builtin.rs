//! The filters that are there before anybody defines one.
//!
//! Owns: the table `builtin.txt` and how it becomes documents. A line `filter NAME CHAIN PRIORITY`
//! begins a filter; below it stand the filters it uses (`use NAME`) and its rules
//! (`ACTION DIRECTION PRIORITY PROTOCOL ATTRIBUTE=VALUE…`); a hyphen stands for what is not said.
//! Never: writes a file.

use ostler_base::{Result, Uuid};
use ostler_pools::ReadMode;
use ostler_pools::nwfilter::Filter;
use ostler_xml::El;

const TABLE: &str = include_str!("builtin.txt");

fn said(word: Option<&str>) -> Option<&str> {
    word.filter(|word| *word != "-")
}

/// Every built-in filter, with UUIDs that `fresh` makes.
pub(super) fn filters(mut fresh: impl FnMut() -> Uuid) -> Result<Vec<Filter>> {
    let mut documents: Vec<El> = Vec::new();
    for line in TABLE.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("filter") => {
                let name = words.next().unwrap_or_default();
                let chain = words.next().unwrap_or_default();
                let el = El::new("filter").attr("name", name).attr("chain", chain);
                documents.push(el.attr_opt("priority", said(words.next())));
            }
            Some("use") => {
                let used = El::new("filterref").attr("filter", words.next().unwrap_or_default());
                documents.last_mut().into_iter().for_each(|el| el.push(used.clone()));
            }
            Some(action) => {
                let rule = rule(action, words);
                documents.last_mut().into_iter().for_each(|el| el.push(rule.clone()));
            }
            None => {}
        }
    }
    documents.iter().map(|el| Filter::parse(&el.to_xml(), &ReadMode::new(fresh()))).collect()
}

fn rule<'a>(action: &str, mut words: impl Iterator<Item = &'a str>) -> El {
    let direction = words.next().unwrap_or_default();
    let rule = El::new("rule").attr("action", action).attr("direction", direction);
    let mut rule = rule.attr_opt("priority", said(words.next()));
    let Some(protocol) = words.next() else { return rule };
    let mut el = El::new(protocol.to_owned());
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        el.set(name.to_owned(), value);
    }
    rule.push(el);
    rule
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_pools::nwfilter::instance::{instances, unresolved};
    use ostler_pools::nwfilter::vars::Variables;

    #[test]
    fn all_of_them_are_whole() {
        let all = filters(|| Uuid([3; 16])).unwrap();
        assert_eq!(all.len(), TABLE.lines().filter(|line| line.starts_with("filter ")).count());
        let find = |name: &str| all.iter().find(|filter| filter.name == name);
        let mut variables = Variables::new();
        variables.set("MAC", "52:54:00:00:00:01");
        for filter in &all {
            instances(filter, &variables, &find).unwrap();
        }
        let clean = instances(find("clean-traffic").unwrap(), &variables, &find).unwrap();
        assert_eq!(unresolved(&clean), ["IP"]);
    }
}
