//! The probe: which questions an emulator is asked, and what follows from the answers.
//!
//! Owns: the order of questions and every rule that needs more than one answer. Never: speaks to
//! anything. A live QEMU is started without a machine (`-machine none,accel=kvm:hvf:tcg`), a
//! recording is read from a file; both answer the same questions.
//!
//! ```text
//! begin -> Ask(basics) -> Ask(details) -+-> Done
//!                                       +-> Restart (accel=tcg) -> Ask(the same for TCG) -> Done
//! ```
//!
//! QEMU reads its monitor a byte at a time, so what is asked is kept short: properties only of
//! types that it has and that a rule needs, two rounds of questions in all.

use std::collections::HashSet;

use ostler_base::json::json;
use ostler_base::{Arch, Json, Result, refuse};

use super::decode;
use super::flags::Flag;
use super::rules::{self, Rule};
use super::types::Accelerator;
use super::{Accelerated, Emulator};
use crate::schema::Schema;

/// The oldest emulator that is supported, as a version number.
pub const MIN_VERSION: u32 = 6_002_000;

/// A monitor command to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The command.
    pub command: &'static str,
    /// Its arguments, where it has any.
    pub arguments: Option<Json>,
}

/// What came back.
#[derive(Debug, Clone, Copy)]
pub enum Reply<'a> {
    /// The `return` member.
    Return(&'a Json),
    /// The `class` of an error: the command failed or is not known.
    Error(&'a str),
}

/// What the one who drives the probe has to do next.
#[derive(Debug)]
pub enum Step {
    /// Send these, all at once; hand the replies to [`Prober::answer`] in the same order.
    Ask(Vec<Question>),
    /// Start the emulator once more, with translation only; then call [`Prober::restarted`].
    Restart,
    /// Finished.
    Done(Box<Emulator>),
}

/// What the probe has to know of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ProbeHost {
    /// Whether it is a macOS host with the Hypervisor framework.
    pub hvf: bool,
    /// Version of the CPU's microcode, 0 where it has none.
    pub microcode: u32,
}

