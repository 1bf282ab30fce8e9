//! A guest's confinement, from the decision to the host.
//!
//! Owns: which order the layers have in a start, and what is given back at the end. Never: decides; that
//! is done without a host in `ostler_confine`.

use std::path::{Path, PathBuf};

use ostler_base::{Result, Word};
use ostler_confine::{Confinement, DacLabel, Reach as Decided, Taking};
use ostler_domain::sections::cputune::Knob;
use ostler_domain::sections::seclabel::{LabelType, Seclabel};
use ostler_domain::sections::tuning::MemoryLimit;
use ostler_domain::{Domain, Draft, plans};
use ostler_host::cgroup::{Group, GroupLimit};
use ostler_host::ownership::{self, Change};
use ostler_host::{Identity, Node, PrivateDev, Reach, Spawn, check_way};
use ostler_plan::{Action, Launch};

use crate::engine::Engine;
use crate::files;

/// The kernel's own period of CPU time, in microseconds.
const USUAL_PERIOD: u64 = 100_000;

/// The model of ownership in labels.
const DAC: &str = "dac";

impl Engine {
    /// How a guest is confined.
    pub(crate) fn confinement(&self, domain: &Domain, launch: &Launch) -> Result<Confinement> {
        let own: Vec<PathBuf> = launch.actions.iter().filter_map(made_directory).collect();
        ostler_confine::plan(self.policy(), &label(domain), launch, &own)
    }

    /// Gives the directories in which guests keep things to the user that they run as, also after that
    /// user was changed. Blocks.
    pub(crate) fn give_directories(&self) -> Result<()> {
        let Some(who) = &self.policy().identity else { return Ok(()) };
        let owner = Some((who.uid, who.gid));
        let state = self.paths().state();
        for (path, mode) in
            [(self.paths().runs(), 0o755), (self.paths().runs().join("channel"), 0o755), (state, 0o751)]
        {
            ownership::keep_directory(&path, mode, owner)?;
        }
        Ok(())
    }

    /// Gives a guest its files. Blocks.
    pub(crate) fn hand_over(&self, domain: &Domain, confinement: &Confinement) -> Result<()> {
        let Some(who) = identity(confinement) else { return Ok(()) };
        let change = |taking: &Taking| match taking {
            Taking::Own => Change::Always,
            Taking::IfUnreadable => Change::IfUnreadable,
        };
        let files: Vec<_> =
            confinement.takings.iter().map(|(path, taking)| (path.clone(), change(taking))).collect();
        let journal = self.paths().owners(domain.name());
        ownership::take(&files, &who, confinement.remember_owner, &journal)
            .and_then(|()| {
                let outside = confinement
                    .needed
                    .iter()
                    .filter(|(path, _)| !(confinement.private_dev && path.starts_with("/dev")));
                outside
                    .filter(|(path, _)| path.exists())
                    .try_for_each(|(path, access)| check_way(path, &who, *access))
            })
            .map_err(|error| error.with_suffix(&format!(" (guest '{}')", domain.name())))
            .inspect_err(|_| ownership::give_back(&journal, None))
    }

    /// Gives a guest an image more that it is going to write. It is given back with the others. Blocks.
    pub(crate) fn hand_over_image(&self, domain: &Domain, path: &Path) -> Result<()> {
        let planned = ostler_confine::plan(self.policy(), &label(domain), &Launch::default(), &[])?;
        let changes = own_label(domain).map_or(self.policy().dynamic_ownership, |label| label.relabel);
        let Some(who) = identity(&planned).filter(|_| changes) else { return Ok(()) };
        ownership::take_more(path, &who, planned.remember_owner, &self.paths().owners(domain.name()))
            .map_err(|error| error.with_suffix(&format!(" (guest '{}')", domain.name())))
    }

    /// Puts a guest's process into a group of its own, with its devices and limits. Blocks.
    pub(crate) fn enter_group(&self, domain: &Domain, confinement: &Confinement, pid: u32) -> Result<()> {
        let Some(parent) = &confinement.group_parent else { return Ok(()) };
        let group = Group::named(parent, &group_name(domain));
        let devices: Vec<_> =
            confinement.devices.iter().map(|rule| (rule.path.clone(), rule.write)).collect();
        group
            .enter(pid)
            .and_then(|()| group.only_devices(&devices))
            .and_then(|()| group.limit(&limits(domain)))
            .map_err(|error| error.with_suffix(&format!(" (guest '{}')", domain.name())))
    }

    /// The group above those of guests, where guests have groups.
    fn group_parent(&self) -> Option<&String> {
        self.policy().group_parent.as_ref().filter(|_| self.policy().identity.is_some())
    }

    /// Whether guests have groups of their own.
    pub(crate) fn has_control_groups(&self) -> bool {
        self.group_parent().is_some()
    }

    /// Sets the limits of a guest that runs as this definition of its run says. Blocks.
    pub(crate) fn limit_run(&self, draft: &Draft) -> Result<()> {
        let Some(parent) = self.group_parent() else { return Ok(()) };
        let mut wanted = limits(draft);
        let kept = &draft.head.tuning.memory_limits;
        let none = |limit| match limit {
            MemoryLimit::Hard => Some(GroupLimit::Memory(UNLIMITED)),
            MemoryLimit::Soft => Some(GroupLimit::SoftMemory(UNLIMITED)),
            MemoryLimit::SwapHard => Some(GroupLimit::MemoryAndSwap(UNLIMITED)),
            MemoryLimit::MinGuarantee => None,
        };
        let absent = MemoryLimit::WORDS.iter().map(|(_, limit)| *limit);
        let absent = absent.filter(|limit| !kept.iter().any(|(known, _)| known == limit));
        // A limit that is taken away has to be said; one that never was costs nothing where no
        // controller is there.
        wanted.extend(absent.filter(|_| !kept.is_empty()).filter_map(none));
        let named = format!(" (guest '{}')", draft.name());
        Group::named(parent, &group_name(draft)).limit(&wanted).map_err(|error| error.with_suffix(&named))
    }

