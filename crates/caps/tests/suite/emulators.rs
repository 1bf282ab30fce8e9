//! The probe, the flag tables and the cache against recordings and facts of the reference. Skipped
//! where these are absent.

use std::collections::BTreeSet;
use std::fs::read_to_string;

use ostler_base::Json;
use ostler_base::json::json;
use ostler_caps::cpu::CpuData;
use ostler_caps::emulator::cache::{self, Stamps};
use ostler_caps::emulator::rules::{self, Rule};
use ostler_caps::emulator::{
    Accelerator, Emulator, Flag, ProbeHost, Prober, Question, Recording, Reply, Step,
};

use crate::shared;

/// Name, recording and derived form of every recorded emulator.
fn recordings() -> Vec<(String, String, String)> {
    let Some(folder) = shared("corpus/emulators") else { return Vec::new() };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".replies").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 20, "only {} recordings", names.len());
    names
        .into_iter()
        .map(|name| {
            let file = |end| read_to_string(folder.join(format!("{name}.{end}"))).unwrap();
            (name.clone(), file("replies"), file("xml"))
        })
        .collect()
}

fn host(name: &str, microcode: u32) -> ProbeHost {
    ProbeHost { hvf: name.ends_with("+hvf"), microcode }
}

#[test]
fn recordings_show_what_the_reference_derives() {
    for (name, replies, xml) in recordings() {
        let (expected, stamps) = cache::read(&xml).unwrap();
        assert_eq!(stamps, Stamps::default(), "{name}");
        let recording = Recording::read(&replies).unwrap();
        let found = recording.probe(&expected.path, host(&name, expected.microcode)).unwrap();
        let flags = |e: &Emulator| e.flags.iter().map(Flag::name).collect::<Vec<_>>();
        assert_eq!(flags(&found), flags(&expected), "{name}");
        assert!(found == expected, "{name}: more than flags differ");
        let (again, _) = cache::read(&cache::write(&found, &stamps)).unwrap();
        assert!(again == found, "{name}: the cache does not keep everything");
    }
}

#[test]
fn look_ups() {
    for (name, replies, _) in recordings().into_iter().filter(|(name, ..)| name == "caps_10.0.0_x86_64") {
        let found = Recording::read(&replies).unwrap().probe("/q", host(&name, 0)).unwrap();
        assert_eq!(found.best_accelerator(), Accelerator::Kvm);
        let kvm = Accelerator::Kvm;
        assert_eq!(found.canonical_machine(kvm, "q35"), "pc-q35-10.0");
        assert_eq!(found.canonical_machine(kvm, "nonesuch"), "nonesuch");
        assert_eq!(found.preferred_machine(kvm).unwrap().name, "pc-i440fx-10.0");
        assert_eq!(found.machine(kvm, "q35").unwrap().default_ram_id.as_deref(), Some("pc.ram"));
        assert_eq!(found.max_cpus(kvm, "q35"), 4096);
        assert_eq!(found.max_cpus(kvm, "nonesuch"), 0);
        assert_eq!(found.default_cpu(kvm, "pc"), Some("qemu64"));
        assert!(found.machine(Accelerator::Hvf, "pc").is_none());
    }
}

/// The questions of a probe whose answers come from a recording, in rounds.
fn rounds(recording: &Recording) -> Vec<Vec<Question>> {
    let (mut prober, mut step) = Prober::begin("/q", ProbeHost::default());
    let (mut rounds, mut conversation) = (Vec::new(), 0);
    loop {
        step = match step {
            Step::Ask(questions) => {
                let replies: Vec<Reply<'_>> =
                    questions.iter().map(|q| recording.reply(conversation, q)).collect();
                let next = prober.answer(&replies).unwrap();
                rounds.push(questions);
                next
            }
            Step::Restart => {
                conversation += 1;
                prober.restarted()
            }
            Step::Done(_) => return rounds,
        };
    }
}

#[test]
fn little_is_asked() {
    for (name, replies, _) in recordings() {
        let rounds = rounds(&Recording::read(&replies).unwrap());
        let text = |q: &Question| match &q.arguments {
            Some(arguments) => format!("{}{arguments}", q.command),
            None => q.command.to_owned(),
        };
        let asked: Vec<String> = rounds.iter().flatten().map(text).collect();
        let recorded = replies.matches("\"execute\":").count();
        assert!(asked.len() <= recorded, "{name}: {} asked, {recorded} recorded", asked.len());
        assert!(rounds.len() <= 3, "{name}: {} rounds", rounds.len());
        for round in &rounds {
            let once: BTreeSet<String> = round.iter().map(text).collect();
            assert_eq!(once.len(), round.len(), "{name}: something is asked twice in a round");
        }
    }
}

/// Answers to the first round of a minimal emulator.
fn minimal(question: &Question) -> Json {
    match question.command {
        "query-version" => json!({"qemu": {"major": 10, "minor": 1, "micro": 2}, "package": "p"}),
        "query-target" => json!({"arch": "mips"}),
        "query-machines" => json!([
            {"name": "none", "cpu-max": 1},
            {"name": "mipssim", "cpu-max": 1, "is-default": true},
            {"name": "malta", "cpu-max": 16, "alias": "m"},
        ]),
        "query-kvm" => json!({"present": true, "enabled": false}),
        _ => json!([]),
    }
}

