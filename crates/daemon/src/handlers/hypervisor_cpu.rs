//! Arithmetic with CPUs as an emulator of this host can give them.
//!
//! Owns: those handlers. Never: knows a model.

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_caps::cpu::{self, Comparison, Cpu, Fallback, HostModel, Limits, feature_from_qemu};
use ostler_caps::emulator::CpuValue;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::xdr::List;

use super::capabilities::{EXPAND, FAIL_INCOMPATIBLE, MIGRATABLE, VALIDATE};
use super::only_flags;
use crate::access::Allowed;
use crate::daemon::Daemon;
use crate::dispatch::{Act, Host, handlers};
use crate::domcaps::{Kind, Question};
use crate::session::Session;

handlers! {
    act call::ConnectCompareHypervisorCpu;
    act call::ConnectBaselineHypervisorCpu;
}

/// Of a baseline: the host's own CPU does not limit it.
const IGNORE_HOST: u32 = 4;

impl Daemon {
    /// What guests of a kind can have, if the emulator says it.
    async fn offer(&self, kind: &Kind) -> Result<HostModel> {
        let model = self.host_model(kind).await?;
        model.filter(|model| model.reported.fallback == Fallback::Forbid).ok_or_else(|| {
            let word = kind.accelerator.domain_type();
            Error::operation_unsupported(format!(
                "QEMU '{}' does not support reporting CPU model for virttype '{word}'",
                kind.emulator.path
            ))
        })
    }
}

impl Act<call::ConnectCompareHypervisorCpu> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _: Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectCompareHypervisorCpuArgs,
    ) -> Result<wire::ConnectCompareHypervisorCpuRet> {
        only_flags(
            args.flags,
            FAIL_INCOMPATIBLE | VALIDATE,
            "qemuConnectCompareHypervisorCPU",
            Origin::Qemu,
        )?;
        let question =
            Question { emulator: args.emulator, arch: args.arch, machine: args.machine, kind: args.virttype };
        let kind = self.kind(&question).await?;
        let offer = self.offer(&kind).await?;
        if !kind.arch.is_x86() {
            let text = format!("comparing with the hypervisor CPU is not supported for arch {}", kind.arch);
            return Err(Error::operation_unsupported(text));
        }
        let wanted = Cpu::parse_document(&args.xml_cpu).map_err(|error| error.from_origin(Origin::Cpu))?;
        let definitions = kind.emulator.with(kind.accelerator).cpus.as_deref().unwrap_or_default();
        let definition = wanted
            .model
            .as_ref()
            .and_then(|model| definitions.iter().find(|definition| definition.name == *model));
        let verdict = match definition {
            Some(definition) if !cpu::checks_against_host(kind.arch, &wanted)? => {
                cpu::compare_unusable(kind.arch, &offer.full, &wanted, &definition.blockers)?
            }
            _ => cpu::compare(kind.arch, Some(&offer.reported), &wanted)?,
        };
        let result = match verdict {
            Comparison::Incompatible(why) if args.flags & FAIL_INCOMPATIBLE != 0 => {
                return Err(Error::new(Code::CpuIncompatible, Origin::Cpu, why));
            }
            Comparison::Incompatible(_) => 0,
            Comparison::Identical => 1,
            Comparison::Superset => 2,
        };
        Ok(wire::ConnectCompareHypervisorCpuRet { result })
    }
}

/// The features that a kind of guests can have; without those that bar migration where it is known
/// which they are. The second: whether it is.
fn features(kind: &Kind, migratable: bool) -> (Option<Vec<String>>, bool) {
    let Some(info) = kind.emulator.with(kind.accelerator).host_cpu.as_ref() else { return (None, false) };
    let known = !migratable || info.migratability;
    let has = info.properties.iter().filter(|property| property.value == CpuValue::Boolean(true));
    let has = has.filter(|property| !(migratable && known) || property.migratable != Some(false));
    let names = has.map(|property| feature_from_qemu(kind.arch, &property.name).to_owned());
    (Some(names.collect()), known)
}

impl Act<call::ConnectBaselineHypervisorCpu> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _: Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectBaselineHypervisorCpuArgs,
    ) -> Result<wire::ConnectBaselineHypervisorCpuRet> {
        let List(texts) = args.xml_cp_us;
        if texts.is_empty() {
            let text = "xmlCPUs in virConnectBaselineHypervisorCPU must not be NULL";
            return Err(Error::verbatim(Code::InvalidArg, Origin::Domain, text));
        }
        let known = EXPAND | MIGRATABLE | IGNORE_HOST;
        only_flags(args.flags, known, "qemuConnectBaselineHypervisorCPU", Origin::Qemu)?;
        let read = |text: &String| Cpu::parse_document(text).map_err(|error| error.from_origin(Origin::Cpu));
        let cpus: Vec<Cpu> = texts.iter().map(read).collect::<Result<_>>()?;
        let question =
            Question { emulator: args.emulator, arch: args.arch, machine: args.machine, kind: args.virttype };
        let kind = self.kind(&question).await?;
        if !kind.arch.is_x86() {
            let text = format!("computing baseline hypervisor CPU is not supported for arch {}", kind.arch);
            return Err(Error::operation_unsupported(text));
        }
        let migratable = args.flags & MIGRATABLE != 0;
        let (features, sorted) = features(&kind, migratable);
        let features = features.filter(|_| args.flags & IGNORE_HOST == 0);
        let limits = Limits {
            models: kind.emulator.with(kind.accelerator).cpus.as_deref(),
            features: features.as_deref(),
            migratable: migratable && !(sorted && features.is_some()),
        };
        let mut found = cpu::baseline(kind.arch, &cpus, limits)?;
        found.fallback = Fallback::Forbid;
        if args.flags & EXPAND != 0 {
            cpu::expand(kind.arch, &mut found)?;
        }
        Ok(wire::ConnectBaselineHypervisorCpuRet { cpu: found.format().to_xml() })
    }
}
