//! Threads of a guest bound to processors of the host.
//!
//! Owns: which thread is meant, and what a definition says of it. Never: plugs a processor.

use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Error, IdSet, Json, Result, refuse};
use ostler_domain::{Domain, Draft};
use ostler_host::set_affinity;

use super::targets::Targets;
use crate::domain::guest::not_running;
use crate::domain::{Guest, Job};
use crate::engine::Engine;
use crate::events::What;
use crate::params::Param;

/// A thread of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thread {
    /// Of a virtual processor.
    Vcpu(u32),
    /// The emulator itself.
    Emulator,
    /// Of disks.
    Io(u32),
}

impl Thread {
    /// The name of the value that tells of a change.
    fn event(self) -> String {
        match self {
            Thread::Vcpu(number) => format!("cputune.vcpupin{number}"),
            Thread::Emulator => "cputune.emulatorpin".to_owned(),
            Thread::Io(number) => format!("cputune.iothreadpin{number}"),
        }
    }

    /// Refuses a thread that a definition does not have.
    fn check(self, draft: &Draft, live: bool) -> Result<()> {
        let head = &draft.head;
        match self {
            Thread::Vcpu(number) if number >= head.vcpus.maximum && live => {
                refuse!(invalid_arg, "vcpu {number} is out of range of live cpu count {}", head.vcpus.maximum)
            }
            Thread::Vcpu(number) if number >= head.vcpus.maximum => refuse!(
                invalid_arg,
                "vcpu {number} is out of range of persistent cpu count {}",
                head.vcpus.current
            ),
            Thread::Io(number) if !has_iothread(draft, number) && live => {
                refuse!(invalid_arg, "iothread {number} not found")
            }
            Thread::Io(number) if !has_iothread(draft, number) => {
                refuse!(invalid_arg, "iothreadid {number} not found")
            }
            _ => Ok(()),
        }
    }

    fn write(self, draft: &mut Draft, processors: &IdSet) {
        let tune = &mut draft.head.cputune;
        match self {
            Thread::Vcpu(number) => drop(tune.vcpupin.insert(number, processors.clone())),
            Thread::Emulator => tune.emulatorpin = Some(processors.clone()),
            Thread::Io(number) => drop(tune.iothreadpin.insert(number, processors.clone())),
        }
    }

    /// What a definition says of it; `None`: it may run anywhere.
    pub fn read(self, domain: &Domain) -> Option<IdSet> {
        let head = &domain.head;
        let own = match self {
            Thread::Vcpu(number) => head.cputune.vcpupin.get(&number),
            Thread::Emulator => head.cputune.emulatorpin.as_ref(),
            Thread::Io(number) => head.cputune.iothreadpin.get(&number),
        };
        own.or(head.vcpus.cpuset.as_ref()).cloned()
    }
}

fn has_iothread(draft: &Draft, number: u32) -> bool {
    draft.head.iothreads.threads.iter().any(|thread| thread.id == number)
}

impl Engine {
    /// Binds a thread to processors of the host.
    pub async fn pin(&self, guest: &Arc<Guest>, thread: Thread, processors: IdSet, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainPin").await?;
        let view = guest.view();
        let targets = Targets::of(flags, &view)?;
        if processors.is_empty() {
            refuse!(invalid_arg, "Empty cpu list for pinning");
        }
        if let Some(inactive) = view.inactive.as_ref().filter(|_| targets.config) {
            thread.check(inactive.get(&self.setting(None))?.domain(), false)?;
        }
        if targets.live {
            let live = view.live.clone().ok_or_else(not_running)?;
            thread.check(live.domain(), true)?;
            let number = self.thread_of(guest, thread).await?;
            set_affinity(number, &processors)?;
        }
        self.edit(guest, targets, |draft| {
            thread.write(draft, &processors);
            Ok(())
        })
        .await?;
        if targets.live {
            let param = Param::new(thread.event(), processors.to_string());
            self.tell(&guest.view(), What::Tunable(vec![param]));
        }
        Ok(())
    }

    /// The number of a thread in the kernel.
    async fn thread_of(&self, guest: &Arc<Guest>, thread: Thread) -> Result<u32> {
        let link = guest.link()?;
        match thread {
            Thread::Emulator => Ok(link.process.pid()),
            Thread::Vcpu(number) => {
                let known = guest.look(|state| {
                    let vcpus = &state.record.as_ref()?.vcpus;
                    vcpus.iter().find(|(of, _)| *of == number).map(|(_, thread)| *thread)
                });
                known.ok_or_else(|| Error::operation_invalid("cpu affinity is not supported"))
            }
            Thread::Io(number) => {
                let answer = link.monitor.command("query-iothreads", None).await;
                let answer = answer.map_err(|error| error.of_guest(&guest.view().name))?;
                let name = json!(format!("iothread{number}"));
                let all = answer.as_array().map(Vec::as_slice).unwrap_or_default();
                let found = all.iter().find(|thread| thread.get("id") == Some(&name));
                let thread = found.and_then(|thread| thread.get("thread-id")).and_then(Json::as_u64);
                let thread = thread.and_then(|thread| u32::try_from(thread).ok());
                thread.ok_or_else(|| Error::invalid_arg(format!("iothread {number} not found")))
            }
        }
    }
}
