//! How a guest is started: environment, program, command line, descriptors, actions, resources.
//!
//! Owns: the order of options. Never: knows a device; each adds its own parts.

use ostler_base::{Error, Result};
use ostler_caps::emulator::Flag;
use ostler_plan::{
    Action, Chardev, ChardevBackend, Facts, FdKind, FdSource, FileKind, Form, Launch, Numbering, Part,
    PassedFds, Props, Query, Resource, ResourceKind, SocketAddress,
};

use super::{machine_option, variables};
use crate::blocks;
use crate::devices::Build;
use crate::memlock::{LockedMemory, locked_memory};
use crate::sections::{backend, cpu, launch_security, memory, numa, sysinfo};
use crate::{Domain, Draft, Setting, machine};

/// What has to be known of the host before [`ask`]: volumes and headers of images. Nothing is left
/// to be asked once all is known; each answer may lead to more questions.
pub fn ask_first(domain: &Domain) -> Vec<Query> {
    let mut out = Vec::new();
    blocks::ask_volumes(domain, &mut out);
    blocks::ask_chains(domain, &mut out);
    out
}

/// The definition with what the host says of the images in it.
pub fn settle(domain: &Domain, facts: &Facts) -> Result<Domain> {
    domain.with_images(|draft| {
        blocks::resolve_volumes(draft, facts)?;
        blocks::resolve_chains(draft, facts)
    })
}

/// What has to be known of the host.
pub fn ask(domain: &Domain, setting: &Setting<'_>) -> Vec<Query> {
    let mut out: Vec<Query> = resources(domain).iter().map(|r| Query::Stat(r.path.clone())).collect();
    domain.head.numatune.ask(domain, &mut out);
    domain.head.os.firmware.ask(setting, &mut out);
    domain.devices.iter().for_each(|device| device.ask(setting, &mut out));
    out
}

/// Everything the guest touches on the host.
pub fn resources(domain: &Domain) -> Vec<Resource> {
    let mut out = Vec::new();
    domain.head.os.resources(&mut out);
    sysinfo::resources(&domain.head.sysinfo, &mut out);
    domain.devices.iter().for_each(|device| device.resources(&mut out));
    out
}

/// The same, with what only the host knew.
fn resources_found(domain: &Domain, facts: &Facts) -> Result<Vec<Resource>> {
    let mut out = resources(domain);
    domain.devices.iter().try_for_each(|device| device.resources_found(facts, &mut out))?;
    Ok(out)
}

/// The plan of a start. Aliases are assigned: the definition of the run is given back with it.
pub fn plan(
    domain: &Domain,
    setting: &Setting<'_>,
    facts: &Facts,
    numbering: Numbering,
) -> Result<(Domain, Launch)> {
    check_resources(domain, facts)?;
    let changed = setting.emulator.and_then(|e| domain.head.passthrough.change(&e.flags));
    let setting = &Setting { flags: changed.as_ref().or(setting.flags), ..*setting };
    let live = domain.for_run(setting)?.with_run_details(setting).with_closed_channels();
    let live = live.with_screens(setting, facts)?;
    let mut fds = PassedFds::new(numbering);
    fds.reserve_sets(blocks::fd_sets(&live));
    let mut build = Build { draft: &live, setting, facts, fds, parts: Vec::new() };
    command_line(&mut build)?;
    let mut actions = private_directory(&live, setting);
    backend::actions(&build, &mut actions);
    launch_security::actions(&build, &mut actions);
    actions.extend(variables::prepare(&live, setting, facts)?);
    for device in live.devices.iter() {
        device.actions(&build, &mut actions)?;
    }
    let form = Form {
        device_json: setting.has(Flag::DeviceJsonHotplug),
        netdev_json: setting.has(Flag::NetdevJson),
        object_json: true,
        chardev_json: setting.has(Flag::ChardevJson),
    };
    let launch = Launch {
        environment: environment(&live, setting),
        program: live.head.emulator.clone().unwrap_or_default(),
        form,
        actions,
        resources: resources_found(&live, facts)?,
        locked_memory: match locked_memory(&live) {
            LockedMemory::Inherited => None,
            LockedMemory::Bytes(bytes) => Some(Some(bytes)),
            LockedMemory::Unlimited => Some(None),
        },
        fds: build.fds.into_vec(),
        parts: build.parts,
    };
    Ok((live, launch))
}

