//! What `tc` is told about the bandwidth of a device.
//!
//! Owns: its words. Never: runs it.
//!
//! What goes to guests leaves by a class of a token bucket; what comes from them is policed where it
//! enters.

use ostler_vocab::bandwidth::{Bandwidth, Rate};

use super::firewall::{Step, Undo};
use crate::Command;

/// Whose bandwidth it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// One guest's tap.
    Port,
    /// The bridge of a network, whose ports may have classes of their own.
    Bridge,
}

fn tc(words: &[&str]) -> Command {
    Command::new("tc", words.iter().copied())
}

fn run(words: &[&str]) -> Step {
    Step::Run { command: tc(words), undo: Undo::Nothing }
}

/// The commands that put limits on a device, in order.
pub fn plan(name: &str, device: Device, bandwidth: &Bandwidth) -> Vec<Step> {
    let mut steps: Vec<Step> =
        clear(name).into_iter().map(|command| Step::Try { command, undo: Undo::Nothing }).collect();
    if let Some(rate) = bandwidth.inbound.filter(|rate| rate.average > 0) {
        steps.extend(to_guests(name, device, rate));
    }
    if let Some(rate) = bandwidth.outbound.filter(|rate| rate.average > 0) {
        steps.extend(from_guests(name, rate));
    }
    steps
}

/// The commands that take all limits off a device; those that find none fail.
pub fn clear(name: &str) -> Vec<Command> {
    vec![tc(&["qdisc", "del", "dev", name, "root"]), tc(&["qdisc", "del", "dev", name, "ingress"])]
}

fn to_guests(name: &str, device: Device, rate: Rate) -> Vec<Step> {
    let speed = |value: u64| format!("{value}kbps");
    let (default, class) = match device {
        Device::Port => ("1", "1:1"),
        Device::Bridge => ("2", "1:2"),
    };
    let mut steps =
        vec![run(&["qdisc", "add", "dev", name, "root", "handle", "1:", "htb", "default", default])];
    if device == Device::Bridge {
        let ceil = rate.peak.max(rate.average);
        let class = ["class", "add", "dev", name, "parent", "1:", "classid", "1:1", "htb"];
        let limits = ["rate".to_owned(), speed(rate.average), "ceil".to_owned(), speed(ceil)];
        let words: Vec<&str> = class.into_iter().chain(limits.iter().map(String::as_str)).collect();
        steps.push(run(&words));
    }
    let parent = if device == Device::Bridge { "1:1" } else { "1:" };
    let mut limits = vec!["rate".to_owned(), speed(rate.average)];
    if rate.peak > 0 {
        limits.extend(["ceil".to_owned(), speed(rate.peak)]);
    }
    if rate.burst > 0 {
        limits.extend(["burst".to_owned(), format!("{}kb", rate.burst)]);
    }
    let head = ["class", "add", "dev", name, "parent", parent, "classid", class, "htb"];
    let words: Vec<&str> = head.into_iter().chain(limits.iter().map(String::as_str)).collect();
    steps.push(run(&words));
    // Fairness between connections; the limits hold without it.
    let fair = tc(&["qdisc", "add", "dev", name, "parent", class, "handle", "2:", "sfq", "perturb", "10"]);
    steps.push(Step::Try { command: fair, undo: Undo::Nothing });
    steps
}

fn from_guests(name: &str, rate: Rate) -> Vec<Step> {
    let burst = if rate.burst > 0 { rate.burst } else { rate.average };
    let (speed, burst) = (format!("{}kbps", rate.average), format!("{burst}kb"));
    vec![
        run(&["qdisc", "add", "dev", name, "ingress"]),
        run(&[
            "filter", "add", "dev", name, "parent", "ffff:", "protocol", "all", "u32", "match", "u32", "0",
            "0", "police", "rate", &speed, "burst", &burst, "mtu", "64kb", "drop", "flowid", ":1",
        ]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(device: Device, inbound: Option<Rate>, outbound: Option<Rate>) -> Vec<String> {
        let steps = plan("d0", device, &Bandwidth { class_id: None, inbound, outbound });
        let command = |step: &Step| match step {
            Step::Run { command, .. } | Step::Try { command, .. } | Step::Unless { command, .. } => {
                command.to_shell()
            }
        };
        steps.iter().skip(2).map(command).collect()
    }

    #[test]
    fn both_ways() {
        let rate = Rate { average: 1000, peak: 5000, floor: 0, burst: 64 };
        assert_eq!(
            lines(Device::Port, Some(rate), Some(Rate { average: 128, ..Rate::default() })),
            [
                "tc qdisc add dev d0 root handle 1: htb default 1",
                "tc class add dev d0 parent 1: classid 1:1 htb rate 1000kbps ceil 5000kbps burst 64kb",
                "tc qdisc add dev d0 parent 1:1 handle 2: sfq perturb 10",
                "tc qdisc add dev d0 ingress",
                "tc filter add dev d0 parent ffff: protocol all u32 match u32 0 0 police rate 128kbps burst \
                 128kb mtu 64kb drop flowid :1",
            ]
        );
        assert!(lines(Device::Port, None, None).is_empty());
        assert_eq!(lines(Device::Bridge, Some(rate), None).len(), 4);
    }
}
