//! `<tpm>`: a trusted platform module, passed through, emulated or outside.

use ostler_base::{Arch, Error, Result, Uuid, Word, refuse, words};
use ostler_caps::emulator::Flag;
use ostler_plan::{
    Action, Chardev, ChardevBackend, FdKind, FdSource, Part, Props, Query, Resource, ResourceKind,
    SocketAddress,
};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<tpm model='…'>`
    pub TpmModel { Tis = "tpm-tis", Crb = "tpm-crb", Spapr = "tpm-spapr", SpaprProxy = "spapr-tpm-proxy" }
    /// `<backend version='…'>`
    pub TpmVersion { V1 = "1.2", V2 = "2.0" }
    /// `<active_pcr_banks>`
    pub PcrBank { Sha1 = "sha1", Sha256 = "sha256", Sha384 = "sha384", Sha512 = "sha512" }
    /// `<profile removeDisabled='…'>`
    pub RemoveDisabled { Check = "check", FipsHost = "fips-host" }
}

/// `<profile>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TpmProfile {
    /// `source`: what `swtpm_setup` knows it by.
    pub source: String,
    /// `removeDisabled`: leave out what the host's libraries do not allow.
    pub remove_disabled: Option<RemoveDisabled>,
    /// `name`, once it was made.
    pub name: Option<String>,
}

impl TpmProfile {
    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(TpmProfile {
            source: el.attr("source").map(str::to_owned).ok_or_else(|| el.missing("source"))?,
            remove_disabled: el.word("removeDisabled")?,
            name: el.attr("name").map(str::to_owned),
        })
    }

    fn format(&self) -> El {
        El::new("profile")
            .attr("source", &self.source)
            .attr_opt("removeDisabled", self.remove_disabled)
            .attr_opt("name", self.name.as_ref())
    }
}

fn parse_banks(backend: &Element<'_>) -> Result<Vec<PcrBank>> {
    let Some(named) = backend.child("active_pcr_banks") else { return Ok(Vec::new()) };
    // In the order of their strength, whatever the order of the document.
    let there = |bank: &&PcrBank| named.child(bank.as_str()).is_some();
    Ok(PcrBank::WORDS.iter().map(|(_, bank)| bank).filter(there).copied().collect())
}

/// A TPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tpm {
    /// `model`; TIS where absent.
    pub model: Option<TpmModel>,
    /// `<backend>`
    pub backend: TpmBackend,
    info: Info,
}

/// `<backend type='…'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TpmBackend {
    /// A TPM of the host.
    Passthrough {
        /// `<device path=…>`
        device: String,
    },
    /// A software TPM that is started for the guest.
    Emulator {
        /// `version`; 2.0 for CRB, else 1.2.
        version: Option<TpmVersion>,
        /// `persistent_state`: keep its state when the guest is undefined.
        persistent_state: Option<ostler_base::YesNo>,
        /// `<profile>`: which algorithms a new TPM has.
        profile: Option<TpmProfile>,
        /// `<active_pcr_banks>`: names of hashes.
        banks: Vec<PcrBank>,
    },
    /// A software TPM that somebody else runs.
    External {
        /// `<source path=…>`: its socket.
        path: String,
    },
}

const DEFAULT_DEVICE: &str = "/dev/tpm0";

impl Kind for Tpm {
    const ELEMENT: &'static str = "tpm";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let backend = el.child("backend").ok_or_else(|| Error::xml("missing TPM device backend"))?;
        let backend = match backend.require("type")? {
            "passthrough" => TpmBackend::Passthrough {
                device: backend
                    .child("device")
                    .and_then(|d| d.attr("path"))
                    .unwrap_or(DEFAULT_DEVICE)
                    .to_owned(),
            },
            "emulator" => TpmBackend::Emulator {
                version: backend.word("version")?,
                persistent_state: backend.yes_no("persistent_state")?,
                profile: backend.child("profile").map(|p| TpmProfile::parse(&p)).transpose()?,
                banks: parse_banks(&backend)?,
            },
            "external" => {
                let source = backend.child("source");
                if source.and_then(|s| s.attr("type")).is_some_and(|kind| kind != "unix") {
                    refuse!(xml, "only 'client' mode is supported for external TPM device");
                }
                let path = source.and_then(|s| s.attr("path"));
                TpmBackend::External {
                    path: path
                        .ok_or_else(|| Error::xml("missing socket path for external TPM device"))?
                        .to_owned(),
                }
            }
            other => return Err(backend.invalid("type", other, "")),
        };
        Ok(Tpm { model: el.word("model")?, backend, info: Info::default() })
    }
}