    /// Gives the files of a run back, and removes its group. Blocks.
    pub(crate) fn take_back_files(&self, domain: &Domain) {
        if let Some(parent) = self.group_parent() {
            Group::named(parent, &group_name(domain)).remove();
        }
        files::remove_directory(&self.paths().dev(domain.name()));
        let launch = Launch { resources: plans::start::resources(domain), ..Launch::default() };
        let planned = ostler_confine::plan(self.policy(), &label(domain), &launch, &[]);
        let Ok(confinement) = planned else { return };
        if let Some(who) = identity(&confinement) {
            let known: Vec<PathBuf> = confinement.takings.into_iter().map(|(path, _)| path).collect();
            ownership::give_back(&self.paths().owners(domain.name()), Some((&known, &who)));
        }
    }

    /// Gives back what starts took whose guests nobody knows of: the daemon ended in the middle of them.
    /// Blocks.
    pub(crate) fn take_back_orphans(&self) -> Result<()> {
        for name in files::stems(&self.paths().runs(), ".owners")? {
            if !self.paths().status(&name).exists() {
                tracing::info!(guest = %name, "giving back the files of a start that never ended");
                ownership::give_back(&self.paths().owners(&name), None);
            }
        }
        Ok(())
    }
}

/// The program of a launch with everything that confines it. `staging` is an empty directory of the run.
pub(crate) fn confined(launch: &Launch, confinement: &Confinement, staging: &Path) -> Spawn {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let reach = |reach| match reach {
        Decided::Read => Reach::Read,
        Decided::Execute => Reach::Execute,
        Decided::Write => Reach::Write,
        Decided::Make => Reach::Make,
    };
    let nodes = confinement.devices.iter();
    Spawn {
        identity: identity(confinement),
        drop_capabilities: confinement.drop_capabilities,
        no_new_privs: true,
        private_dev: confinement.private_dev.then(|| PrivateDev {
            staging: text(staging),
            nodes: nodes.map(|rule| Node { path: text(&rule.path), assigned: rule.assigned }).collect(),
        }),
        reach: confinement.reach.iter().map(|rule| (text(&rule.path), reach(rule.reach))).collect(),
        ..Spawn::of(launch)
    }
}

/// The label of a run, as its definition shows it.
pub(crate) fn shown(confinement: &Confinement, domain: &Domain) -> Option<Seclabel> {
    let identity = confinement.identity.as_ref()?;
    let label = identity.label();
    let given = own_label(domain);
    Some(Seclabel {
        kind: given.map_or(LabelType::Dynamic, |given| given.kind),
        model: Some(DAC.to_owned()),
        relabel: given.is_none_or(|given| given.relabel),
        image_label: Some(label.clone()).filter(|_| given.is_none_or(|given| given.relabel)),
        label: Some(label),
        base_label: given.and_then(|given| given.base_label.clone()),
    })
}

/// A limit of memory that is none, KiB.
const UNLIMITED: u64 = 9_007_199_254_740_991;

/// The name of a run's group, as the reference has it.
fn group_name(draft: &Draft) -> String {
    format!("qemu-{}-{}.libvirt-qemu", draft.head.identity.id.unwrap_or(-1), draft.name())
}

/// The limits of a definition that hold for all of a guest's threads together.
fn limits(domain: &Draft) -> Vec<GroupLimit> {
    let knob =
        |wanted| domain.head.cputune.knobs.iter().find(|(knob, _)| *knob == wanted).map(|(_, value)| *value);
    let positive = |value: i64| u64::try_from(value).ok();
    let mut out: Vec<GroupLimit> =
        knob(Knob::Shares).and_then(positive).map(GroupLimit::CpuShares).into_iter().collect();
    if let Some(quota) = knob(Knob::GlobalQuota) {
        let period = knob(Knob::GlobalPeriod).and_then(positive).unwrap_or(USUAL_PERIOD);
        out.push(GroupLimit::CpuQuota { quota, period });
    }
    let tuning = &domain.head.tuning;
    out.extend(tuning.memory_limits.iter().filter_map(|(limit, kib)| match limit {
        MemoryLimit::Hard => Some(GroupLimit::Memory(*kib)),
        MemoryLimit::Soft => Some(GroupLimit::SoftMemory(*kib)),
        MemoryLimit::SwapHard => Some(GroupLimit::MemoryAndSwap(*kib)),
        MemoryLimit::MinGuarantee => None,
    }));
    out.extend(tuning.block_weight.map(|weight| GroupLimit::BlockWeight(weight.into())));
    out
}

fn identity(confinement: &Confinement) -> Option<Identity> {
    let decided = confinement.identity.as_ref()?;
    Some(Identity { uid: decided.uid, gid: decided.gid, groups: decided.groups.clone() })
}

fn own_label(domain: &Domain) -> Option<&Seclabel> {
    domain.head.seclabels.iter().find(|label| label.model.as_deref() == Some(DAC))
}

fn label(domain: &Domain) -> DacLabel {
    match own_label(domain) {
        None => DacLabel::default(),
        Some(label) => DacLabel {
            label: label.label.clone(),
            unconfined: label.kind == LabelType::None,
            relabel: (label.kind == LabelType::Static).then_some(label.relabel),
        },
    }
}

fn made_directory(action: &Action) -> Option<PathBuf> {
    match action {
        Action::MakeDir { path, .. } => Some(path.clone()),
        _ => None,
    }
}
