//! From a definition to a plan, and the identity of a stored file: how long they take.
//!
//! Wanted: a definition of 200 lines to a plan in under 200 microseconds, an identity in under 20.
//! The emulator is one of the recordings beside the project; without them there is nothing to measure.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, criterion_group, criterion_main};
use ostler_base::{Arch, MacAddr, Uuid};
use ostler_caps::emulator::{Emulator, ProbeHost, Recording};
use ostler_domain::{Domain, Draft, DriverConfig, Entropy, HostFacts, ReadMode, Setting, plans};
use ostler_plan::{Answer, Facts, FileKind, Numbering, Query};
use rustix::time::{ClockId, clock_gettime};

/// Where recordings lie.
const RECORDING: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus/emulators/caps_10.0.0_x86_64.replies");

/// The time that the processor worked for us: the machine may be busy with other things.
struct Worked;

impl Measurement for Worked {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap())
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

struct Fixed;

impl Entropy for Fixed {
    fn uuid(&self) -> Uuid {
        Uuid::from_random([7; 16])
    }

    fn mac(&self) -> MacAddr {
        MacAddr::from_random([1, 2, 3])
    }

    fn now(&self) -> i64 {
        1_700_000_000
    }
}

/// A guest of some 200 lines, as tools for servers make them.
fn definition() -> String {
    let mut disks = String::new();
    for letter in 'a'..='h' {
        let _ = write!(
            disks,
            "    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none' io='native' discard='unmap'/>
      <source file='/var/lib/libvirt/images/disk-{letter}.qcow2'/>
      <target dev='vd{letter}' bus='virtio'/>
    </disk>\n"
        );
    }
    for nth in 0..8 {
        let _ = write!(
            disks,
            "    <interface type='ethernet'>
      <mac address='52:54:00:00:00:{nth:02x}'/>
      <target dev='tap{nth}' managed='no'/>
      <model type='virtio'/>
      <link state='up'/>
    </interface>\n"
        );
    }
    let mut channels = String::new();
    for nth in 0..12 {
        let _ = write!(
            channels,
            "    <channel type='unix'>
      <source mode='bind' path='/tmp/channel-{nth}'/>
      <target type='virtio' name='org.example.{nth}'/>
    </channel>\n"
        );
    }
    format!(
        "<domain type='kvm'>
  <name>server</name>
  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
  <metadata>
    <os:info xmlns:os='urn:os'>
      <os:system id='linux'/>
    </os:info>
  </metadata>
  <memory unit='GiB'>4</memory>
  <currentMemory unit='GiB'>4</currentMemory>
  <vcpu placement='static'>8</vcpu>
  <iothreads>2</iothreads>
  <cputune>
    <shares>2048</shares>
    <vcpupin vcpu='0' cpuset='0'/>
    <vcpupin vcpu='1' cpuset='1'/>
  </cputune>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <boot dev='hd'/>
  </os>
  <features>
    <acpi/>
    <apic/>
    <hyperv>
      <relaxed state='on'/>
      <vapic state='on'/>
      <spinlocks state='on' retries='8191'/>
    </hyperv>
  </features>
  <cpu mode='host-passthrough' check='none' migratable='on'>
    <topology sockets='1' dies='1' clusters='1' cores='8' threads='1'/>
    <numa>
      <cell id='0' cpus='0-3' memory='2' unit='GiB'/>
      <cell id='1' cpus='4-7' memory='2' unit='GiB'/>
    </numa>
  </cpu>
  <clock offset='utc'>
    <timer name='rtc' tickpolicy='catchup'/>
    <timer name='pit' tickpolicy='delay'/>
    <timer name='hpet' present='no'/>
  </clock>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
{disks}{channels}    <serial type='pty'>
      <target port='0'/>
    </serial>
    <console type='pty'>
      <target type='serial' port='0'/>
    </console>
    <input type='tablet' bus='usb'/>
    <graphics type='vnc' port='5900' autoport='no' listen='127.0.0.1'/>
    <video>
      <model type='virtio'/>
    </video>
    <memballoon model='virtio'/>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
    </rng>
  </devices>
</domain>
"
    )
}

fn answers(questions: Vec<Query>) -> Facts {
    let mut facts = Facts::default();
    for question in questions {
        let answer = match &question {
            Query::Stat(_) => Answer::Kind(FileKind::File),
            Query::NumaNodes | Query::NodesOfCpus(_) => Answer::Ids((0..2).collect()),
            Query::FreePort(_, first, _) => Answer::Port(*first),
            Query::RenderNode | Query::Program(_) => Answer::Path(None),
            _ => Answer::Words(Vec::new()),
        };
        facts.add(question, answer);
    }
    facts
}

fn complete(text: &str, setting: &Setting<'_>) -> Domain {
    let draft = Draft::parse(text, &ReadMode { abi_update: true, ..ReadMode::default() }).unwrap();
    draft.complete(setting).unwrap()
}

fn emulator() -> Option<Emulator> {
    if !Path::new(RECORDING).exists() {
        eprintln!("SKIPPED: no recordings at {RECORDING}");
        return None;
    }
    let text = std::fs::read_to_string(RECORDING).unwrap();
    let recording = Recording::read(&text).unwrap();
    Some(recording.probe("/usr/bin/qemu-system-x86_64", ProbeHost::default()).unwrap())
}

fn definitions(criterion: &mut Criterion<Worked>) {
    let text = definition();
    criterion.bench_function("identity of a stored file", |bench| {
        bench.iter(|| ostler_domain::stored_identity(std::hint::black_box(&text)).unwrap());
    });
    let Some(emulator) = emulator() else { return };
    let (host, config) = (HostFacts::of(Arch::X86_64), DriverConfig::below("/"));
    let setting = Setting::new(Some(&emulator), &host, &config, &Fixed);
    criterion.bench_function("definition, completed", |bench| {
        bench.iter(|| complete(std::hint::black_box(&text), &setting));
    });
    let domain = complete(&text, &setting);
    criterion.bench_function("document written", |bench| {
        bench.iter(|| domain.to_xml(&ostler_domain::WriteMode::default()));
    });
    let facts = answers(plans::start::ask(&domain, &setting));
    criterion.bench_function("plan of a start", |bench| {
        bench.iter(|| plans::start::plan(&domain, &setting, &facts, Numbering::From(3)).unwrap());
    });
    criterion.bench_function("definition to plan", |bench| {
        bench.iter(|| {
            let domain = complete(std::hint::black_box(&text), &setting);
            let facts = answers(plans::start::ask(&domain, &setting));
            plans::start::plan(&domain, &setting, &facts, Numbering::From(3)).unwrap()
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Worked);
    targets = definitions
}
criterion_main!(benches);
