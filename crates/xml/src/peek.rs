//! The first children of a document, without reading the rest.
//!
//! Owns: a quick look at documents as our own writer makes them. Never: judges a document; whatever
//! is out of the ordinary is left to the reader of whole documents.

/// The texts of these children of the outermost element, where they come first in it and are plain.
/// `None` where they are not, or something else stands in the way: then the whole has to be read.
pub fn leading_texts<'t, const N: usize>(
    text: &'t str,
    root: &str,
    names: [&str; N],
) -> Option<[&'t str; N]> {
    let mut rest = prolog(text)?;
    let (name, after) = open_tag(rest)?;
    if name != root {
        return None;
    }
    rest = after?;
    let mut found = [None; N];
    while found.iter().any(Option::is_none) {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->")?.1;
            continue;
        }
        let (name, content) = open_tag(rest)?;
        let (inner, closed) = content?.split_once('<')?;
        if inner.contains('&') {
            return None;
        }
        let place = names.iter().position(|wanted| *wanted == name)?;
        found[place].get_or_insert(inner);
        rest = closed.strip_prefix('/')?.strip_prefix(name)?.trim_start().strip_prefix('>')?;
    }
    let mut out = [""; N];
    for (text, found) in out.iter_mut().zip(found) {
        *text = found?;
    }
    Some(out)
}

/// What follows a declaration and comments.
fn prolog(text: &str) -> Option<&str> {
    let mut rest = text.trim_start();
    loop {
        rest = match (rest.strip_prefix("<?"), rest.strip_prefix("<!--")) {
            (Some(declaration), _) => declaration.split_once("?>")?.1,
            (_, Some(comment)) => comment.split_once("-->")?.1,
            _ => return Some(rest),
        }
        .trim_start();
    }
}

/// The name of a tag, and what follows it; nothing follows that belongs to an element without content.
fn open_tag(text: &str) -> Option<(&str, Option<&str>)> {
    let inner = text.strip_prefix('<')?;
    let end = inner.find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/')?;
    let (name, rest) = inner.split_at(end);
    if name.is_empty() || name.starts_with('!') {
        return None;
    }
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => {
                let empty = rest[..at].ends_with('/');
                return Some((name, (!empty).then(|| &rest[at + 1..])));
            }
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::leading_texts;

    #[test]
    fn looks() {
        let look = |text| leading_texts(text, "domain", ["name", "uuid"]);
        let text = "<?xml version='1.0'?>\n<!--\na > b\n-->\n<domain type='>'>\n  <!-- x --><name>a</name>\n <uuid>b</uuid>\n<rest";
        assert_eq!(look(text), Some(["a", "b"]));
        assert_eq!(look("<domain><uuid>b</uuid><name >a</name ></domain>"), Some(["a", "b"]));
        for other in [
            "",
            "<domain/>",
            "<network><name>a</name><uuid>b</uuid></network>",
            "<domain><name>a&amp;</name><uuid>b</uuid></domain>",
            "<domain><name/><uuid>b</uuid></domain>",
            "<domain><name>a</name><memory>1</memory><uuid>b</uuid></domain>",
            "<domain><name>a<b/></name><uuid>b</uuid></domain>",
            "<domain><name>a</nam",
            "<domain><![CDATA[x]]><name>a</name>",
        ] {
            assert_eq!(look(other), None, "{other}");
        }
    }
}
