//! `<launchSecurity>`: guests whose memory the host cannot read.
//!
//! Owns: the XML, its rules, and the object that a guest is protected by. Never: measures a guest.

use ostler_base::{Error, Result, YesNo, refuse, words};
use ostler_caps::emulator::Flag;
use ostler_plan::{Action, Part, Props};
use ostler_xml::{El, Element, Number};

use crate::devices::Build;
use crate::{Draft, Setting};

words! {
    /// `<launchSecurity type='…'>`
    pub SecurityType { Sev = "sev", SevSnp = "sev-snp", S390Pv = "s390-pv" }
}

/// The name of the object.
const ID: &str = "lsec0";

/// `<launchSecurity>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchSecurity {
    /// Secure Encrypted Virtualization of AMD.
    Sev {
        /// What both generations have.
        common: SevCommon,
        /// `<policy>`
        policy: u32,
        /// `<dhCert>`: the owner's certificate, in base 64.
        dh_cert: Option<String>,
        /// `<session>`, in base 64.
        session: Option<String>,
    },
    /// The same with Secure Nested Paging.
    SevSnp {
        /// What both generations have.
        common: SevCommon,
        /// `authorKey`
        author_key: Option<YesNo>,
        /// `vcek`
        vcek: Option<YesNo>,
        /// `<policy>`
        policy: u64,
        /// Texts in base 64, in the order of [`SNP_TEXTS`].
        texts: [Option<String>; 4],
    },
    /// Protected Virtualization of s390.
    S390Pv,
}

/// What SEV and SEV-SNP have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SevCommon {
    /// `kernelHashes`
    pub kernel_hashes: Option<YesNo>,
    /// `<cbitpos>`; the host's where absent.
    pub cbitpos: Option<u32>,
    /// `<reducedPhysBits>`; the host's where absent.
    pub reduced_phys_bits: Option<u32>,
}

/// Texts of SEV-SNP: names of the element and of the property.
const SNP_TEXTS: [(&str, &str); 4] = [
    ("guestVisibleWorkarounds", "guest-visible-workarounds"),
    ("idBlock", "id-block"),
    ("idAuth", "id-auth"),
    ("hostData", "host-data"),
];

fn number<N: Number>(el: &Element<'_>, name: &str, radix: u32) -> Result<Option<N>> {
    let Some(text) = el.child_text(name) else { return Ok(None) };
    match N::read(&text, radix) {
        Some(number) => Ok(Some(number)),
        None => {
            let what = if name == "cbitpos" { "cbitpos" } else { "reduced-phys-bits" };
            Err(Error::xml(format!("Invalid format for launch security {what}")))
        }
    }
}

impl SevCommon {
    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(SevCommon {
            kernel_hashes: el.yes_no("kernelHashes")?,
            cbitpos: number(el, "cbitpos", 0)?,
            reduced_phys_bits: number(el, "reducedPhysBits", 0)?,
        })
    }

    fn format(&self, kind: SecurityType) -> El {
        let mut el =
            El::new("launchSecurity").attr("type", kind).attr_opt("kernelHashes", self.kernel_hashes);
        el.push_text("cbitpos", self.cbitpos);
        el.push_text("reducedPhysBits", self.reduced_phys_bits);
        el
    }

    /// The object so far; what is left open is the host's.
    fn props(&self, object: &str, setting: &Setting<'_>) -> Result<Props> {
        let host = setting.emulator.and_then(|emulator| emulator.sev.as_ref());
        let lacking = || Error::operation_unsupported("QEMU does not support SEV guest");
        let cbitpos = self.cbitpos.or(host.map(|sev| sev.cbitpos)).ok_or_else(lacking)?;
        let bits = self.reduced_phys_bits.or(host.map(|sev| sev.reduced_phys_bits)).ok_or_else(lacking)?;
        Ok(Props::new()
            .with("qom-type", object)
            .with("id", ID)
            .with("cbitpos", cbitpos)
            .with("reduced-phys-bits", bits))
    }
}

/// `<policy>` in C's notation.
fn policy<N: Number>(el: &Element<'_>) -> Result<N> {
    let text = el.child_text("policy").unwrap_or_default();
    let number = N::read(&text, 0);
    number.ok_or_else(|| Error::xml("failed to get launch security policy"))
}

impl LaunchSecurity {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Option<Self>> {
        let Some(el) = root.child("launchSecurity") else { return Ok(None) };
        Ok(Some(match el.require_word("type")? {
            SecurityType::Sev => LaunchSecurity::Sev {
                common: SevCommon::parse(&el)?,
                policy: policy(&el)?,
                dh_cert: el.child_text("dhCert"),
                session: el.child_text("session"),
            },
            SecurityType::SevSnp => LaunchSecurity::SevSnp {
                common: SevCommon::parse(&el)?,
                author_key: el.yes_no("authorKey")?,
                vcek: el.yes_no("vcek")?,
                policy: policy(&el)?,
                texts: SNP_TEXTS.map(|(name, _)| el.child_text(name)),
            },
            SecurityType::S390Pv => LaunchSecurity::S390Pv,
        }))
    }

