//! `-cpu` and `-smp`.
//!
//! Owns: model, features, topology, and what QEMU takes as CPU properties though the document has other
//! places for it (Hyper-V, KVM, timers). Never: knows what a model contains.

use ostler_xml::El;

use super::Importer;
use super::device::on_off;
use crate::values::{Values, number, split_commas, truth};

/// Hyper-V enlightenments that are switches, by the document's word.
const HYPERV: &[&str] = &[
    "relaxed",
    "vapic",
    "vpindex",
    "runtime",
    "synic",
    "stimer",
    "reset",
    "frequencies",
    "reenlightenment",
    "tlbflush",
    "ipi",
    "evmcs",
    "avic",
    "emsr_bitmap",
    "xmm_input",
];

/// KVM's switches.
const KVM: &[(&str, &str)] = &[
    ("kvm-hint-dedicated", "hint-dedicated"),
    ("kvm-poll-control", "poll-control"),
    ("kvm-pv-ipi", "pv-ipi"),
];

/// CPU features whose name in the document is not QEMU's.
const NAMES: &[(&str, &str)] = &[
    ("sse3", "pni"),
    ("pclmulqdq", "pclmuldq"),
    ("sse4-1", "sse4.1"),
    ("sse4_1", "sse4.1"),
    ("sse4-2", "sse4.2"),
    ("sse4_2", "sse4.2"),
    ("xd", "nx"),
    ("i64", "lm"),
    ("ffxsr", "fxsr_opt"),
    ("fxsr-opt", "fxsr_opt"),
    ("tsc-adjust", "tsc_adjust"),
    ("cmp-legacy", "cmp_legacy"),
    ("ds-cpl", "ds_cpl"),
    ("lahf-lm", "lahf_lm"),
    ("nodeid-msr", "nodeid_msr"),
    ("perfctr-core", "perfctr_core"),
    ("perfctr-nb", "perfctr_nb"),
    ("svm-lock", "svm_lock"),
    ("nrip_save", "nrip-save"),
    ("tsc_scale", "tsc-scale"),
    ("vmcb_clean", "vmcb-clean"),
];

impl Importer {
    /// `-cpu`.
    pub(super) fn cpu(&mut self, text: &str) -> bool {
        let mut parts = split_commas(text).into_iter();
        let Some(model) = parts.next() else { return false };
        match model.as_str() {
            "host" => self.guest.cpu.mode = Some("host-passthrough"),
            "max" => self.guest.cpu.mode = Some("maximum"),
            // What a guest gets when nothing is said.
            "qemu32" if self.guest.arch == "i686" => {}
            "qemu64" if self.guest.arch == "x86_64" => {}
            _ => {
                self.guest.cpu.mode = Some("custom");
                self.guest.cpu.model = Some(model.clone());
            }
        }
        let mut hyperv = Vec::new();
        let mut passed = Vec::new();
        for part in parts.filter(|part| !part.is_empty()) {
            if !self.cpu_part(&part, &mut hyperv) {
                passed.push(part);
            }
        }
        let all = hyperv.iter().position(|el| el.name() == "passthrough").map(|at| hyperv.remove(at));
        if !hyperv.is_empty() || all.is_some() {
            let mut el = El::new("hyperv").attr_opt("mode", all.map(|_| "passthrough"));
            el.extend(hyperv);
            self.guest.features.push(el);
        }
        if !self.guest.cpu.features.is_empty() && self.guest.cpu.mode.is_none() {
            self.guest.cpu.mode = Some("custom");
            self.guest.cpu.model = Some(model);
        }
        if !passed.is_empty() {
            self.remark(format!("-cpu: left out, the document has no words for it: {}", passed.join(",")));
        }
        true
    }

    /// `+feature`, `-feature`, `key=value` or a bare switch.
    fn cpu_part(&mut self, part: &str, hyperv: &mut Vec<El>) -> bool {
        let (key, value) = match (part.strip_prefix('+'), part.strip_prefix('-'), part.split_once('=')) {
            (Some(name), ..) => (name, "on"),
            (_, Some(name), _) => (name, "off"),
            (_, _, Some((key, value))) => (key, value),
            _ => (part, "on"),
        };
        if let Some(name) = key.strip_prefix("hv_").or_else(|| key.strip_prefix("hv-")) {
            return self.hyperv(&name.replace('-', "_"), value, hyperv);
        }
        if let Some((_, word)) = KVM.iter().find(|(name, _)| *name == key) {
            let Some(state) = truth(value) else { return false };
            self.kvm_feature(El::new(*word).attr("state", on_off(state)));
            return true;
        }
        match key {
            "kvm" => self.kvm_feature(El::new("hidden").attr("state", on_off(value == "off"))),
            "check" | "enforce" => {}
            "migratable" => self.guest.cpu.migratable = truth(value),
            "pmu" => self.guest.features.push(El::new("pmu").attr("state", value)),
            "kvmclock" => self.timer("kvmclock", "present", if value == "on" { "yes" } else { "no" }),
            "kvm_pv_eoi" | "kvm-pv-eoi" => self.guest.features.push(El::new("apic").attr("eoi", value)),
            "kvm_pv_unhalt" | "kvm-pv-unhalt" => {
                self.guest.features.push(El::new("pvspinlock").attr("state", value))
            }
            "tsc-frequency" => {
                let timer = El::new("timer").attr("name", "tsc").attr("frequency", value);
                self.guest.clock.timers.push(timer);
            }
            "l3-cache" if value == "on" => {
                self.guest.cpu.cache = Some(El::new("cache").attr("level", 3).attr("mode", "emulate"))
            }
            "l3-cache" => self.guest.cpu.cache = Some(El::new("cache").attr("mode", "disable")),
            "host-cache-info" if value == "on" => {
                self.guest.cpu.cache = Some(El::new("cache").attr("mode", "passthrough"));
            }
            "host-cache-info" => {}
            "host-phys-bits" if value == "on" => {
                self.guest.cpu.maxphysaddr = Some(El::new("maxphysaddr").attr("mode", "passthrough"));
            }
            "host-phys-bits-limit" => {
                let el = El::new("maxphysaddr").attr("mode", "passthrough").attr("limit", value);
                self.guest.cpu.maxphysaddr = Some(el);
            }
            "phys-bits" => {
                self.guest.cpu.maxphysaddr =
                    Some(El::new("maxphysaddr").attr("mode", "emulate").attr("bits", value))
            }
            _ => {
                let Some(on) = truth(value) else { return false };
                let name = NAMES.iter().find(|(qemu, _)| *qemu == key).map_or(key, |(_, name)| name);
                let policy = if on { "require" } else { "disable" };
                self.guest.cpu.features.retain(|(known, _)| known != name);
                self.guest.cpu.features.push((name.to_owned(), policy));
            }
        }
        true
    }