fn probe_minimal(answer: impl Fn(&Question) -> Json) -> ostler_base::Result<Emulator> {
    let (mut prober, mut step) = Prober::begin("/q", ProbeHost::default());
    let mut first = true;
    loop {
        step = match step {
            Step::Ask(questions) => {
                let answers: Vec<Json> = questions.iter().map(&answer).collect();
                let reply = |answer| if first { Reply::Return(answer) } else { Reply::Error("GenericError") };
                let replies: Vec<Reply<'_>> = answers.iter().map(reply).collect();
                first = false;
                prober.answer(&replies)?
            }
            Step::Restart => panic!("there is nothing to start again"),
            Step::Done(emulator) => return Ok(*emulator),
        };
    }
}

#[test]
fn an_emulator_that_answers_little_is_probed() {
    let found = probe_minimal(minimal).unwrap();
    assert_eq!(found.version, 10_001_002);
    assert_eq!(found.flags.iter().collect::<Vec<_>>(), [Flag::Ncr53c90]);
    assert_eq!(found.best_accelerator(), Accelerator::Tcg);
    let machines = &found.with(Accelerator::Tcg).machines;
    assert_eq!(machines.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["malta", "mipssim"]);
    assert_eq!(found.cpus(Accelerator::Tcg), []);
}

#[test]
fn bad_answers_are_errors() {
    let check = |command: &str, answer: Json, text: &str| {
        let result = probe_minimal(|q| if q.command == command { answer.clone() } else { minimal(q) });
        assert_eq!(result.unwrap_err().to_string(), text);
    };
    check(
        "query-version",
        json!({"qemu": {"major": 6, "minor": 1, "micro": 0}, "package": ""}),
        "unsupported configuration: QEMU version >= 6.2.0 is required, but 6.1.0 found",
    );
    check(
        "query-version",
        json!({"qemu": {"major": 4_294_967_295u32, "minor": 1, "micro": 0}, "package": ""}),
        "internal error: query-version reply was missing 'qemu version' data",
    );
    check("query-target", json!({"arch": "pdp11"}), "internal error: Unknown QEMU arch pdp11");
    let (mut prober, _) = Prober::begin("/q", ProbeHost::default());
    assert!(prober.answer(&[]).is_err());
}

#[test]
fn broken_recordings_are_errors() {
    for text in ["{", "[]", "{\"execute\":\"a\"}{\"return\":{}}", "{\"return\":{}}"] {
        assert!(Recording::read(text).is_err(), "{text}");
    }
    assert!(Recording::read("").unwrap().probe("/q", ProbeHost::default()).is_err());
}

#[test]
fn stamps_are_kept() {
    let mut cpu_data = CpuData::default();
    cpu_data.add_cpuid(1, 0, [1, 2, 3, 4]);
    let stamps = Stamps {
        emulator_ctime: 1,
        modules_mtime: Some(2),
        own_ctime: 3,
        own_version: 4,
        host_cpu: Some("AuthenticAMD, AMD EPYC".to_owned()),
        kernel_version: Some("6.1 #1".to_owned()),
        cpu_data: Some(cpu_data),
    };
    let emulator = probe_minimal(minimal).unwrap();
    let (again, read) = cache::read(&cache::write(&emulator, &stamps)).unwrap();
    assert_eq!((again, read), (emulator, stamps));
}

#[test]
fn broken_caches_are_errors() {
    for text in ["<qemuCaps/>", "<other/>", "<qemuCaps><qemuctime>1</qemuctime></qemuCaps>", "no"] {
        assert!(cache::read(text).is_err(), "{text}");
    }
}

#[test]
fn flag_names_are_the_reference_s() {
    let Some(folder) = shared("facts") else { return };
    let text = read_to_string(folder.join("emulator-flag-names.tsv")).unwrap();
    let facts: Vec<(&str, u16)> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, number)| (name, number.parse().unwrap()))
        .collect();
    let ours: Vec<_> = Flag::ALL.iter().map(|flag| (flag.name(), flag.number())).collect();
    assert_eq!(ours, facts);
}

#[test]
fn rules_are_the_reference_s() {
    let Some(folder) = shared("facts") else { return };
    let text = read_to_string(folder.join("emulator-flags.tsv")).unwrap();
    let tables: [(&str, &[Rule]); 8] = [
        ("Commands", rules::COMMANDS),
        ("Migration", rules::MIGRATION),
        ("ObjectTypes", rules::TYPES),
        ("DeviceProperty", rules::DEVICE_PROPERTIES),
        ("ObjectProperty", rules::OBJECT_PROPERTIES),
        ("MachineProperty", rules::MACHINE_PROPERTIES),
        ("QMPSchemaQueries", rules::SCHEMA),
        ("CommandLine", rules::OPTIONS),
    ];
    let mut facts = BTreeSet::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        if let [source, path, flag, condition] = fields[..]
            && !source.starts_with("Code")
        {
            facts.insert((source, path.to_owned(), flag));
            // only types that exist are asked about, and existing shows what the condition asks
            let of = path.split(' ').next().unwrap_or_default();
            let implied = rules::TYPES.iter().any(|rule| rule.name == of && rule.flag.name() == condition);
            assert!(condition.is_empty() || implied, "{line}");
        }
    }
    let ours: BTreeSet<_> = tables
        .iter()
        .flat_map(|(source, table)| {
            table.iter().map(|rule| {
                let path = format!("{} {}", rule.name, rule.property).trim_end().to_owned();
                (*source, path, rule.flag.name())
            })
        })
        .collect();
    assert_eq!(ours.difference(&facts).collect::<Vec<_>>(), Vec::<&_>::new());
    assert_eq!(facts.difference(&ours).collect::<Vec<_>>(), Vec::<&_>::new());
}