/// Everything that the guest reads must be there; what it writes for the first time need not.
fn check_resources(domain: &Domain, facts: &Facts) -> Result<()> {
    for resource in resources(domain) {
        let what = match resource.kind {
            ResourceKind::Output | ResourceKind::State | ResourceKind::Private | ResourceKind::Socket => {
                continue;
            }
            ResourceKind::Image => "storage file",
            ResourceKind::Firmware => "kernel or firmware file",
            ResourceKind::Device => "device",
            ResourceKind::Directory => "directory",
        };
        if facts.kind(&resource.path)? == FileKind::Absent {
            let detail =
                format!("Cannot access {what} '{}': No such file or directory", resource.path.display());
            return Err(Error::system(detail).with_suffix(&format!(" (guest '{}')", domain.name())));
        }
    }
    Ok(())
}

fn run_dir(draft: &Draft, setting: &Setting<'_>) -> String {
    setting.config.run_dir(draft.head.identity.id, draft.name())
}

fn environment(draft: &Draft, setting: &Setting<'_>) -> Vec<(String, String)> {
    let dir = run_dir(draft, setting);
    let mut out = Vec::new();
    for (name, value) in &setting.config.environment {
        out.push((name.clone(), value.clone()));
        if name == "PATH" {
            out.push(("HOME".to_owned(), dir.clone()));
        }
    }
    for (name, folder) in
        [("XDG_DATA_HOME", ".local/share"), ("XDG_CACHE_HOME", ".cache"), ("XDG_CONFIG_HOME", ".config")]
    {
        out.push((name.to_owned(), format!("{dir}/{folder}")));
    }
    out.extend(draft.head.clock.timezone().map(|zone| ("TZ".to_owned(), zone.to_owned())));
    draft.devices.iter().for_each(|device| device.environment(draft, setting, &mut out));
    for (name, value) in &draft.head.passthrough.environment {
        out.push((name.clone(), value.clone().unwrap_or_default()));
    }
    out
}

/// The directory of the run and the key that secrets are encrypted with.
fn private_directory(draft: &Draft, setting: &Setting<'_>) -> Vec<Action> {
    let dir = run_dir(draft, setting);
    let owner = setting.config.owner;
    let mut actions = vec![
        Action::MakeDir { path: dir.clone().into(), mode: 0o750, owner },
        Action::WriteRandom { path: master_key(&dir).into(), length: 32, mode: 0o600, owner },
    ];
    if let Some(dir) = channel_directory(draft, setting) {
        actions.push(Action::MakeDir { path: dir.into(), mode: 0o750, owner });
    }
    actions
}

/// The directory of the sockets of channels, where one of them has no path of its own.
fn channel_directory(draft: &Draft, setting: &Setting<'_>) -> Option<String> {
    let dir = setting.config.channel_dir(draft.head.identity.id, draft.name());
    let inside = |path: &str| path.strip_prefix(&dir).is_some_and(|rest| rest.starts_with('/'));
    draft.devices.channels.iter().any(|c| c.device.socket().is_some_and(inside)).then_some(dir)
}

fn master_key(dir: &str) -> String {
    format!("{dir}/master-key.aes")
}

