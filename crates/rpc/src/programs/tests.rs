//! Compares the tables with the shared lists of facts, row by row, where these are present.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ostler_base::Word;

use crate::access::{Need, Object, Permission, When, flags};
use crate::programs::{admin, keepalive, qemu, remote, typed};
use crate::table::{Direction, Kind, Priority, Program, ReadOnly, Row};
use crate::xdr::Shape;
use crate::{message, xdr};

const PROGRAMS: [&Program; 4] = [&remote::REMOTE, &qemu::QEMU, &admin::ADMIN, &keepalive::KEEPALIVE];

/// The rows of a list of facts by column name; `None`, said aloud, where there is no such list.
fn facts(name: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path: PathBuf = folder.join(name);
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no {}", path.display());
        return None;
    };
    let mut lines = text.lines();
    let columns: Vec<_> = lines.next().unwrap().split('\t').collect();
    let row = |line: &str| {
        let cells = line.split('\t').chain(std::iter::repeat(""));
        columns.iter().zip(cells).map(|(c, v)| ((*c).to_owned(), v.to_owned())).collect()
    };
    Some(lines.map(row).collect())
}

/// A name without case and underscores.
fn bare(name: &str) -> String {
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

/// A type name of the lists as this project spells it, without case.
fn spelled(name: &str) -> String {
    match name {
        "remote_error" | "virNetMessageError" => return "wireerror".to_owned(),
        "virNetMessageHeader" => return "header".to_owned(),
        "virNetStreamHole" => return "streamhole".to_owned(),
        _ => {}
    }
    let name = name.strip_prefix("virNetMessage").unwrap_or(name);
    let name = ["remote_", "admin_", "qemu_"].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
    match name.strip_prefix("nonnull_").or_else(|| name.strip_prefix("Nonnull")) {
        Some(object) => bare(object) + "ref",
        None if name == "typed_param_value" => "typedvalue".to_owned(),
        None => bare(name),
    }
}

/// The facts of a program's types: constants and named types that are no structures.
struct Types {
    constants: BTreeMap<String, usize>,
    named: BTreeMap<String, BTreeMap<String, String>>,
}

impl Types {
    fn bound(&self, text: &str) -> usize {
        text.parse().unwrap_or_else(|_| self.constants[text])
    }

    /// Whether a shape is the type of a row, form and bound included.
    fn matches(&self, shape: &Shape, kind: &str, form: &str, bound: &str) -> bool {
        match (shape, form) {
            (Shape::Optional(inner), "optional") => self.matches(inner, kind, "", ""),
            (Shape::Text(max), "variable") if kind == "string" => *max == self.bound(bound),
            (Shape::Opaque(max), "variable") if kind == "opaque" => *max == self.bound(bound),
            (Shape::FixedOpaque(count), "fixed") if kind == "opaque" => *count == self.bound(bound),
            (Shape::List(inner, max), "variable") => {
                *max == self.bound(bound) && self.matches(inner, kind, "", "")
            }
            (Shape::Fixed(inner, count), "fixed") => {
                *count == self.bound(bound) && self.matches(inner, kind, "", "")
            }
            (shape, "") => self.matches_plain(shape, kind),
            _ => false,
        }
    }

    fn matches_plain(&self, shape: &Shape, kind: &str) -> bool {
        if let Some(named) = self.named.get(kind) {
            return self.matches(shape, &named["type"], &named["form"], &named["bound"]);
        }
        match shape {
            Shape::Char => kind == "char",
            Shape::Uchar => kind == "unsigned char",
            Shape::Ushort => kind == "unsigned short",
            // The header keeps kind and status as the numbers they came as.
            Shape::Int => ["int", "virNetMessageType", "virNetMessageStatus"].contains(&kind),
            Shape::Uint => kind == "unsigned int",
            Shape::Hyper => kind == "hyper",
            Shape::Uhyper => kind == "unsigned hyper",
            Shape::Double => kind == "double",
            Shape::Struct(layout) => bare(layout.name) == spelled(kind),
            Shape::Enum(name, _) | Shape::Union(name, _) => bare(name) == spelled(kind),
            _ => false,
        }
    }
}

fn types(rows: &[BTreeMap<String, String>]) -> Option<Types> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => usize::from_str_radix(hex, 16).unwrap(),
        None => text.parse().unwrap(),
    };
    let constants = facts("protocol/limits.tsv")?
        .iter()
        .map(|row| (row["constant"].clone(), number(&row["value"])))
        .collect();
    let named = rows
        .iter()
        .filter(|row| row["kind"] == "typedef")
        .map(|row| (row["field"].clone(), row.clone()))
        .collect();
    Some(Types { constants, named })
}

