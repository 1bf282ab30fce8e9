//! `<sysinfo>`: what the guest's firmware says of the machine.
//!
//! Owns: SMBIOS strings and firmware configuration files: XML and command line. Never: reads what
//! the host's own firmware says.

use ostler_base::{Code, Error, Origin, Result, Uuid, refuse, words};
use ostler_plan::{Part, Props, Resource, ResourceKind};
use ostler_xml::{El, Element};

words! {
    /// `<sysinfo type='…'>`
    pub SysinfoType { Smbios = "smbios", Fwcfg = "fwcfg" }
    /// `<smbios mode='…'>`
    pub SmbiosMode { None = "none", Emulate = "emulate", Host = "host", Sysinfo = "sysinfo" }
}

/// One `<sysinfo>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sysinfo {
    /// Strings of SMBIOS.
    Smbios(Smbios),
    /// Files of the firmware's configuration.
    Fwcfg(Vec<FirmwareFile>),
}

/// `<sysinfo type='smbios'>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Smbios {
    /// Tables in document order: place in the list of tables, and strings by place in theirs.
    pub tables: Vec<(usize, Vec<(usize, String)>)>,
    /// `<oemStrings>`
    pub oem_strings: Vec<String>,
}

/// `<entry name= file=>` of `<sysinfo type='fwcfg'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareFile {
    /// `name`
    pub name: String,
    /// The text.
    pub value: Option<String>,
    /// `file`
    pub file: Option<String>,
}

/// A table of SMBIOS.
struct Table {
    /// Its element.
    element: &'static str,
    /// Its number.
    number: &'static str,
    /// Its strings, as the XML and the command line call them.
    strings: &'static [&'static str],
}

const TABLES: &[Table] = &[
    Table { element: "bios", number: "0", strings: &["vendor", "version", "date", "release"] },
    Table {
        element: "system",
        number: "1",
        strings: &["manufacturer", "product", "version", "serial", "uuid", "sku", "family"],
    },
    Table {
        element: "baseBoard",
        number: "2",
        strings: &["manufacturer", "product", "version", "serial", "asset", "location"],
    },
    Table {
        element: "chassis",
        number: "3",
        strings: &["manufacturer", "version", "serial", "asset", "sku"],
    },
];

/// Reads all of a document; `uuid` is the guest's.
pub(crate) fn parse(root: &Element<'_>, uuid: Option<Uuid>) -> Result<Vec<Sysinfo>> {
    let mut out = Vec::new();
    for el in root.children("sysinfo") {
        out.push(match el.require_word("type")? {
            SysinfoType::Smbios => Sysinfo::Smbios(Smbios::parse(&el, uuid)?),
            SysinfoType::Fwcfg => Sysinfo::Fwcfg(
                el.children("entry").map(|entry| FirmwareFile::parse(&entry)).collect::<Result<_>>()?,
            ),
        });
    }
    Ok(out)
}

fn detail(text: &str) -> Error {
    Error::new(Code::XmlDetail, Origin::Domain, text)
}

/// `mm/dd/yyyy` or `mm/dd/yy`.
fn is_date(text: &str) -> bool {
    let parts: Vec<Option<u32>> = text.split('/').map(|part| part.parse().ok()).collect();
    let [Some(month), Some(day), Some(year)] = parts[..] else { return false };
    (1..=12).contains(&month) && (1..=31).contains(&day) && !(100..1900).contains(&year)
}

impl Smbios {
    fn parse(el: &Element<'_>, uuid: Option<Uuid>) -> Result<Self> {
        let mut tables = Vec::new();
        for (at, table) in TABLES.iter().enumerate() {
            for child in el.children(table.element) {
                let mut strings = Vec::new();
                for entry in child.children("entry") {
                    let name = entry.attr("name").unwrap_or_default();
                    let Some(place) = table.strings.iter().position(|known| *known == name) else { continue };
                    let text = entry.text();
                    if !text.is_empty() && strings.iter().all(|(known, _)| *known != place) {
                        strings.push((place, checked(table, name, text, uuid)?));
                    }
                }
                strings.sort_by_key(|(place, _)| *place);
                if !strings.is_empty() {
                    tables.push((at, strings));
                }
            }
        }
        let oem = el.child("oemStrings");
        let oem_strings = oem.iter().flat_map(|oem| oem.children("entry")).map(|entry| entry.text());
        Ok(Smbios { tables, oem_strings: oem_strings.collect() })
    }

    fn format(&self) -> El {
        let mut el = El::new("sysinfo").attr("type", SysinfoType::Smbios);
        let entry = |name: &str, text: &str| El::with_text("entry", text).attr("name", name);
        for (at, strings) in &self.tables {
            let table = &TABLES[*at];
            let mut child = El::new(table.element);
            child.extend(strings.iter().map(|(place, text)| entry(table.strings[*place], text)));
            el.push(child);
        }
        let mut oem = El::new("oemStrings");
        oem.extend(self.oem_strings.iter().map(|text| El::with_text("entry", text)));
        el.push_filled(oem);
        el
    }