    fn hyperv(&mut self, name: &str, value: &str, hyperv: &mut Vec<El>) -> bool {
        let state = truth(value);
        match name {
            "time" => self.timer("hypervclock", "present", if state == Some(true) { "yes" } else { "no" }),
            "crash" => self.guest.devices.push(El::new("panic").attr("model", "hyperv")),
            "spinlocks" => {
                let Some(retries) = number(value) else { return false };
                hyperv.push(El::new("spinlocks").attr("state", "on").attr("retries", retries));
            }
            "vendor_id" => hyperv.push(El::new("vendor_id").attr("state", "on").attr("value", value)),
            "passthrough" => hyperv.push(El::new("passthrough")),
            "stimer_direct" | "tlbflush_direct" | "tlbflush_ext" => {
                let (owner, child) = match name {
                    "stimer_direct" => ("stimer", "direct"),
                    "tlbflush_direct" => ("tlbflush", "direct"),
                    _ => ("tlbflush", "extended"),
                };
                let inner = El::new(child).attr("state", value);
                match hyperv.iter_mut().find(|el| el.name() == owner) {
                    Some(el) => el.push(inner),
                    None => hyperv.push(El::new(owner).attr("state", "on").child(inner)),
                }
            }
            name => {
                let (Some(word), Some(on)) = (HYPERV.iter().find(|word| **word == name), state) else {
                    return false;
                };
                if !hyperv.iter().any(|el| el.name() == *word) {
                    hyperv.push(El::new(*word).attr("state", on_off(on)));
                }
            }
        }
        true
    }

    /// Adds to `<kvm>` of the features.
    pub(super) fn kvm_feature(&mut self, el: El) {
        match self.guest.features.iter_mut().find(|feature| feature.name() == "kvm") {
            Some(kvm) => kvm.push(el),
            None => self.guest.features.push(El::new("kvm").child(el)),
        }
    }

    /// A timer with one attribute.
    pub(super) fn timer(&mut self, name: &str, attribute: &'static str, value: &str) {
        self.guest.clock.timers.push(El::new("timer").attr("name", name).attr(attribute, value));
    }

    /// `-smp`.
    pub(super) fn smp(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "cpus");
        let mut take = |key: &str| values.take_number(key).filter(|n| *n > 0);
        let (cpus, max) = (take("cpus"), take("maxcpus"));
        let (sockets, dies, clusters) = (take("sockets"), take("dies"), take("clusters"));
        let (cores, threads) = (take("cores"), take("threads"));
        let inner =
            [dies, clusters, cores, threads].iter().flatten().try_fold(1u64, |all, n| all.checked_mul(*n));
        let Some(inner) = inner else { return false };
        let total = max.or(cpus).or_else(|| sockets.unwrap_or(1).checked_mul(inner)).unwrap_or(1);
        self.guest.vcpus = total;
        self.guest.current_vcpus = cpus.filter(|cpus| *cpus < total);
        if [sockets, dies, clusters, cores, threads].iter().any(Option::is_some) {
            let sockets = sockets.unwrap_or_else(|| if cores.is_some() { (total / inner).max(1) } else { 1 });
            let others = [Some(sockets), dies, clusters, threads]
                .iter()
                .flatten()
                .try_fold(1u64, |all, n| all.checked_mul(*n));
            let cores = cores.unwrap_or_else(|| (total / others.unwrap_or(1)).max(1));
            let plain = sockets == total && cores == 1 && threads.unwrap_or(1) == 1 && max.is_none();
            if !plain {
                let el =
                    El::new("topology").attr("sockets", sockets).attr_opt("dies", dies.filter(|n| *n > 1));
                let el = el.attr_opt("clusters", clusters.filter(|n| *n > 1));
                self.guest.cpu.topology = Some(el.attr("cores", cores).attr("threads", threads.unwrap_or(1)));
            }
        }
        values.leftovers().is_empty()
    }
}
