//! `<cpu>`: modes and models.

use ostler_base::YesNo;
use ostler_xml::El;

use super::{Facts, Subject, values};
use crate::cpu;
use crate::emulator::{Accelerator, CpuDefinition, Flag};

/// The host's own CPU: a mode, not a model that could be named.
const HOST: &str = "host";

pub(super) fn el(of: &Subject<'_>, facts: &Facts<'_>) -> El {
    let mut el = El::new("cpu");
    let mut host = mode("host-passthrough", of.accelerator != Accelerator::Tcg);
    if of.accelerator != Accelerator::Tcg {
        let migratable = of.emulator.has(Flag::CpuMigratable).then_some("on");
        host.push(values("hostPassthroughMigratable", migratable.into_iter().chain(["off"])));
    }
    el.push(host);
    let mut maximum = mode("maximum", of.emulator.has(Flag::CpuMax));
    if of.emulator.has(Flag::CpuMax) {
        maximum.push(values("maximumMigratable", ["on", "off"]));
    }
    el.push(maximum);
    let mut model = mode("host-model", facts.host_model.is_some());
    model.extend(facts.host_model.into_iter().flat_map(cpu::Cpu::format_children));
    el.push(model);
    let models = models(of);
    let mut custom = mode("custom", !models.is_empty());
    custom.extend(models.into_iter().flat_map(|definition| model_els(of, definition)));
    el.push(custom);
    el
}

fn mode(name: &str, yes: bool) -> El {
    El::new("mode").attr("name", name).attr("supported", YesNo::from(yes))
}

/// The models that a definition may name, by name.
fn models<'a>(of: &Subject<'a>) -> Vec<&'a CpuDefinition> {
    let known = cpu::models(of.arch);
    let usable = |name: &str| name != HOST && (known.is_empty() || known.contains(&name));
    let mut models: Vec<_> =
        of.emulator.cpus(of.accelerator).iter().filter(|cpu| usable(&cpu.name)).collect();
    models.sort_by(|a, b| a.name.cmp(&b.name));
    models
}

fn model_els(of: &Subject<'_>, definition: &CpuDefinition) -> Vec<El> {
    let name = &definition.name;
    let model = El::with_text("model", name)
        .attr("usable", definition.usable)
        .attr_opt("deprecated", definition.deprecated.then_some("yes"))
        .attr("vendor", cpu::vendor_of_model(of.arch, name).unwrap_or("unknown"))
        .attr_opt("canonical", cpu::canonical_model(of.arch, name));
    let mut features: Vec<&str> =
        definition.blockers.iter().map(|name| cpu::feature_from_qemu(of.arch, name)).collect();
    features.sort_unstable();
    features.dedup();
    let mut blockers = El::new("blockers").attr("model", name);
    blockers.extend(features.into_iter().map(|name| El::new("feature").attr("name", name)));
    let blocked = blockers.has_content().then_some(blockers);
    [model].into_iter().chain(blocked).collect()
}