fn command_line(build: &mut Build<'_>) -> Result<()> {
    let (draft, setting) = (build.draft, build.setting);
    let head = &draft.head;
    let machine = machine::of(&head.os);
    let name = Props::new().with("guest", draft.name()).with("debug-threads", true);
    build.parts.extend([
        Part::options("-name", None, name),
        Part::flag("-S"),
        master_key_part(draft, setting),
    ]);
    build.parts.extend(head.passthrough.compat_part());
    machine_option::parts(build)?;
    if let Some(option) = cpu::option(draft, setting)? {
        build.parts.push(Part::plain("-cpu", option));
    }
    let ram_id = machine_option::ram_id(draft, setting);
    memory::parts(build, ram_id.as_deref())?;
    build.parts.push(Part::options(
        "-overcommit",
        None,
        Props::new().with("mem-lock", head.memory_backing.locked),
    ));
    let topology = head.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
    build.parts.push(head.vcpus.part(topology, setting)?);
    head.iothreads.parts(&mut build.parts);
    numa::parts(build)?;
    build.parts.push(Part::plain("-uuid", draft.uuid().to_string()));
    head.identity.parts(&mut build.parts);
    sysinfo::parts(&head.sysinfo, head.os.smbios, draft.name(), &mut build.parts)?;
    if draft.devices.graphics.is_empty() {
        build.parts.push(Part::plain("-display", "none"));
    }
    build.parts.extend([Part::flag("-no-user-config"), Part::flag("-nodefaults")]);
    monitor_parts(build);
    head.clock.parts(machine.has_pit(), setting.entropy.now(), &mut build.parts);
    build.parts.push(Part::flag("-no-shutdown"));
    machine_option::power_parts(build);
    head.os.boot_parts(&mut build.parts);
    head.os.kernel_parts(&mut build.parts);
    head.throttle_groups.parts(&mut build.parts);
    for device in draft.devices.in_argv_order() {
        device.parts(build)?;
    }
    build.parts.extend(setting.incoming.map(|from| Part::plain("-incoming", from)));
    head.features.parts(&mut build.parts);
    launch_security::parts(build)?;
    if setting.config.seccomp_sandbox && setting.has(Flag::SeccompSandbox) {
        let deny = ["obsolete", "elevateprivileges", "spawn", "resourcecontrol"];
        let sandbox =
            deny.iter().fold(Props::new().with("enable", true), |props, key| props.with(key, "deny"));
        build.parts.push(Part::options("-sandbox", Some("enable"), sandbox));
    }
    head.passthrough.apply(&mut build.parts);
    head.passthrough.parts(&mut build.parts);
    if setting.config.log_timestamp {
        build.parts.push(Part::options("-msg", None, Props::new().with("timestamp", true)));
    }
    Ok(())
}

fn master_key_part(draft: &Draft, setting: &Setting<'_>) -> Part {
    let secret = Props::new()
        .with("qom-type", "secret")
        .with("id", "masterKey0")
        .with("format", "raw")
        .with("file", master_key(&run_dir(draft, setting)));
    Part::Object(secret)
}

fn monitor_parts(build: &mut Build<'_>) {
    let draft = build.draft;
    let path = build.setting.config.monitor_path(draft.head.identity.id, draft.name());
    let fd = build.fds.add(FdKind::Listen, FdSource::ListenUnix(path.into()));
    let socket = ChardevBackend::Socket {
        address: SocketAddress::Fd(fd.to_string()),
        server: Some(false),
        telnet: false,
        tls_creds: None,
        reconnect: None,
        reconnect_ms: false,
    };
    build.parts.push(Part::Chardev(Chardev::new("charmonitor", socket)));
    let mon = Props::new().with("chardev", "charmonitor").with("id", "monitor").with("mode", "control");
    build.parts.push(Part::options("-mon", None, mon));
}

/// What the plan of a stop removes: everything that a start made for one run.
pub fn leftovers(domain: &Domain, setting: &Setting<'_>) -> Vec<Action> {
    let mut actions = vec![Action::RemoveTree { path: run_dir(domain, setting).into() }];
    backend::cleanup(domain, setting, &mut actions);
    actions.extend(channel_directory(domain, setting).map(|dir| Action::RemoveTree { path: dir.into() }));
    for device in domain.devices.iter() {
        device.cleanup(domain, setting, &mut actions);
    }
    actions
}