impl Device for Tpm {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let backend = match &self.backend {
            TpmBackend::Passthrough { device } => {
                El::new("backend").attr("type", "passthrough").child(El::new("device").attr("path", device))
            }
            TpmBackend::Emulator { version, persistent_state, profile, banks } => {
                let mut backend = El::new("backend")
                    .attr("type", "emulator")
                    .attr_opt("version", *version)
                    .attr_opt("persistent_state", *persistent_state);
                let mut named = El::new("active_pcr_banks");
                named.extend(banks.iter().map(|bank| El::new(bank.as_str())));
                backend.push_filled(named);
                backend.extend(profile.as_ref().map(TpmProfile::format));
                backend
            }
            TpmBackend::External { path } => {
                let source =
                    El::new("source").attr("type", "unix").attr("mode", "connect").attr("path", path);
                El::new("backend").attr("type", "external").child(source)
            }
        };
        El::new("tpm").attr_opt("model", self.model).child(backend)
    }

    fn complete(&mut self, head: &Head, _setting: &Setting<'_>) -> Result<()> {
        let arch = head.os.arch;
        let power = arch.is_some_and(|arch| matches!(arch, Arch::Ppc64 | Arch::Ppc64le));
        let model = *self.model.get_or_insert(if power { TpmModel::Spapr } else { TpmModel::Tis });
        if let TpmBackend::Emulator { version, .. } = &mut self.backend {
            let old = model == TpmModel::Tis && arch.is_some_and(Arch::is_x86);
            version.get_or_insert(if old { TpmVersion::V1 } else { TpmVersion::V2 });
        }
        Ok(())
    }

    fn spapr_vio_base(&self) -> Option<u64> {
        (self.model == Some(TpmModel::Spapr)).then_some(0x4000)
    }

    fn validate(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        let like = |tpm: &&Tpm| tpm.is_proxy() == self.is_proxy();
        if draft.devices.tpms.iter().filter(like).count() > 1 {
            let kind = if self.is_proxy() { "TPM Proxy" } else { "TPM non-proxy" };
            refuse!(unsupported, "only a single {kind} device is supported");
        }
        if self.is_proxy() && !matches!(self.backend, TpmBackend::Passthrough { .. }) {
            refuse!(unsupported, "TPM Proxy devices require 'Passthrough' backend");
        }
        if let TpmBackend::Emulator { version: Some(TpmVersion::V1), banks, profile, .. } = &self.backend {
            if !banks.is_empty() {
                refuse!(unsupported, "<active_pcr_banks/> requires TPM version '{}'", TpmVersion::V2);
            }
            if profile.is_some() {
                refuse!(unsupported, "<profile/> requires TPM version '{}'", TpmVersion::V2);
            }
        }
        if let TpmBackend::Emulator { version: Some(TpmVersion::V1), .. } = self.backend
            && self.model == Some(TpmModel::Crb)
        {
            refuse!(unsupported, "Unsupported interface '{}' for TPM 1.2", TpmModel::Crb);
        }
        let flag = match self.model {
            Some(TpmModel::Crb) => Flag::TpmCrb,
            Some(TpmModel::Spapr) => Flag::TpmSpapr,
            Some(TpmModel::SpaprProxy) => Flag::SpaprTpmProxy,
            _ => Flag::TpmTis,
        };
        if setting.emulator.is_some() && !setting.has(flag) {
            let model = self.model.map(|m| m.to_string()).unwrap_or_default();
            refuse!(unsupported, "The QEMU executable does not support TPM model {model}");
        }
        Ok(())
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("tpm{nth}")
    }

    fn ask(&self, _setting: &Setting<'_>, out: &mut Vec<Query>) {
        if let TpmBackend::Emulator { .. } = self.backend {
            out.push(Query::SwtpmVersions);
        }
    }

    fn actions(&self, build: &Build<'_>, out: &mut Vec<Action>) -> Result<()> {
        let TpmBackend::Emulator { version, .. } = &self.backend else { return Ok(()) };
        let versions = build.facts.words(&Query::SwtpmVersions)?;
        let version = version.unwrap_or(TpmVersion::V2);
        if !versions.iter().any(|v| *v == version.to_string()) {
            refuse!(unsupported, "TPM version '{version}' is not supported");
        }
        out.extend(self.swtpm(version, build));
        Ok(())
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias().to_owned();
        let id = format!("tpm-{alias}");
        let mut tpmdev = Props::new();
        match &self.backend {
            TpmBackend::Passthrough { device } if self.is_proxy() => {
                let props = Props::new().with("driver", "spapr-tpm-proxy").with("id", alias);
                build.parts.push(Part::Device(props.with("host-path", device.as_str())));
                return Ok(());
            }
            TpmBackend::Passthrough { device } => {
                let cancel = cancel_path(device)?;
                let device = FdSource::Open(device.into());
                let device = build.add_fd(FdKind::Tpm, device, &format!("{alias}-tpm"));
                let cancel = FdSource::OpenWrite(cancel.into());
                let cancel = build.add_fd(FdKind::TpmCancel, cancel, &format!("{alias}-cancel"));
                tpmdev = tpmdev.with("type", "passthrough").with("id", id.as_str());
                tpmdev = tpmdev.with("path", device).with("cancel-path", cancel);
            }
            TpmBackend::Emulator { .. } | TpmBackend::External { .. } => {
                let path = self.socket(build.draft.uuid(), build.draft.name(), build.setting);
                let socket = ChardevBackend::Socket {
                    address: SocketAddress::Unix(path),
                    server: None,
                    telnet: false,
                    tls_creds: None,
                    reconnect: None,
                    reconnect_ms: false,
                };
                build.parts.push(Part::Chardev(Chardev::new("chrtpm", socket)));
                tpmdev = tpmdev.with("type", "emulator").with("id", id.as_str()).with("chardev", "chrtpm");
            }
        }
        build.parts.push(Part::Tpmdev(tpmdev));
        let x86 = build.draft.head.os.arch.is_some_and(Arch::is_x86);
        let driver = match self.model {
            // Boards without an ISA bus have it in memory.
            Some(TpmModel::Tis) if !x86 => "tpm-tis-device".to_owned(),
            model => model.map(|m| m.to_string()).unwrap_or_default(),
        };
        let mut props = Props::new().with("driver", driver).with("tpmdev", id).with("id", alias);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn cleanup(&self, draft: &Draft, setting: &Setting<'_>, out: &mut Vec<Action>) {
        if let TpmBackend::Emulator { .. } = self.backend {
            let socket = self.socket(draft.uuid(), draft.name(), setting);
            let pid_file = socket.replace(".sock", ".pid");
            let name = format!("software TPM of guest '{}'", draft.name());
            out.push(Action::StopService { name, pid_file: pid_file.into() });
            out.push(Action::RemoveFile { path: socket.into() });
        }
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        match &self.backend {
            TpmBackend::Passthrough { device } => {
                out.push(Resource::new(device, ResourceKind::Device).writable());
                out.extend(
                    cancel_path(device).map(|path| Resource::new(path, ResourceKind::Device).writable()),
                );
            }
            TpmBackend::External { path } => out.push(Resource::new(path, ResourceKind::Socket).writable()),
            TpmBackend::Emulator { .. } => {}
        }
    }
}

