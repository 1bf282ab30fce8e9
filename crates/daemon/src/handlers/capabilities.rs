//! What the host and its emulators can do, and arithmetic with CPUs.
//!
//! Owns: those handlers. Never: makes a document.

use std::sync::Arc;

use ostler_base::{Arch, Code, Error, Origin, Result, Word};
use ostler_caps::cpu::{self, Comparison, Cpu, Limits};
use ostler_rpc::programs::TypedParam;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::xdr::List;

use super::only_flags;
use crate::access::Allowed;
use crate::daemon::Daemon;
use crate::dispatch::{Act, Answer, Host, handlers};
use crate::domcaps::Question;
use crate::host_cpu::sev_guests;
use crate::session::Session;

handlers! {
    act call::ConnectGetCapabilities;
    act call::ConnectGetDomainCapabilities;
    answer call::ConnectGetCpuModelNames;
    act call::ConnectCompareCpu;
    answer call::ConnectBaselineCpu;
    act call::NodeGetSevInfo;
}

/// The flag of a client that understands texts as parameters.
const TEXTS: u32 = 4;
/// Of domain capabilities: without features that may go away.
const WITHOUT_DEPRECATED: u32 = 1;
/// Of a comparison: an error where the host cannot give the CPU.
pub(super) const FAIL_INCOMPATIBLE: u32 = 1;
/// Of a comparison: the document is checked against the schema; it is read as strictly anyway.
pub(super) const VALIDATE: u32 = 2;
/// Of a baseline: with the features that its model stands for.
pub(super) const EXPAND: u32 = 1;
/// Of a baseline: without what bars migration.
pub(super) const MIGRATABLE: u32 = 2;

impl Act<call::ConnectGetCapabilities> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _: Arc<Session>,
        _on: Allowed<Host>,
        _args: (),
    ) -> Result<wire::ConnectGetCapabilitiesRet> {
        Ok(wire::ConnectGetCapabilitiesRet { capabilities: self.capabilities().await? })
    }
}

impl Act<call::ConnectGetDomainCapabilities> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _: Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectGetDomainCapabilitiesArgs,
    ) -> Result<wire::ConnectGetDomainCapabilitiesRet> {
        only_flags(args.flags, WITHOUT_DEPRECATED, "qemuConnectGetDomainCapabilities", Origin::Qemu)?;
        let question = Question {
            emulator: args.emulatorbin,
            arch: args.arch,
            machine: args.machine,
            kind: args.virttype,
        };
        let kind = self.kind(&question).await?;
        let outdated = args.flags & WITHOUT_DEPRECATED == 0;
        let capabilities = self.domain_capabilities(&kind, outdated).await?;
        Ok(wire::ConnectGetDomainCapabilitiesRet { capabilities })
    }
}

impl Answer<call::ConnectGetCpuModelNames> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectGetCpuModelNamesArgs,
    ) -> Result<wire::ConnectGetCpuModelNamesRet> {
        only_flags(args.flags, 0, "qemuConnectGetCPUModelNames", Origin::Qemu)?;
        let arch = Arch::parse(&args.arch)
            .ok_or_else(|| Error::invalid_arg(format!("cannot find architecture {}", args.arch)))?;
        cpu::check_arch(arch)?;
        let models = cpu::models(arch);
        let ret = i32::try_from(models.len()).unwrap_or(i32::MAX);
        let wanted = models.into_iter().filter(|_| args.need_results != 0);
        Ok(wire::ConnectGetCpuModelNamesRet { models: wanted.map(str::to_owned).collect(), ret })
    }
}

impl Act<call::ConnectCompareCpu> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _: Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectCompareCpuArgs,
    ) -> Result<wire::ConnectCompareCpuRet> {
        only_flags(args.flags, FAIL_INCOMPATIBLE | VALIDATE, "qemuConnectCompareCPU", Origin::Qemu)?;
        let host = self.shown_cpu().await?;
        let cpu = Cpu::parse_document(&args.xml).map_err(|error| error.from_origin(Origin::Cpu))?;
        let verdict = cpu::compare(self.engine.host().arch, Some(&host), &cpu)?;
        let result = match verdict {
            Comparison::Incompatible(why) if args.flags & FAIL_INCOMPATIBLE != 0 => {
                return Err(Error::new(Code::CpuIncompatible, Origin::Cpu, why));
            }
            Comparison::Incompatible(_) => 0,
            Comparison::Identical => 1,
            Comparison::Superset => 2,
        };
        Ok(wire::ConnectCompareCpuRet { result })
    }
}

impl Answer<call::ConnectBaselineCpu> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectBaselineCpuArgs,
    ) -> Result<wire::ConnectBaselineCpuRet> {
        let List(texts) = args.xml_cp_us;
        if texts.is_empty() {
            let text = "xmlCPUs in virConnectBaselineCPU must not be NULL";
            return Err(Error::verbatim(Code::InvalidArg, Origin::Domain, text));
        }
        only_flags(args.flags, EXPAND | MIGRATABLE, "qemuConnectBaselineCPU", Origin::Qemu)?;
        let read = |text: &String| Cpu::parse_document(text).map_err(|error| error.from_origin(Origin::Cpu));
        let cpus: Vec<Cpu> = texts.iter().map(read).collect::<Result<_>>()?;
        let Some(arch) = cpus.first().and_then(|cpu| cpu.arch) else {
            return Err(Error::xml("Missing CPU architecture").from_origin(Origin::Cpu));
        };
        let limits = Limits { migratable: args.flags & MIGRATABLE != 0, ..Limits::default() };
        let mut found = cpu::baseline(arch, &cpus, limits)?;
        if args.flags & EXPAND != 0 {
            cpu::expand(arch, &mut found)?;
        }
        Ok(wire::ConnectBaselineCpuRet { cpu: found.format().to_xml() })
    }
}

impl Act<call::NodeGetSevInfo> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _: Arc<Session>,
        _on: Allowed<Host>,
        args: wire::NodeGetSevInfoArgs,
    ) -> Result<wire::NodeGetSevInfoRet> {
        only_flags(args.flags, TEXTS, "qemuNodeGetSEVInfo", Origin::Qemu)?;
        let kind = self.kind(&Question::default()).await?;
        let Some(sev) = &kind.emulator.sev else {
            return Err(Error::operation_unsupported("QEMU does not support SEV guest"));
        };
        let (guests, es_guests) = sev_guests();
        let mut params = vec![
            TypedParam::new("pdh", sev.pdh.as_str()),
            TypedParam::new("cert-chain", sev.cert_chain.as_str()),
        ];
        params.extend(sev.cpu0_id.as_deref().map(|id| TypedParam::new("cpu0-id", id)));
        params.extend([
            TypedParam::new("cbitpos", sev.cbitpos),
            TypedParam::new("reduced-phys-bits", sev.reduced_phys_bits),
            TypedParam::new("max-guests", guests),
            TypedParam::new("max-es-guests", es_guests),
        ]);
        let nparams = i32::try_from(params.len()).unwrap_or(i32::MAX);
        Ok(wire::NodeGetSevInfoRet { params: List(params), nparams })
    }
}