/// What a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Version,
    Target,
    Schema,
    Kvm,
    Types,
    Machines,
    Options,
    Migration,
    Device(&'static str),
    Object(&'static str),
    Machine(&'static str),
    Cpus,
    TpmModels,
    TpmTypes,
    Sev,
    Sgx,
    Gic,
    Host,
    HostEverything,
    HostFull,
    Enlightenments,
}

/// An open question with its topic.
type Asked = (Topic, Question);

/// The state of a probe.
#[derive(Debug)]
pub struct Prober {
    host: ProbeHost,
    found: Emulator,
    accelerator: Accelerator,
    round: Round,
    asked: Vec<Topic>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Basics,
    Details,
    Translation,
}

/// Answers of the first round that are needed until its end.
#[derive(Default)]
struct Basics<'a> {
    types: HashSet<&'a str>,
    machines: Option<&'a Json>,
}

impl Prober {
    /// A probe of the emulator with this path, and the first questions.
    pub fn begin(path: &str, host: ProbeHost) -> (Self, Step) {
        let mut prober = Prober {
            host,
            found: Emulator::unknown(path.to_owned()),
            accelerator: Accelerator::Tcg,
            round: Round::Basics,
            asked: Vec::new(),
        };
        let plain = |topic, command| (topic, Question { command, arguments: None });
        let step = prober.ask(vec![
            plain(Topic::Version, "query-version"),
            plain(Topic::Target, "query-target"),
            plain(Topic::Schema, "query-qmp-schema"),
            plain(Topic::Kvm, "query-kvm"),
            plain(Topic::Types, "qom-list-types"),
            plain(Topic::Machines, "query-machines"),
            plain(Topic::Options, "query-command-line-options"),
            plain(Topic::Migration, "query-migrate-capabilities"),
        ]);
        (prober, step)
    }

    /// Takes the replies to the last questions, in their order; what to do next.
    pub fn answer(&mut self, replies: &[Reply<'_>]) -> Result<Step> {
        let topics = std::mem::take(&mut self.asked);
        if topics.len() != replies.len() {
            refuse!(internal, "{} questions have {} replies", topics.len(), replies.len());
        }
        match self.round {
            Round::Basics => {
                let mut basics = Basics::default();
                for (topic, reply) in topics.into_iter().zip(replies) {
                    self.basic(topic, *reply, &mut basics)?;
                }
                let details = self.details(&basics);
                self.round = Round::Details;
                Ok(self.ask(details))
            }
            Round::Details => {
                self.take_details(&topics, replies)?;
                self.derive();
                if self.accelerator != Accelerator::Tcg && self.found.has(Flag::Tcg) {
                    return Ok(Step::Restart);
                }
                Ok(self.done())
            }
            Round::Translation => {
                self.take_details(&topics, replies)?;
                Ok(self.done())
            }
        }
    }

    /// The emulator runs again, with translation only.
    pub fn restarted(&mut self) -> Step {
        self.round = Round::Translation;
        self.accelerator = Accelerator::Tcg;
        let mut asked = self.cpu_questions("max");
        asked.push((Topic::Machines, Question { command: "query-machines", arguments: None }));
        self.ask(asked)
    }

    fn ask(&mut self, asked: Vec<Asked>) -> Step {
        let (topics, questions) = asked.into_iter().unzip();
        self.asked = topics;
        Step::Ask(questions)
    }

    fn done(&mut self) -> Step {
        Step::Done(Box::new(std::mem::replace(&mut self.found, Emulator::unknown(String::new()))))
    }

    fn here(&mut self) -> &mut Accelerated {
        &mut self.found.accelerators[self.accelerator as usize]
    }

    fn basic<'a>(&mut self, topic: Topic, reply: Reply<'a>, basics: &mut Basics<'a>) -> Result<()> {
        let answer = match reply {
            Reply::Return(answer) => answer,
            // an emulator without KVM or migration has no such command
            Reply::Error(_) if matches!(topic, Topic::Kvm | Topic::Migration | Topic::Options) => {
                return Ok(());
            }
            Reply::Error(class) => refuse!(internal, "unable to probe {}: {class}", self.found.path),
        };
        match topic {
            Topic::Version => {
                (self.found.version, self.found.package) = decode::version(answer)?;
                self.check_version()?;
            }
            Topic::Target => self.found.arch = decode::target(answer)?,
            Topic::Schema => self.take_schema(answer)?,
            Topic::Kvm if answer["present"] == true && answer["enabled"] == true => {
                self.found.flags.insert(Flag::Kvm);
            }
            Topic::Types => {
                basics.types = decode::names(answer, "name");
                self.set(rules::TYPES, |rule| basics.types.contains(rule.name));
            }
            Topic::Machines => basics.machines = Some(answer),
            Topic::Options => self.take_options(answer),
            Topic::Migration => {
                let known = decode::names(answer, "capability");
                self.set(rules::MIGRATION, |rule| known.contains(rule.name));
            }
            _ => {}
        }
        Ok(())
    }

    fn check_version(&self) -> Result<()> {
        let parts =
            |version: u32| format!("{}.{}.{}", version / 1_000_000, version / 1000 % 1000, version % 1000);
        if self.found.version < MIN_VERSION {
            refuse!(
                unsupported,
                "QEMU version >= {} is required, but {} found",
                parts(MIN_VERSION),
                parts(self.found.version)
            );
        }
        Ok(())
    }

    fn take_schema(&mut self, answer: &Json) -> Result<()> {
        let schema = Schema::read(answer)?;
        self.set(rules::COMMANDS, |rule| schema.has(rule.name));
        self.set(rules::SCHEMA, |rule| schema.has(rule.name));
        if schema.has("block-commit/arg-type/backing-mask-protocol")
            && schema.has("block-stream/arg-type/backing-mask-protocol")
        {
            self.found.flags.insert(Flag::BlockjobBackingMaskProtocol);
        }
        Ok(())
    }

    fn take_options(&mut self, answer: &Json) {
        let options = answer.as_array().map_or(&[][..], Vec::as_slice);
        self.set(rules::OPTIONS, |rule| {
            options.iter().any(|option| {
                option["option"] == rule.name
                    && (rule.property.is_empty()
                        || decode::names(&option["parameters"], "name").contains(rule.property))
            })
        });
    }

    fn set(&mut self, table: &[Rule], shown: impl Fn(&Rule) -> bool) {
        for rule in table.iter().filter(|rule| shown(rule)) {
            self.found.flags.insert(rule.flag);
        }
    }

    /// Ends the first round: what it says together, and the questions of the second.
    fn details(&mut self, basics: &Basics<'_>) -> Vec<Asked> {
        if self.host.hvf {
            self.found.flags.insert(Flag::Hvf);
        }
        self.accelerator = self.found.best_accelerator();
        if self.accelerator != Accelerator::Tcg {
            self.found.microcode = self.host.microcode;
        }
        if let Some(answer) = basics.machines {
            self.here().machines = decode::machines(answer, preferred_machine(self.found.arch));
        }
        let mut asked = self.property_questions(&basics.types);
        asked.extend(self.cpu_questions("host"));
        let plain = |topic, command| (topic, Question { command, arguments: None });
        asked
            .extend([plain(Topic::TpmModels, "query-tpm-models"), plain(Topic::TpmTypes, "query-tpm-types")]);
        if self.found.has(Flag::SevGuest) || self.found.has(Flag::SevSnpGuest) {
            asked.push(plain(Topic::Sev, "query-sev-capabilities"));
        }
        if self.found.has(Flag::SgxEpc) {
            asked.push(plain(Topic::Sgx, "query-sgx-capabilities"));
        }
        if matches!(self.found.arch, Arch::Aarch64 | Arch::Armv6l | Arch::Armv7l) {
            asked.push(plain(Topic::Gic, "query-gic-capabilities"));
        }
        asked
    }

    /// Properties of types that exist and that a rule asks for.
    fn property_questions(&self, types: &HashSet<&str>) -> Vec<Asked> {
        let about = |topic, command, name: &str| {
            (topic, Question { command, arguments: Some(json!({"typename": name})) })
        };
        let devices = rules::names(rules::DEVICE_PROPERTIES)
            .filter(|name| types.contains(name))
            .map(|name| about(Topic::Device(name), "device-list-properties", name));
        let objects = rules::names(rules::OBJECT_PROPERTIES)
            .filter(|name| types.contains(name))
            .map(|name| about(Topic::Object(name), "qom-list-properties", name));
        let machines = rules::names(rules::MACHINE_PROPERTIES).filter_map(|name| {
            let canonical = self.machine_type(name)?;
            Some(about(Topic::Machine(name), "qom-list-properties", &format!("{canonical}-machine")))
        });
        devices.chain(objects).chain(machines).collect()
    }

    /// The name of a machine type in a rule as the QOM has it; `None` where it is not there.
    fn machine_type<'n>(&'n self, name: &'n str) -> Option<&'n str> {
        match name {
            "none" => Some(name),
            // the abstract type that all PCs derive from
            "generic-pc" => self.found.arch.is_x86().then_some(name),
            _ => self.found.machine(self.accelerator, name).map(|m| m.name.as_str()),
        }
    }

    /// What is asked about CPUs; `model` is the one to be taken apart.
    fn cpu_questions(&self, model: &str) -> Vec<Asked> {
        let mut asked = Vec::new();
        if self.found.has(Flag::QueryCpuDefinitions) {
            asked.push((Topic::Cpus, Question { command: "query-cpu-definitions", arguments: None }));
        }
        if !self.found.has(Flag::QueryCpuModelExpansion) {
            return asked;
        }
        let arch = self.found.arch;
        let expand = |topic, kind: &str, props: Option<Json>| {
            let mut of = json!({"name": model});
            if let Some(props) = props {
                of["props"] = props;
            }
            let arguments = Some(json!({"type": kind, "model": of}));
            (topic, Question { command: "query-cpu-model-expansion", arguments })
        };
        let kind = if arch.is_arm() { "full" } else { "static" };
        asked.push(expand(Topic::Host, kind, None));
        if arch.is_x86() {
            asked.push(expand(Topic::HostEverything, kind, Some(json!({"migratable": false}))));
        }
        if arch.is_s390() && self.found.has(Flag::QueryCpuModelExpansionDeprecatedProps) {
            asked.push(expand(Topic::HostFull, "full", None));
        }
        if arch.is_x86() && self.round != Round::Translation {
            let props = json!({"migratable": false, "hv-passthrough": true});
            asked.push(expand(Topic::Enlightenments, "full", Some(props)));
        }
        asked
    }

    fn take_details(&mut self, topics: &[Topic], replies: &[Reply<'_>]) -> Result<()> {
        for (topic, reply) in topics.iter().zip(replies) {
            match reply {
                Reply::Return(answer) => self.detail(*topic, answer)?,
                Reply::Error(_) => self.failed(*topic),
            }
        }
        Ok(())
    }

    /// An error is an answer too: the host does not have it.
    fn failed(&mut self, topic: Topic) {
        match topic {
            Topic::Sev => {
                self.found.flags.remove(Flag::SevGuest);
                self.found.flags.remove(Flag::SevSnpGuest);
            }
            Topic::Sgx => self.found.flags.remove(Flag::SgxEpc),
            _ => {}
        }
    }

    fn detail(&mut self, topic: Topic, answer: &Json) -> Result<()> {
        match topic {
            Topic::Device(name) => self.take_device(name, answer),
            Topic::Object(name) => self.take_properties(rules::OBJECT_PROPERTIES, name, answer),
            Topic::Machine(name) => self.take_properties(rules::MACHINE_PROPERTIES, name, answer),
            Topic::Machines => {
                self.here().machines = decode::machines(answer, preferred_machine(self.found.arch));
            }
            Topic::Cpus => {
                let cpus = decode::cpu_definitions(answer, self.found.arch);
                if cpus.iter().any(|cpu| cpu.name == "max") {
                    self.found.flags.insert(Flag::CpuMax);
                }
                self.here().cpus = Some(cpus);
            }
            Topic::TpmModels => {
                self.take_words(answer, &[Flag::TpmTis, Flag::TpmCrb, Flag::TpmSpapr], "");
            }
            Topic::TpmTypes => {
                self.take_words(answer, &[Flag::TpmPassthrough, Flag::TpmEmulator], "tpm-");
            }
            Topic::Sev => self.found.sev = Some(decode::sev(answer)?),
            Topic::Sgx => self.found.sgx = Some(decode::sgx(answer)?),
            Topic::Gic => self.found.gic = decode::gic(answer),
            Topic::Host => self.here().host_cpu = decode::model_expansion(answer),
            Topic::HostEverything | Topic::HostFull => {
                let more = decode::model_expansion(answer);
                if let (Some(host), Some(more)) = (&mut self.here().host_cpu, more) {
                    match topic {
                        Topic::HostFull => host.deprecated = more.deprecated,
                        _ => decode::merge_migratable(host, &more),
                    }
                }
            }
            Topic::Enlightenments => {
                self.found.enlightenments =
                    decode::model_expansion(answer).as_ref().and_then(decode::enlightenments);
            }
            _ => {}
        }
        Ok(())
    }

    fn take_device(&mut self, device: &str, answer: &Json) {
        self.take_properties(rules::DEVICE_PROPERTIES, device, answer);
        let off_by_default = |property: &str| {
            let all = answer.as_array().map_or(&[][..], Vec::as_slice);
            all.iter().any(|p| p["name"] == property && p["default-value"] == false)
        };
        if matches!(device, "virtio-blk-pci" | "virtio-blk-ccw") && off_by_default("scsi") {
            self.found.flags.insert(Flag::VirtioBlkPciScsiDefaultDisabled);
        }
    }

    fn take_properties(&mut self, table: &[Rule], name: &str, answer: &Json) {
        let known = decode::names(answer, "name");
        self.set(table, |rule| rule.name == name && known.contains(rule.property));
    }

    /// Sets each flag whose name, without the prefix, is in a list of words.
    fn take_words(&mut self, answer: &Json, flags: &[Flag], prefix: &str) {
        let words: Vec<&str> = answer.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let shown = |flag: &&Flag| flag.name().strip_prefix(prefix).is_some_and(|word| words.contains(&word));
        for flag in flags.iter().filter(shown) {
            self.found.flags.insert(*flag);
        }
    }

    /// What follows from flags alone.
    fn derive(&mut self) {
        if self.found.has(Flag::CpuUnavailableFeatures) {
            self.found.flags.insert(Flag::CanonicalCpuFeatures);
        }
        // the SCSI adapter is part of machines there, not a device of its own
        if matches!(self.found.arch, Arch::Sparc | Arch::M68k | Arch::Mips) {
            self.found.flags.insert(Flag::Ncr53c90);
        }
    }
}

/// The machine type that a definition without one gets, where QEMU has it; else QEMU's default.
fn preferred_machine(arch: Arch) -> Option<&'static str> {
    use Arch::*;
    Some(match arch {
        Alpha => "clipper",
        Armv7l | Aarch64 | Loongarch64 | Riscv32 | Riscv64 => "virt",
        Cris => "axis-dev88",
        I686 | X86_64 => "pc",
        Lm32 => "lm32-evr",
        M68k => "mcf5208evb",
        Microblaze | Microblazeel => "petalogix-s3adsp1800",
        Mips | Mipsel | Mips64 | Mips64el => "malta",
        Or32 => "or1k-sim",
        Ppc => "g3beige",
        Ppc64 | Ppc64le => "pseries",
        Ppcemb => "bamboo",
        S390x => "s390-ccw-virtio",
        Sh4 | Sh4eb => "shix",
        Sparc => "SS-5",
        Sparc64 => "sun4u",
        Unicore32 => "puv3",
        Xtensa | Xtensaeb => "sim",
        _ => return None,
    })
}