    pub(crate) fn format(&self) -> El {
        match self {
            LaunchSecurity::Sev { common, policy, dh_cert, session } => {
                let mut el = common.format(SecurityType::Sev);
                el.push(El::with_text("policy", format_args!("0x{policy:04x}")));
                el.push_text("dhCert", dh_cert.as_ref());
                el.push_text("session", session.as_ref());
                el
            }
            LaunchSecurity::SevSnp { common, author_key, vcek, policy, texts } => {
                let mut el = common.format(SecurityType::SevSnp);
                el.set_opt("authorKey", *author_key);
                el.set_opt("vcek", *vcek);
                el.push(El::with_text("policy", format_args!("0x{policy:08x}")));
                for ((name, _), text) in SNP_TEXTS.iter().zip(texts) {
                    el.push_text(*name, text.as_ref());
                }
                el
            }
            LaunchSecurity::S390Pv => El::new("launchSecurity").attr("type", SecurityType::S390Pv),
        }
    }

    fn kind(&self) -> SecurityType {
        match self {
            LaunchSecurity::Sev { .. } => SecurityType::Sev,
            LaunchSecurity::SevSnp { .. } => SecurityType::SevSnp,
            LaunchSecurity::S390Pv => SecurityType::S390Pv,
        }
    }

    pub(crate) fn validate(&self, setting: &Setting<'_>) -> Result<()> {
        let kind = self.kind();
        let flag = match self {
            LaunchSecurity::Sev { .. } => Flag::SevGuest,
            LaunchSecurity::SevSnp { .. } => Flag::SevSnpGuest,
            LaunchSecurity::S390Pv => Flag::S390PvGuest,
        };
        if setting.emulator.is_none() {
            return Ok(());
        }
        let confidential = setting.has(Flag::ConfidentialGuestSupport);
        if !setting.has(flag) || (kind == SecurityType::S390Pv && !confidential) {
            refuse!(unsupported, "'{kind}' launch security is not supported with this QEMU binary");
        }
        match self {
            LaunchSecurity::Sev { common: SevCommon { kernel_hashes: Some(_), .. }, .. }
                if !setting.has(Flag::SevGuestKernelHashes) =>
            {
                refuse!(
                    unsupported,
                    "SEV measured direct kernel boot is not supported with this QEMU binary"
                );
            }
            _ => Ok(()),
        }
    }

    /// Properties of `-machine`.
    pub(crate) fn machine_props(&self, setting: &Setting<'_>, props: &mut Props) {
        let name = if setting.has(Flag::ConfidentialGuestSupport) {
            "confidential-guest-support"
        } else {
            "memory-encryption"
        };
        props.set(name, ID);
    }
}

/// The file that a text of a run is kept in.
fn file(draft: &Draft, setting: &Setting<'_>, name: &str) -> String {
    format!("{}/{name}.base64", setting.config.run_dir(draft.head.identity.id, draft.name()))
}

/// The object.
pub(crate) fn parts(build: &mut Build<'_>) -> Result<()> {
    let (draft, setting) = (build.draft, build.setting);
    let Some(security) = &draft.head.launch_security else { return Ok(()) };
    let yes = |word: &Option<YesNo>| word.map(YesNo::is_true);
    let props = match security {
        LaunchSecurity::Sev { common, policy, dh_cert, session } => {
            let mut props = common.props("sev-guest", setting)?;
            props.set("policy", *policy);
            props.set_opt("dh-cert-file", dh_cert.as_ref().map(|_| file(draft, setting, "dh_cert")));
            props.set_opt("session-file", session.as_ref().map(|_| file(draft, setting, "session")));
            props.set_opt("kernel-hashes", yes(&common.kernel_hashes));
            props
        }
        LaunchSecurity::SevSnp { common, author_key, vcek, policy, texts } => {
            let mut props = common.props("sev-snp-guest", setting)?;
            props.set_opt("kernel-hashes", yes(&common.kernel_hashes));
            props.set("policy", *policy);
            for ((_, name), text) in SNP_TEXTS.iter().zip(texts) {
                props.set_opt(name, text.as_deref());
            }
            props.set_opt("author-key-enabled", yes(author_key));
            props.set_opt("vcek-disabled", vcek.map(|vcek| !vcek.is_true()));
            props
        }
        LaunchSecurity::S390Pv => Props::new().with("qom-type", "s390-pv-guest").with("id", ID),
    };
    build.parts.push(Part::Object(props));
    Ok(())
}

/// Writes the texts that the emulator reads from files.
pub(crate) fn actions(build: &Build<'_>, out: &mut Vec<Action>) {
    let (draft, setting) = (build.draft, build.setting);
    let Some(LaunchSecurity::Sev { dh_cert, session, .. }) = &draft.head.launch_security else { return };
    for (name, text) in [("dh_cert", dh_cert), ("session", session)] {
        out.extend(text.as_ref().map(|text| Action::WriteFile {
            path: file(draft, setting, name).into(),
            content: text.clone().into_bytes(),
            mode: 0o600,
            owner: setting.config.owner,
        }));
    }
}