/// Every declared structure, union and enumeration of a program, by name without case.
fn declared(program: &str) -> BTreeMap<String, &'static Shape> {
    let typed_value = <typed::TypedValue as xdr::Xdr>::SHAPE;
    let shapes: Vec<&Shape> = match program {
        "remote" => {
            let auth = <remote::AuthType as xdr::Xdr>::SHAPE;
            let error = <message::WireError as xdr::Xdr>::SHAPE;
            remote::SHAPES.concat().into_iter().chain([auth, error, typed_value, typed::SHAPES[0]]).collect()
        }
        "admin" => [admin::SHAPES, typed::SHAPES, &[typed_value]].concat(),
        "qemu" => qemu::SHAPES.to_vec(),
        "net" => {
            let mut shapes = message::shapes();
            shapes.extend(
                remote::SHAPES[0].iter().filter(
                    |s| matches!(s, Shape::Struct(l) if ["DomainRef", "NetworkRef"].contains(&l.name)),
                ),
            );
            shapes
        }
        other => panic!("no program {other}"),
    };
    let name = |shape: &Shape| match shape {
        Shape::Struct(layout) => bare(layout.name),
        Shape::Enum(name, _) | Shape::Union(name, _) => bare(name),
        other => panic!("{other:?} is not declared"),
    };
    shapes.into_iter().map(|shape| (name(shape), shape)).collect()
}

/// Whether row number `order` of a type's rows is what the shape says.
fn row_matches(types: &Types, shape: &Shape, order: i32, row: &BTreeMap<String, String>) -> bool {
    let matches = |inner| types.matches(inner, &row["type"], &row["form"], &row["bound"]);
    let index = usize::try_from(order).unwrap_or(usize::MAX);
    match shape {
        Shape::Struct(layout) => layout.fields.get(index).is_some_and(|(name, inner)| {
            let renamed = [("kind", "type"), ("program", "prog"), ("version", "vers"), ("procedure", "proc")];
            let known = bare(name) == bare(&row["field"]) || renamed.contains(&(*name, &row["field"]));
            known && matches(inner)
        }),
        Shape::Enum(_, members) => members.get(index).is_some_and(|(name, number)| {
            let (word, value) = row["field"].split_once(" = ").unwrap();
            let word = ["REMOTE_AUTH_", "VIR_NET_"].iter().find_map(|p| word.strip_prefix(p)).unwrap();
            // "Message" is what this project calls an event.
            let word = if word == "MESSAGE" { "EVENT" } else { word };
            bare(name) == bare(word) && number.to_string() == value
        }),
        Shape::Union(_, _) if order < 0 => row["type"] == "int type",
        Shape::Union(_, arms) => arms.get(index).is_some_and(|(number, inner)| {
            usize::try_from(*number).ok() == index.checked_add(1) && matches(inner)
        }),
        _ => false,
    }
}

