//! `<virtualport>`: how a port presents itself to a switch.
//!
//! Owns: the parameters and which kind of switch takes which. Never: talks to a switch.

use ostler_base::{Error, Origin, Result, Uuid, Word, words};
use ostler_xml::{El, Element};

/// Longest profile name, in bytes.
const MAX_PROFILE: usize = 39;
/// Highest `typeid`: 24 bits.
const MAX_TYPE_ID: u32 = 0xff_ffff;

words! {
    /// `<virtualport type='…'>`
    pub VirtualPortType {
        /// VEPA, IEEE 802.1Qbg.
        Qbg = "802.1Qbg",
        /// VN-Link, IEEE 802.1Qbh.
        Qbh = "802.1Qbh",
        OpenVswitch = "openvswitch",
        Midonet = "midonet",
    }
}

/// `<virtualport>`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VirtualPort {
    /// The kind of switch; absent where another definition says it.
    pub kind: Option<VirtualPortType>,
    /// VSI manager.
    pub managerid: Option<u8>,
    /// VSI type, 24 bits.
    pub typeid: Option<u32>,
    /// Version of the VSI type.
    pub typeidversion: Option<u8>,
    /// VSI instance.
    pub instanceid: Option<Uuid>,
    /// The port of a virtual switch.
    pub interfaceid: Option<Uuid>,
    /// Port profile; at most 39 bytes.
    pub profileid: Option<String>,
}

impl VirtualPort {
    /// Reads it. A parameter that the kind of switch does not take is refused.
    pub fn parse(el: &Element<'_>) -> Result<Self> {
        let kind = el.attr("type").map(|word| {
            VirtualPortType::parse(word).ok_or_else(|| {
                Error::unsupported(format!("unknown virtualport type {word}")).from_origin(Origin::None)
            })
        });
        let mut port = VirtualPort { kind: kind.transpose()?, ..VirtualPort::default() };
        if let Some(parameters) = el.child("parameters") {
            port.read_parameters(&parameters)?;
        }
        port.check_extra()?;
        Ok(port)
    }

    fn read_parameters(&mut self, el: &Element<'_>) -> Result<()> {
        self.managerid = byte(el, "managerid")?;
        self.typeid = number(el, "typeid")?;
        if self.typeid.is_some_and(|id| id > MAX_TYPE_ID) {
            return Err(fault("value for typeid out of range"));
        }
        self.typeidversion = byte(el, "typeidversion")?;
        self.instanceid = uuid(el, "instanceid")?;
        self.interfaceid = uuid(el, "interfaceid")?;
        self.profileid = el.attr("profileid").filter(|p| !p.is_empty()).map(str::to_owned);
        if self.profileid.as_ref().is_some_and(|p| p.len() > MAX_PROFILE) {
            return Err(fault("profileid parameter too long"));
        }
        Ok(())
    }

    fn check_extra(&self) -> Result<()> {
        let Some(kind) = self.kind.filter(|k| *k != VirtualPortType::Midonet) else { return Ok(()) };
        match self.given().into_iter().find(|name| !takes(kind, name)) {
            Some(name) => Err(fault(format!("extra {name} unsupported in <virtualport type='{kind}'>"))),
            None => Ok(()),
        }
    }

    /// Refuses it where the kind of switch, or a parameter which that needs, is missing.
    pub fn check_complete(&self) -> Result<()> {
        let kind = self.kind.ok_or_else(|| fault("missing required virtualport type"))?;
        let given = self.given();
        match needs(kind).iter().find(|name| !given.contains(name)) {
            Some(name) => Err(fault(format!("missing {name} in <virtualport type='{kind}'>"))),
            None => Ok(()),
        }
    }

    /// Gives it the identifiers that its kind of switch needs and that are made up where they are
    /// not given.
    pub fn fill_ids(&mut self, mut fresh: impl FnMut() -> Uuid) {
        match self.kind {
            Some(VirtualPortType::Qbg) => _ = self.instanceid.get_or_insert_with(fresh),
            Some(VirtualPortType::OpenVswitch) => _ = self.interfaceid.get_or_insert_with(&mut fresh),
            _ => {}
        }
    }

    /// Takes over what `other` says; both may say the same, never different things.
    pub fn merge(&mut self, other: &VirtualPort) -> Result<()> {
        join(&mut self.kind, &other.kind, "types", |a, b| format!("{a} and {b}"))?;
        join(&mut self.managerid, &other.managerid, "managerids", |a, b| format!("{a} and {b}"))?;
        join(&mut self.typeid, &other.typeid, "typeids", |a, b| format!("{a} and {b}"))?;
        join(&mut self.typeidversion, &other.typeidversion, "typeidversions", |a, b| format!("{a} and {b}"))?;
        join(&mut self.instanceid, &other.instanceid, "instanceids", |a, b| format!("'{a}' and '{b}'"))?;
        join(&mut self.interfaceid, &other.interfaceid, "interfaceids", |a, b| format!("'{a}' and '{b}'"))?;
        join(&mut self.profileid, &other.profileid, "profileids", |a, b| format!("'{a}' and '{b}'"))
    }

    /// Writes it; `None` where it says nothing.
    pub fn to_el(&self) -> Option<El> {
        let given = self.given();
        if self.kind.is_none() && given.is_empty() {
            return None;
        }
        let mut el = El::new("virtualport").attr_opt("type", self.kind.map(Word::as_str));
        if !given.is_empty() {
            let shown = |name: &str| self.kind.is_none_or(|kind| takes(kind, name));
            let mut parameters = El::new("parameters");
            for (name, value) in self.values() {
                if shown(name) {
                    parameters.set_opt(name, value);
                }
            }
            el.push(parameters);
        }
        Some(el)
    }

