//! The file of rules: who may do what, on which guests and networks.
//!
//! Owns: the grammar of the file, and which rule counts. Never: finds an object, asks anybody.
//!
//! A line is a rule: `allow` or `deny`, who, what, and on which objects:
//!
//! ```text
//! # who                     what                                 on which
//! allow group operators     connect.*,domain.getattr,domain.read
//! allow user  alice         domain.*                             name=alice-*
//! deny  everybody           *                                    uuid=8f7d1c52-6f4c-4d2e-9c3a-6a6f1f2c9b11
//! allow sasl  *@EXAMPLE.COM connect.*,domain.getattr
//! allow certificate "C=GB,*,CN=monitor" connect.*,domain.getattr,domain.read
//! ```
//!
//! The first rule that fits counts; what none fits is refused. Root of this host may do everything.
//! Where it is not known which object is meant, `allow` for some does not fit and `deny` for some does.

use std::path::Path;

use ostler_base::{Uuid, Word};
use ostler_rpc::access::{Need, Object};
use ostler_rpc::tls::fits;

use crate::accounts;

/// The most bytes of the file.
const FILE_MAX: u64 = 1 << 20;

/// Who calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The user of this host, if it is on this host.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// The name that SASL knows it by.
    pub sasl: Option<String>,
    /// The name in its certificate.
    pub certificate: Option<String>,
}

/// What a call is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// Its name, where it is known.
    pub name: Option<String>,
    /// Its identity, where it is known.
    pub uuid: Option<Uuid>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    Everybody,
    User(u32),
    Group { number: u32, members: Vec<u32> },
    Sasl(String),
    Certificate(String),
}