#[test]
fn layouts_are_the_protocol_s() {
    let Some(rows) = facts("protocol/structs.tsv") else { return };
    let types = types(&rows).unwrap();
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in rows.iter().filter(|row| row["kind"] != "typedef") {
        let shapes = declared(&row["program"]);
        let name = match row["owner"].as_str() {
            "virNetMessageType" => "messagekind".to_owned(),
            owner => spelled(owner),
        };
        let order = row["order"].parse().unwrap();
        match shapes.get(&name) {
            Some(shape) if row_matches(&types, shape, order, row) => {}
            _ => wrong.push(format!("{row:?}")),
        }
        *seen.entry((row["program"].clone(), name)).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
    for program in ["remote", "qemu", "admin", "net"] {
        for (name, shape) in declared(program) {
            let rows = seen.get(&(program.to_owned(), name.clone())).copied();
            let fields = match shape {
                Shape::Struct(layout) => layout.fields.len(),
                Shape::Enum(_, members) => members.len(),
                Shape::Union(_, arms) => arms.len() + 1,
                _ => 0,
            };
            assert_eq!(rows, Some(fields), "{program} {name}");
        }
    }
    assert_eq!(rows.len(), 1634);
}

#[test]
fn limits_are_the_protocol_s() {
    let Some(rows) = facts("protocol/limits.tsv") else { return };
    let value =
        |name: &str| rows.iter().find(|row| row["constant"] == name).map(|row| row["value"].clone()).unwrap();
    assert_eq!(value("VIR_NET_MESSAGE_MAX"), (message::FRAME_MAX - message::LENGTH_BYTES).to_string());
    assert_eq!(value("VIR_NET_MESSAGE_HEADER_MAX"), message::HEADER_BYTES.to_string());
    assert_eq!(value("VIR_NET_MESSAGE_LEN_MAX"), message::LENGTH_BYTES.to_string());
    assert_eq!(value("VIR_NET_MESSAGE_NUM_FDS_MAX"), message::FDS_MAX.to_string());
    assert_eq!(value("VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX"), message::STREAM_CHUNK_MAX.to_string());
    for row in facts("protocol/programs.tsv").unwrap() {
        let program = PROGRAMS.iter().find(|p| p.name == row["program"]).unwrap();
        let expected = if row["constant"].ends_with("_PROGRAM") {
            format!("{:#010x}", program.number)
        } else {
            program.version.to_string()
        };
        assert_eq!(row["value"], expected, "{row:?}");
    }
}

/// The condition `A|B` of a flag list as bits.
fn bits(text: &str) -> u32 {
    let value = |name: &str| flags::ALL.iter().find(|(n, _)| *n == name.trim()).map(|(_, v)| *v);
    text.split('|').map(|name| value(name).unwrap_or_else(|| panic!("no flag {name}"))).sum()
}

/// A word of the `acl` column.
fn need(text: &str) -> Need {
    let parts: Vec<_> = text.split(':').collect();
    let when = match parts[2..] {
        [] => When::Always,
        [flags] => match flags.strip_prefix('!') {
            Some(flags) => When::NoneOf(bits(flags)),
            None => When::AllOf(bits(flags)),
        },
        ["", _, value] => When::Equals(bits(value)),
        _ => panic!("{text}"),
    };
    Need { object: Object::parse(parts[0]).unwrap(), permission: Permission::parse(parts[1]).unwrap(), when }
}

fn read_only(row: &BTreeMap<String, String>) -> ReadOnly {
    let text = row["readonly"].as_str();
    if let Some(flags) = text.strip_prefix("refused if flags & ") {
        ReadOnly::AllowedUnless(When::AnyOf(bits(flags.trim_matches(['(', ')']))))
    } else if let Some(value) = text.strip_prefix("refused if source == ") {
        ReadOnly::AllowedUnless(When::Equals(bits(value)))
    } else if text.starts_with("refused") || row["kind"] == "event" {
        ReadOnly::Refused
    } else {
        ReadOnly::Allowed
    }
}

/// The `streams` column of a row as the table says it.
fn streams(row: &Row) -> String {
    let Some(stream) = row.rule.stream else { return String::new() };
    let way = if stream.direction == Direction::FromClient { "writestream" } else { "readstream" };
    let sparse = stream.sparse.map_or("", |_| match stream.direction {
        Direction::FromClient => " sparseflag=VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM",
        Direction::ToClient => " sparseflag=VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM",
    });
    format!("{way}={}{sparse}", stream.argument)
}

fn check_row(program: &Program, row: &BTreeMap<String, String>) {
    let ours = program.row(row["number"].parse().unwrap()).unwrap();
    let (_, name) = row["name"].split_once("_PROC_").unwrap();
    assert_eq!(bare(ours.name), bare(name));
    let layout = |shape: &Shape| match shape {
        Shape::Struct(layout) => bare(layout.name),
        _ => String::new(),
    };
    assert_eq!(layout(ours.args), spelled(&row["args"]), "{name}");
    assert_eq!(layout(ours.ret), spelled(&row["result"]), "{name}");
    let rule = &ours.rule;
    assert_eq!(rule.kind == Kind::Event, row["kind"] == "event", "{name}");
    assert_eq!(rule.api, row["api"], "{name}");
    let priority = match row["priority"].as_str() {
        "high" => Priority::High,
        "low" => Priority::Low,
        _ => Priority::Normal,
    };
    let priority = if rule.kind == Kind::Event { Priority::Normal } else { priority };
    assert_eq!(rule.priority, priority, "{name}");
    assert_eq!(rule.read_only, read_only(row), "{name}");
    let needs: Vec<Need> = match row["acl"].as_str() {
        "" | "none" => Vec::new(),
        acl => acl.split(' ').map(need).collect(),
    };
    assert_eq!(rule.needs, needs, "{name}");
    let filter = Some(row["aclfilter"].as_str()).filter(|f| !f.is_empty()).map(need);
    assert_eq!(rule.filter, filter, "{name}");
    assert_eq!(streams(ours), row["streams"], "{name}");
}

#[test]
fn procedures_are_the_protocol_s() {
    let Some(rows) = facts("protocol/procedures.tsv") else { return };
    for program in PROGRAMS {
        let rows: Vec<_> = rows.iter().filter(|row| row["program"] == program.name).collect();
        assert_eq!(rows.len(), program.rows.len());
        rows.iter().for_each(|row| check_row(program, row));
    }
}

#[test]
fn rows_stand_at_their_numbers() {
    for program in PROGRAMS {
        assert!(program.rows.iter().zip(1..).all(|(row, number)| row.number == number), "{}", program.name);
        assert!(program.row(0).is_none() && program.row(-1).is_none());
    }
    assert!(remote::REMOTE.row(107).is_some() && remote::REMOTE.call(107).is_none());
}

#[test]
fn permissions_and_flags_are_the_reference_s() {
    if let Some(rows) = facts("protocol/permissions.tsv") {
        let known = |need: &Need| {
            let (object, permission) = (need.object.as_str(), need.permission.as_str());
            rows.iter().any(|row| row["object"] == object && row["permission"] == permission)
        };
        let needs =
            PROGRAMS.iter().flat_map(|p| p.rows).flat_map(|r| r.rule.needs.iter().chain(&r.rule.filter));
        assert!(needs.into_iter().all(known));
        assert!(rows.iter().all(|row| Permission::parse(&row["permission"]).is_some()));
    }
    if let Some(rows) = facts("facts/constants.tsv") {
        for (name, value) in flags::ALL {
            let row = rows.iter().find(|row| row["name"] == *name).unwrap();
            assert_eq!(row["value"], value.to_string(), "{name}");
        }
    }
}

#[test]
fn rights_follow_the_argument_they_depend_on() {
    use crate::table::Procedure;
    use remote::procedures::{DomainGetXmlDesc, DomainInterfaceAddresses, DomainSetMemoryFlags};

    let rule = DomainGetXmlDesc::ROW.rule;
    assert!(rule.allows_read_only(2));
    assert!(!rule.allows_read_only(flags::DOMAIN_XML_SECURE | 2));
    assert_eq!(rule.needs(flags::DOMAIN_XML_MIGRATABLE).count(), 2);

    let rule = DomainInterfaceAddresses::ROW.rule;
    assert!(!rule.allows_read_only(1) && rule.allows_read_only(3));

    let rule = DomainSetMemoryFlags::ROW.rule;
    assert_eq!([0, 1, 2, 3].map(|flags| rule.needs(flags).count()), [2, 1, 2, 2]);
}