    fn values(&self) -> [(&'static str, Option<String>); 6] {
        [
            ("managerid", self.managerid.map(|v| v.to_string())),
            ("typeid", self.typeid.map(|v| v.to_string())),
            ("typeidversion", self.typeidversion.map(|v| v.to_string())),
            ("instanceid", self.instanceid.map(|v| v.to_string())),
            ("interfaceid", self.interfaceid.map(|v| v.to_string())),
            ("profileid", self.profileid.clone()),
        ]
    }

    fn given(&self) -> Vec<&'static str> {
        self.values().into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect()
    }
}

fn takes(kind: VirtualPortType, name: &str) -> bool {
    match kind {
        VirtualPortType::Qbg => matches!(name, "managerid" | "typeid" | "typeidversion" | "instanceid"),
        VirtualPortType::Qbh => name == "profileid",
        VirtualPortType::OpenVswitch => matches!(name, "interfaceid" | "profileid"),
        VirtualPortType::Midonet => name == "interfaceid",
    }
}

fn needs(kind: VirtualPortType) -> &'static [&'static str] {
    match kind {
        VirtualPortType::Qbg => &["managerid", "typeid", "typeidversion", "instanceid"],
        VirtualPortType::Qbh => &["profileid"],
        VirtualPortType::OpenVswitch | VirtualPortType::Midonet => &["interfaceid"],
    }
}

fn join<T: Clone + PartialEq>(
    mine: &mut Option<T>,
    other: &Option<T>,
    what: &str,
    show: impl Fn(&T, &T) -> String,
) -> Result<()> {
    match (&mine, other) {
        (Some(a), Some(b)) if a != b => {
            Err(fault(format!("attempt to merge virtualports with mismatched {what} ({})", show(a, b))))
        }
        (None, Some(b)) => {
            *mine = Some(b.clone());
            Ok(())
        }
        _ => Ok(()),
    }
}

fn number(el: &Element<'_>, name: &str) -> Result<Option<u32>> {
    el.number_in::<u32>(name, 0).map_err(|_| fault(format!("cannot parse value of {name} parameter")))
}

fn byte(el: &Element<'_>, name: &str) -> Result<Option<u8>> {
    number(el, name)?
        .map(|value| u8::try_from(value).map_err(|_| fault(format!("value of {name} out of range"))))
        .transpose()
}

fn uuid(el: &Element<'_>, name: &str) -> Result<Option<Uuid>> {
    el.attr(name)
        .map(|text| {
            Uuid::parse(text).ok_or_else(|| fault(format!("cannot parse {name} parameter as a uuid")))
        })
        .transpose()
}

fn fault(words: impl Into<String>) -> Error {
    Error::xml(words).from_origin(Origin::None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_xml::Document;

    const ID: &str = "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f";

    fn read(text: &str) -> Result<VirtualPort> {
        VirtualPort::parse(&Document::parse(text, "test")?.root())
    }

    #[test]
    fn parameters_of_each_kind() {
        let port = read(&format!(
            "<virtualport type='802.1Qbg'><parameters managerid='0x11' typeid='9' typeidversion='2' \
             instanceid='{ID}'/></virtualport>"
        ))
        .unwrap();
        assert!(port.check_complete().is_ok());
        assert_eq!(
            port.to_el().unwrap().to_xml(),
            format!(
                "<virtualport type='802.1Qbg'>\n  <parameters managerid='17' typeid='9' typeidversion='2' \
                 instanceid='{ID}'/>\n</virtualport>\n"
            )
        );
        assert_eq!(read("<virtualport/>").unwrap().to_el(), None);
        assert_eq!(
            read("<virtualport type='openvswitch'/>").unwrap().to_el().unwrap().to_xml(),
            "<virtualport type='openvswitch'/>\n"
        );
    }

    #[test]
    fn made_up_ids_complete_it() {
        let mut port = read("<virtualport type='openvswitch'/>").unwrap();
        assert_eq!(
            port.check_complete().unwrap_err().to_string(),
            "XML error: missing interfaceid in <virtualport type='openvswitch'>"
        );
        port.fill_ids(|| Uuid([7; 16]));
        assert_eq!(port.interfaceid, Some(Uuid([7; 16])));
        assert!(port.check_complete().is_ok());
    }

    #[test]
    fn refusals() {
        for (text, words) in [
            (
                "<virtualport type='802.1Qbg'><parameters profileid='p'/></virtualport>",
                "XML error: extra profileid unsupported in <virtualport type='802.1Qbg'>",
            ),
            (
                "<virtualport><parameters managerid='256'/></virtualport>",
                "XML error: value of managerid out of range",
            ),
            (
                "<virtualport><parameters typeid='16777216'/></virtualport>",
                "XML error: value for typeid out of range",
            ),
            ("<virtualport type='x'/>", "unsupported configuration: unknown virtualport type x"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn merging() {
        let mut port = read("<virtualport><parameters profileid='p'/></virtualport>").unwrap();
        port.merge(&read("<virtualport type='openvswitch'/>").unwrap()).unwrap();
        assert_eq!(port.kind, Some(VirtualPortType::OpenVswitch));
        let other = read("<virtualport><parameters profileid='q'/></virtualport>").unwrap();
        assert_eq!(
            port.merge(&other).unwrap_err().to_string(),
            "XML error: attempt to merge virtualports with mismatched profileids ('p' and 'q')"
        );
    }
}