impl Who {
    fn fits(&self, caller: &Caller) -> bool {
        match self {
            Who::Everybody => true,
            Who::User(uid) => caller.uid == Some(*uid),
            Who::Group { number, members } => {
                caller.gid == Some(*number) || caller.uid.is_some_and(|uid| members.contains(&uid))
            }
            Who::Sasl(pattern) => caller.sasl.as_ref().is_some_and(|name| fits(pattern, name)),
            Who::Certificate(pattern) => caller.certificate.as_ref().is_some_and(|name| fits(pattern, name)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum On {
    Any,
    Name(String),
    Uuid(Uuid),
}

impl On {
    /// Whether a subject is meant; nothing: that cannot be known.
    fn fits(&self, subject: &Subject) -> Option<bool> {
        match self {
            On::Any => Some(true),
            On::Name(pattern) => subject.name.as_ref().map(|name| fits(pattern, name)),
            On::Uuid(uuid) => subject.uuid.map(|own| own == *uuid),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    allow: bool,
    who: Who,
    what: Vec<String>,
    on: On,
}

/// The rules of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

/// The words of a line; quotes hold blanks together, `#` begins a comment.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        found.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(found)
}

/// A permission or a pattern of them must be able to fit something.
fn check(what: &str) -> Result<(), String> {
    let (object, permission) = what.split_once('.').unwrap_or((what, "*"));
    if object != "*" && Object::parse(object).is_none() {
        return Err(format!("'{object}' is no kind of object"));
    }
    let known = |word: &str| ostler_rpc::access::Permission::parse(word).is_some();
    if !permission.contains('*') && !known(permission) {
        return Err(format!("'{permission}' is no permission"));
    }
    Ok(())
}

fn rule(words: &[String]) -> Result<Rule, String> {
    let mut words = words.iter().map(String::as_str);
    let mut next = |what: &str| words.next().ok_or_else(|| format!("{what} is missing"));
    let allow = match next("'allow' or 'deny'")? {
        "allow" => true,
        "deny" => false,
        other => return Err(format!("'{other}' is neither 'allow' nor 'deny'")),
    };
    let who = match next("who")? {
        "everybody" => Who::Everybody,
        "user" => Who::User(accounts::user(next("the user")?)?),
        "group" => {
            let name = next("the group")?;
            Who::Group { number: accounts::group(name)?, members: accounts::members(name) }
        }
        "sasl" => Who::Sasl(next("the name")?.to_owned()),
        "certificate" => Who::Certificate(next("the name")?.to_owned()),
        other => {
            return Err(format!("'{other}' is none of everybody, user, group, sasl, certificate"));
        }
    };
    let what: Vec<String> = next("what")?.split(',').map(str::to_owned).collect();
    what.iter().try_for_each(|what| check(what))?;
    let on = match words.next().map(|word| word.split_once('=').ok_or(word)) {
        None => On::Any,
        Some(Ok(("name", pattern))) => On::Name(pattern.to_owned()),
        Some(Ok(("uuid", text))) => {
            On::Uuid(Uuid::parse(text).ok_or_else(|| format!("'{text}' is no UUID"))?)
        }
        Some(Ok((other, _)) | Err(other)) => {
            return Err(format!("'{other}' is neither name=… nor uuid=…"));
        }
    };
    match words.next() {
        None => Ok(Rule { allow, who, what, on }),
        Some(more) => Err(format!("'{more}' is too much")),
    }
}

impl Rules {
    /// Reads a file. The error names it and the line.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = ostler_host::fs::read_bounded(path, FILE_MAX)
            .map_err(|e| format!("cannot read the rules of access {}: {e}", path.display()))?;
        Self::parse(&text).map_err(|(line, why)| format!("{}:{line}: {why}", path.display()))
    }

    /// Reads rules. The error has the number of the line, from 1.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut rules = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let words = words(line).map_err(|why| (at + 1, why))?;
            if !words.is_empty() {
                rules.push(rule(&words).map_err(|why| (at + 1, why))?);
            }
        }
        Ok(Rules(rules))
    }

    /// Whether a caller may do what needs this permission.
    pub fn allow(&self, caller: &Caller, need: &Need, subject: &Subject) -> bool {
        if caller.uid == Some(0) {
            return true;
        }
        let (object, permission) = (need.object.as_str(), need.permission.as_str());
        let names = |what: &String| {
            let (wanted_object, wanted) = what.split_once('.').unwrap_or((what, "*"));
            (wanted_object == "*" || wanted_object == object) && fits(wanted, permission)
        };
        let counts = self.0.iter().find(|rule| {
            let on = match need.object {
                // The host has no name that a rule could mean.
                Object::Connect => rule.on == On::Any,
                _ => rule.on.fits(subject).unwrap_or(!rule.allow),
            };
            on && rule.who.fits(caller) && rule.what.iter().any(names)
        });
        counts.is_some_and(|rule| rule.allow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_rpc::access::{Permission, When};

    const RULES: &str = "\
# comment
deny  everybody   *                                     name=secret-*

allow user +7     connect.*,domain.*                    name=seven-*   # behind
allow user +7     connect.*,domain.getattr
allow sasl *@X    domain.st*                            uuid=11111111-2222-3333-4444-555555555555
allow certificate \"CN=a b\" *
";

    fn need(object: Object, permission: Permission) -> Need {
        Need { object, permission, when: When::Always }
    }

    #[test]
    fn the_first_that_fits_counts() {
        let rules = Rules::parse(RULES).unwrap();
        let seven = Caller { uid: Some(7), ..Caller::default() };
        let sasl = Caller { sasl: Some("joe@X".to_owned()), ..Caller::default() };
        let shown = Caller { certificate: Some("CN=a b".to_owned()), ..Caller::default() };
        let root = Caller { uid: Some(0), ..Caller::default() };
        let named = |name: &str| Subject {
            name: Some(name.to_owned()),
            uuid: Uuid::parse("11111111-2222-3333-4444-555555555555"),
        };
        let unknown = Subject::default();
        let (start, getattr) =
            (need(Object::Domain, Permission::Start), need(Object::Domain, Permission::Getattr));
        let host = need(Object::Connect, Permission::Read);
        let table = [
            (&seven, start, named("seven-1"), true),
            (&seven, start, named("eight-1"), false),
            (&seven, getattr, named("eight-1"), true),
            (&seven, getattr, named("secret-1"), false),
            // It could be a secret one.
            (&seven, getattr, unknown.clone(), false),
            (&seven, host, unknown.clone(), true),
            (&sasl, start, named("x"), true),
            (&sasl, getattr, named("x"), false),
            (&sasl, host, unknown.clone(), false),
            (&shown, host, unknown.clone(), true),
            (&shown, start, named("secret-x"), false),
            (&Caller::default(), getattr, named("x"), false),
            (&root, start, named("secret-x"), true),
        ];
        for (at, (caller, need, subject, expected)) in table.iter().enumerate() {
            assert_eq!(rules.allow(caller, need, subject), *expected, "row {at}");
        }
    }

    #[test]
    fn mistakes_have_lines() {
        let cases = [
            ("\npermit everybody *", 2, "'permit' is neither 'allow' nor 'deny'"),
            ("allow", 1, "who is missing"),
            ("allow user", 1, "the user is missing"),
            ("allow user +1", 1, "what is missing"),
            ("allow somebody *", 1, "'somebody' is none of everybody, user, group, sasl, certificate"),
            ("allow everybody guest.*", 1, "'guest' is no kind of object"),
            ("allow everybody domain.strat", 1, "'strat' is no permission"),
            ("allow everybody * id=1", 1, "'id' is neither name=… nor uuid=…"),
            ("allow everybody * name=a b", 1, "'b' is too much"),
            ("allow sasl \"a", 1, "a quote is not closed"),
        ];
        for (text, line, why) in cases {
            assert_eq!(Rules::parse(text), Err((line, why.to_owned())));
        }
    }
}