impl Tpm {
    /// Whether it passes the guest's requests to a TPM of the host beside the guest's own.
    fn is_proxy(&self) -> bool {
        self.model == Some(TpmModel::SpaprProxy)
    }

    fn socket(&self, uuid: Uuid, name: &str, setting: &Setting<'_>) -> String {
        match &self.backend {
            TpmBackend::External { path } => path.clone(),
            _ => setting.config.swtpm_socket(uuid, name),
        }
    }

    /// State directory, state made where there is none, and the software TPM itself.
    fn swtpm(&self, version: TpmVersion, build: &Build<'_>) -> Vec<Action> {
        let (setting, draft) = (build.setting, build.draft);
        let config = setting.config;
        let top = format!("{}/{}", config.swtpm_dir, draft.uuid());
        let state = format!("{top}/{}", if version == TpmVersion::V1 { "tpm1.2" } else { "tpm2" });
        let make = |path: String, mode| Action::KeepDir { path: path.into(), mode, owner: config.owner };
        let socket = self.socket(draft.uuid(), draft.name(), setting);
        let run = format!("{}/swtpm", config.state_dir);
        let pid_file = socket.replace(".sock", ".pid");
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let v2 = version == TpmVersion::V2;
        let mut setup = words("swtpm_setup --tpm-state");
        setup.push(state.clone());
        setup
            .extend(words("--not-overwrite --createek --create-ek-cert --create-platform-cert --lock-nvram"));
        setup.extend(v2.then(|| "--tpm2".to_owned()));
        if let TpmBackend::Emulator { banks, profile, .. } = &self.backend {
            if !banks.is_empty() {
                let names: Vec<&str> = banks.iter().map(|bank| bank.as_str()).collect();
                setup.extend(["--pcr-banks".to_owned(), names.join(",")]);
            }
            if let Some(profile) = profile {
                setup.extend(["--profile-name".to_owned(), profile.source.clone()]);
                let remove = profile.remove_disabled.map(|how| how.to_string());
                setup
                    .extend(remove.into_iter().flat_map(|how| ["--profile-remove-disabled".to_owned(), how]));
            }
        }
        let mut serve = words("swtpm socket --ctrl");
        serve.push(format!("type=unixio,path={socket},mode=0600"));
        serve.extend(["--tpmstate".to_owned(), format!("dir={state},mode=0600"), "--terminate".to_owned()]);
        serve.extend(["--pid".to_owned(), format!("file={pid_file}")]);
        serve.extend(v2.then(|| "--tpm2".to_owned()));
        let name = format!("software TPM of guest '{}'", draft.name());
        vec![
            make(config.swtpm_dir.clone(), 0o711),
            make(top, 0o711),
            make(state, 0o700),
            make(run, 0o770),
            Action::Run { name: name.clone(), argv: setup, owner: config.owner },
            Action::StartService {
                name,
                argv: serve,
                owner: config.owner,
                ready: socket.into(),
                pid_file: pid_file.into(),
            },
        ]
    }
}

/// The file that cancels a command of a TPM of the host.
fn cancel_path(device: &str) -> Result<String> {
    match device.rsplit_once('/') {
        Some((_, name)) if !name.is_empty() && name != ".." => {
            Ok(format!("/sys/class/misc/{name}/device/cancel"))
        }
        _ => Err(Error::internal(format!("TPM device path {device} is invalid"))),
    }
}
