//! passt: a process that is the network of a card, with the rights of its guest.

use ostler_plan::Action;
use ostler_vocab::inet::Family;

use super::source::InterfaceSource;
use super::{Build, Device, Interface};
use crate::{Draft, Setting};

impl Interface {
    fn passt_base(&self, draft: &Draft, setting: &Setting<'_>) -> String {
        let run = setting.config.short_run_name(draft.head.identity.id, draft.name());
        format!("{}/passt/{run}-{}", setting.config.state_dir, self.info().alias())
    }

    /// Its socket.
    pub(super) fn passt_socket(&self, draft: &Draft, setting: &Setting<'_>) -> String {
        format!("{}.socket", self.passt_base(draft, setting))
    }

    fn passt_pid_file(&self, draft: &Draft, setting: &Setting<'_>) -> String {
        format!("{}-passt.pid", self.passt_base(draft, setting))
    }

    /// The process that has to run before the emulator does.
    pub(super) fn start_passt(&self, build: &Build<'_>, out: &mut Vec<Action>) {
        let (draft, setting) = (build.draft, build.setting);
        let owner = setting.config.owner;
        let socket = self.passt_socket(draft, setting);
        let pid_file = self.passt_pid_file(draft, setting);
        let mut argv: Vec<String> = vec!["passt".into(), "--one-off".into()];
        let mut option = |name: &str, value: &str| argv.extend([name.to_owned(), value.to_owned()]);
        option("--socket", &socket);
        option("--pid", &pid_file);
        option("--mac-addr", &self.mac.unwrap_or_default().to_string());
        if let InterfaceSource::User { device: Some(device) }
        | InterfaceSource::VhostUser { device: Some(device), .. } = &self.source
        {
            option("--interface", device);
        }
        if let Some(path) = &self.backend.log_file {
            option("--log-file", path);
        }
        for ip in &self.guest.addresses {
            option("--address", &ip.address);
            let v4 = ip.family.as_deref() == Some(&Family::Ipv4.to_string());
            if let Some(prefix) = ip.prefix.filter(|_| v4) {
                option("--netmask", &prefix.to_string());
            }
        }
        for forward in &self.forwards {
            let (name, value) = forward.option();
            option(&name, &value);
        }
        if matches!(self.source, InterfaceSource::VhostUser { .. }) {
            argv.push("--vhost-user".to_owned());
        }
        let folder = format!("{}/passt", setting.config.state_dir);
        out.push(Action::KeepDir { path: folder.into(), mode: 0o770, owner });
        out.push(Action::StartService {
            name: format!("passt of guest '{}'", draft.name()),
            argv,
            owner,
            ready: socket.into(),
            pid_file: pid_file.into(),
        });
    }

    /// What ends it.
    pub(super) fn stop_passt(&self, draft: &Draft, setting: &Setting<'_>, out: &mut Vec<Action>) {
        let pid_file = self.passt_pid_file(draft, setting);
        let name = format!("passt of guest '{}'", draft.name());
        out.push(Action::StopService { name, pid_file: pid_file.into() });
        out.push(Action::RemoveFile { path: self.passt_socket(draft, setting).into() });
    }
}
