//! What is asked of an emulator that was just reached, and what follows for the definition of the run.
//!
//! Owns: the questions, all in one write. Never: changes a guest.

use ostler_base::{Json, json::json};
use ostler_domain::Domain;
use ostler_domain::devices::memballoon::BalloonModel;
use ostler_domain::run::RunChange;
use ostler_qmp::{Arguments, Monitor, MonitorError};

/// Characters that the identifier of a character device has before the alias of its front end.
const CHARACTERS: &str = "char";

/// What an emulator said.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Learnt {
    /// Threads of virtual CPUs: number and thread.
    pub(crate) vcpus: Vec<(u32, u32)>,
    /// Aliases of devices.
    pub(crate) devices: Vec<String>,
    /// What the definition says from now on.
    pub(crate) changes: Vec<RunChange>,
    /// The answer about what the processors do, where it was asked for.
    pub(crate) status: Option<Json>,
    /// The emulator's idea of the guest's UUID, where it was asked for.
    pub(crate) uuid: Option<String>,
}

/// How much is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It has just been started.
    Fresh,
    /// It ran while nobody looked.
    Returning,
}

/// Asks. What an emulator does not know how to answer is left out.
pub(crate) async fn learn(monitor: &Monitor, domain: &Domain, reach: Reach) -> Result<Learnt, MonitorError> {
    let mut questions: Vec<(&str, Arguments)> =
        vec![("query-cpus-fast", None), ("qom-list", Some(json!({"path": "/machine/peripheral"})))];
    if domain.has_terminals() {
        questions.push(("query-chardev", None));
    }
    if reach == Reach::Returning {
        questions.extend([("query-status", None), ("query-uuid", None), ("query-block", None)]);
        if domain.devices.memballoons.iter().any(|balloon| balloon.model != BalloonModel::None) {
            questions.push(("query-balloon", None));
        }
    }
    let answers = monitor.batch(&questions).await;
    let mut learnt = Learnt::default();
    for ((question, _), answer) in questions.iter().zip(answers) {
        match answer {
            Ok(answer) => learnt.take(question, &answer),
            Err(MonitorError::Qemu { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(learnt)
}

fn list(answer: &Json) -> impl Iterator<Item = &Json> {
    answer.as_array().into_iter().flatten()
}

fn word<'a>(object: &'a Json, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Json::as_str)
}

impl Learnt {
    fn take(&mut self, question: &str, answer: &Json) {
        match question {
            "query-cpus-fast" => {
                let number = |cpu: &Json, name: &str| {
                    cpu.get(name).and_then(Json::as_u64).and_then(|value| u32::try_from(value).ok())
                };
                let threads = list(answer).filter_map(|cpu| {
                    Some((number(cpu, "cpu-index")?, number(cpu, "thread-id").filter(|thread| *thread > 0)?))
                });
                self.vcpus = threads.collect();
                self.vcpus.sort_unstable();
            }
            "qom-list" => {
                let children =
                    list(answer).filter(|item| word(item, "type").is_some_and(|t| t.starts_with("child<")));
                self.devices = children.filter_map(|item| word(item, "name")).map(str::to_owned).collect();
            }
            "query-chardev" => self.take_terminals(answer),
            "query-status" => self.status = Some(answer.clone()),
            "query-uuid" => self.uuid = word(answer, "UUID").map(str::to_owned),
            "query-block" => {
                for drive in list(answer).filter(|drive| drive.get("tray_open").is_some()) {
                    let open = drive.get("tray_open").and_then(Json::as_bool).unwrap_or_default();
                    let alias = word(drive, "qdev").and_then(|name| name.rsplit('/').next());
                    self.changes.extend(alias.map(|alias| RunChange::Tray { alias: alias.to_owned(), open }));
                }
            }
            "query-balloon" => {
                let actual = answer.get("actual").and_then(Json::as_u64);
                self.changes.extend(actual.map(|bytes| RunChange::Memory(bytes / 1024)));
            }
            _ => {}
        }
    }

    fn take_terminals(&mut self, answer: &Json) {
        for device in list(answer) {
            let Some(alias) = word(device, "label").and_then(|label| label.strip_prefix(CHARACTERS)) else {
                continue;
            };
            let path = word(device, "filename").and_then(|name| name.strip_prefix("pty:"));
            self.changes.extend(
                path.map(|path| RunChange::Terminal { alias: alias.to_owned(), path: path.to_owned() }),
            );
            // Only channels have a state; whoever has none passes over it.
            let open = device.get("frontend-open").and_then(Json::as_bool);
            self.changes.extend(open.map(|open| RunChange::Channel { alias: alias.to_owned(), open }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_and_what_is_not() {
        let mut learnt = Learnt::default();
        learnt.take(
            "query-cpus-fast",
            &json!([{"cpu-index": 1, "thread-id": 11}, {"cpu-index": 0, "thread-id": 10}, {"cpu-index": -1}]),
        );
        learnt.take(
            "qom-list",
            &json!([{"name": "type", "type": "string"}, {"name": "a", "type": "child<b>"}]),
        );
        learnt.take(
            "query-chardev",
            &json!([{"label": "charserial0", "filename": "pty:/dev/pts/3", "frontend-open": true},
                    {"label": "compat_monitor0", "filename": "x"}, {"label": "charchannel0", "frontend-open": false}]),
        );
        learnt.take("query-block", &json!([{"qdev": "/machine/peripheral/ide0-0-0", "tray_open": true}, {}]));
        learnt.take("query-balloon", &json!({"actual": 4096}));
        assert_eq!(learnt.vcpus, [(0, 10), (1, 11)]);
        assert_eq!(learnt.devices, ["a"]);
        assert_eq!(
            learnt.changes,
            [
                RunChange::Terminal { alias: "serial0".into(), path: "/dev/pts/3".into() },
                RunChange::Channel { alias: "serial0".into(), open: true },
                RunChange::Channel { alias: "channel0".into(), open: false },
                RunChange::Tray { alias: "ide0-0-0".into(), open: true },
                RunChange::Memory(4),
            ]
        );
    }
}