    fn parts(&self, out: &mut Vec<Part>) {
        for (at, strings) in &self.tables {
            let table = &TABLES[*at];
            let mut props = Props::new().with("type", table.number);
            // The reference names this one always.
            if table.element == "chassis" {
                props.set("manufacturer", "");
            }
            for (place, text) in strings {
                props.set(table.strings[*place], text.as_str());
            }
            out.push(Part::options("-smbios", None, props));
        }
        if !self.oem_strings.is_empty() {
            let value = |text: &String| format!(",value={}", text.replace(',', ",,"));
            let values: String = self.oem_strings.iter().map(value).collect();
            out.push(Part::plain("-smbios", format!("type=11{values}")));
        }
    }
}

/// A string of a table, brought into its form.
fn checked(table: &Table, name: &str, text: String, uuid: Option<Uuid>) -> Result<String> {
    match (table.element, name) {
        ("bios", "date") if !is_date(&text) => Err(detail("Invalid BIOS 'date' format")),
        ("system", "uuid") => {
            let said = Uuid::parse(&text).ok_or_else(|| detail("malformed <sysinfo> uuid element"))?;
            if uuid.is_some_and(|uuid| uuid != said) {
                return Err(detail("UUID mismatch between <uuid> and <sysinfo>"));
            }
            Ok(said.to_string())
        }
        _ => Ok(text),
    }
}

impl FirmwareFile {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let name = el.attr("name").filter(|name| !name.is_empty());
        let Some(name) = name else { refuse!(xml, "Firmware entry is missing 'name' attribute") };
        let value = Some(el.text()).filter(|text| !text.is_empty());
        let file = el.attr("file").filter(|file| !file.is_empty()).map(str::to_owned);
        if value.is_none() && file.is_none() {
            refuse!(xml, "Firmware entry must have either value or 'file' attribute");
        }
        Ok(FirmwareFile { name: name.to_owned(), value, file })
    }
}

impl Sysinfo {
    fn format(&self) -> El {
        match self {
            Sysinfo::Smbios(smbios) => smbios.format(),
            Sysinfo::Fwcfg(files) => {
                let mut el = El::new("sysinfo").attr("type", SysinfoType::Fwcfg);
                el.extend(files.iter().map(|file| {
                    let mut el = El::new("entry").attr("name", &file.name);
                    el.set_opt("file", file.file.as_ref());
                    if let Some(value) = &file.value {
                        el.text(value);
                    }
                    el
                }));
                el
            }
        }
    }
}

/// Adds all to a document.
pub(crate) fn format(all: &[Sysinfo], root: &mut El) {
    root.extend(all.iter().map(Sysinfo::format));
}

pub(crate) fn validate(all: &[Sysinfo]) -> Result<()> {
    for one in all {
        let Sysinfo::Fwcfg(files) = one else { continue };
        for file in files {
            if !file.name.starts_with("opt/") {
                refuse!(unsupported, "Invalid firmware name");
            }
            if file.name.starts_with("opt/ovmf/") || file.name.starts_with("opt/org.qemu/") {
                refuse!(unsupported, "That firmware name is reserved");
            }
        }
    }
    Ok(())
}

/// `-smbios` and `-fw_cfg`.
pub(crate) fn parts(
    all: &[Sysinfo],
    mode: Option<SmbiosMode>,
    guest: &str,
    out: &mut Vec<Part>,
) -> Result<()> {
    match mode {
        None | Some(SmbiosMode::None | SmbiosMode::Emulate) => {}
        Some(SmbiosMode::Host) => refuse!(internal, "Host SMBIOS information is not available"),
        Some(SmbiosMode::Sysinfo) => {
            let found = all.iter().find_map(|one| match one {
                Sysinfo::Smbios(smbios) => Some(smbios),
                Sysinfo::Fwcfg(_) => None,
            });
            let Some(smbios) = found else {
                return Err(Error::xml(format!("Domain '{guest}' sysinfo are not available"))
                    .from_origin(Origin::Qemu));
            };
            if smbios.tables.iter().filter(|(at, _)| TABLES[*at].number == "2").count() > 1 {
                refuse!(unsupported, "qemu does not support more than one entry to Type 2 in SMBIOS table");
            }
            smbios.parts(out);
        }
    }
    for one in all {
        let Sysinfo::Fwcfg(files) = one else { continue };
        for file in files {
            let mut props = Props::new().with("name", file.name.as_str());
            match &file.value {
                Some(value) => props.set("string", value.as_str()),
                None => props.set_opt("file", file.file.as_deref()),
            }
            out.push(Part::options("-fw_cfg", None, props));
        }
    }
    Ok(())
}

/// The files that it names.
pub(crate) fn resources(all: &[Sysinfo], out: &mut Vec<Resource>) {
    for one in all {
        if let Sysinfo::Fwcfg(files) = one {
            let named =
                files.iter().filter(|file| file.value.is_none()).filter_map(|file| file.file.as_ref());
            out.extend(named.map(|path| Resource::new(path, ResourceKind::Firmware)));
        }
    }
}
