//! `<cpu>`: the model the guest sees, and its topology.

use ostler_base::{Error, Result, words};
use ostler_xml::{El, Element};

use super::numa::{self, Cell};
use crate::Head;

words! {
    /// `<cpu mode='…'>`
    pub CpuMode { Custom = "custom", HostModel = "host-model", HostPassthrough = "host-passthrough", Maximum = "maximum" }
    /// `<cpu match='…'>`
    pub CpuMatch { Minimum = "minimum", Exact = "exact", Strict = "strict" }
    /// `<cpu check='…'>`
    pub CpuCheck { None = "none", Partial = "partial", Full = "full" }
    /// `<model fallback='…'>`
    pub Fallback { Allow = "allow", Forbid = "forbid" }
    /// `<feature policy='…'>`
    pub Policy { Force = "force", Require = "require", Optional = "optional", Disable = "disable", Forbid = "forbid" }
}

/// The CPU a guest sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpu {
    /// `mode`
    pub mode: CpuMode,
    /// `match`; for custom models.
    pub matching: Option<CpuMatch>,
    /// `check`
    pub check: Option<CpuCheck>,
    /// `migratable`; for host models.
    pub migratable: Option<ostler_base::OnOff>,
    /// `<model>`
    pub model: Option<String>,
    /// `<model fallback=…>`
    pub fallback: Option<Fallback>,
    /// `<vendor>`
    pub vendor: Option<String>,
    /// `<topology>`
    pub topology: Option<Topology>,
    /// `<feature>`: policy and name, in order.
    pub features: Vec<(Policy, String)>,
    /// `<numa>`: cells, by id.
    pub cells: Vec<Cell>,
}

/// `<topology sockets= dies= clusters= cores= threads=>`; each at least 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Sockets.
    pub sockets: u32,
    /// Dies a socket.
    pub dies: u32,
    /// Clusters a die.
    pub clusters: u32,
    /// Cores a cluster.
    pub cores: u32,
    /// Threads a core.
    pub threads: u32,
}

impl Topology {
    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Topology {
            sockets: el.nonzero("sockets")?.ok_or_else(|| el.missing("sockets"))?,
            dies: el.nonzero("dies")?.unwrap_or(1),
            clusters: el.nonzero("clusters")?.unwrap_or(1),
            cores: el.nonzero("cores")?.ok_or_else(|| el.missing("cores"))?,
            threads: el.nonzero("threads")?.ok_or_else(|| el.missing("threads"))?,
        })
    }

    fn format(&self) -> El {
        El::new("topology")
            .attr("sockets", self.sockets)
            .attr("dies", self.dies)
            .attr("clusters", self.clusters)
            .attr("cores", self.cores)
            .attr("threads", self.threads)
    }

    /// How many vCPUs it makes; `None` beyond 32 bits.
    pub fn total(&self) -> Option<u32> {
        [self.dies, self.clusters, self.cores, self.threads]
            .into_iter()
            .try_fold(self.sockets, u32::checked_mul)
    }
}

impl Cpu {
    /// The CPU of a machine type that names one and of a definition that names none.
    pub(crate) fn plain(model: &str) -> Self {
        Cpu {
            mode: CpuMode::Custom,
            matching: Some(CpuMatch::Exact),
            check: Some(CpuCheck::None),
            migratable: None,
            model: Some(model.to_owned()),
            fallback: Some(Fallback::Forbid),
            vendor: None,
            topology: None,
            features: Vec::new(),
            cells: Vec::new(),
        }
    }

    pub(crate) fn parse(root: &Element<'_>) -> Result<Option<Self>> {
        let Some(el) = root.child("cpu") else { return Ok(None) };
        let mode = el.word("mode")?;
        let model = el.child("model");
        let matching = el.word("match")?;
        let custom = mode.unwrap_or(CpuMode::Custom) == CpuMode::Custom;
        let features = el
            .children("feature")
            .map(|f| Ok((f.word("policy")?.unwrap_or(Policy::Require), f.require("name")?.to_owned())))
            .collect::<Result<Vec<_>>>()?;
        Ok(Some(Cpu {
            mode: mode.unwrap_or(CpuMode::Custom),
            matching: matching.or((custom && model.is_some()).then_some(CpuMatch::Exact)),
            check: el.word("check")?,
            migratable: el.on_off("migratable")?,
            model: el.child_text("model").map(|m| m.trim().to_owned()),
            fallback: model.map(|m| m.word("fallback")).transpose()?.flatten(),
            vendor: el.child_text("vendor"),
            topology: el.child("topology").map(|t| Topology::parse(&t)).transpose()?,
            features,
            cells: numa::parse(&el)?,
        }))
    }

    pub(crate) fn format(&self) -> El {
        let mut el = El::new("cpu");
        let bare = self.mode == CpuMode::Custom && self.model.is_none();
        if !bare {
            el.set("mode", self.mode);
        }
        el.set_opt("match", self.matching.filter(|_| self.mode == CpuMode::Custom));
        el.set_opt("check", self.check.filter(|_| !bare));
        el.set_opt("migratable", self.migratable.filter(|_| !bare));
        if let Some(model) = &self.model {
            let fallback = self.fallback.unwrap_or(Fallback::Allow);
            el.push(El::with_text("model", model).attr("fallback", fallback));
        }
        el.push_text("vendor", self.vendor.as_ref());
        el.extend(self.topology.iter().map(Topology::format));
        el.extend(
            self.features
                .iter()
                .map(|(policy, name)| El::new("feature").attr("policy", policy).attr("name", name)),
        );
        el.push_filled(numa::format(&self.cells));
        el
    }

    /// Models of the host show what can be moved only, where the definition does not say.
    pub(crate) fn default_migratable(&mut self) {
        if matches!(self.mode, CpuMode::HostPassthrough | CpuMode::Maximum) {
            self.migratable.get_or_insert(ostler_base::OnOff::On);
        }
    }

    /// How far the model is compared with the host, where the definition does not say.
    pub(crate) fn default_check(&mut self, translated: bool) {
        let bare = self.mode == CpuMode::Custom && self.model.is_none();
        self.check.get_or_insert(match self.mode {
            CpuMode::HostPassthrough | CpuMode::Maximum => CpuCheck::None,
            CpuMode::Custom if bare || translated => CpuCheck::None,
            CpuMode::Custom | CpuMode::HostModel => CpuCheck::Partial,
        });
    }

    pub(crate) fn validate(&self, vcpus: u32) -> Result<()> {
        match self.topology.as_ref().map(Topology::total) {
            Some(total) if total != Some(vcpus) => {
                Err(Error::unsupported("CPU topology doesn't match maximum vcpu count"))
            }
            _ => Ok(()),
        }
    }

    /// The value of `-cpu`.
    pub(crate) fn option(&self, head: &Head) -> Option<String> {
        let mut words = vec![match self.mode {
            CpuMode::HostPassthrough | CpuMode::HostModel => "host".to_owned(),
            CpuMode::Maximum => "max".to_owned(),
            CpuMode::Custom => self.model.clone()?,
        }];
        if self.mode == CpuMode::HostPassthrough || self.mode == CpuMode::Maximum {
            words.extend(self.migratable.map(|value| format!("migratable={value}")));
        }
        for (policy, name) in &self.features {
            match policy {
                Policy::Force | Policy::Require => words.push(format!("{name}=on")),
                Policy::Disable | Policy::Forbid => words.push(format!("{name}=off")),
                Policy::Optional => {}
            }
        }
        head.clock.cpu_words(&mut words);
        head.features.cpu_words(&mut words);
        Some(words.join(","))
    }
}
