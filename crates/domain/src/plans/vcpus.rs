//! Virtual CPUs that come and go: in a definition, and while a guest runs.
//!
//! Owns: which units of hot plug are meant, the commands for each. Never: talks to an emulator.

use ostler_base::{IdSet, Json, Result, refuse};
use ostler_caps::replies::vcpus::Vcpu as Known;
use ostler_plan::Command;

use crate::sections::vcpu::Vcpu;
use crate::{Domain, Draft};

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// So many of them are there.
    Count(u32),
    /// These are there, or not.
    Each(IdSet, bool),
}

/// One unit of hot plug that comes or goes. Before the next one what is there has to be asked anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The command.
    pub command: Command,
    /// Its identifier in the emulator.
    pub alias: String,
    /// It goes: the guest has to let go of it.
    pub away: bool,
}

/// The steps that make a guest that runs as it is wanted, by what the emulator says of its vCPUs.
pub fn live(known: &[Known], wish: &Wish) -> Result<Vec<Step>> {
    let (units, on) = match wish {
        Wish::Count(count) => counted(known, *count)?,
        Wish::Each(ids, on) => (chosen(known, ids, *on)?, *on),
    };
    units.into_iter().map(|at| step(known, at, on)).collect()
}

fn step(known: &[Known], at: usize, on: bool) -> Result<Step> {
    let Some(unit) = known.get(at).and_then(|vcpu| vcpu.unit.as_ref()) else {
        refuse!(internal, "vCPU {at} is no unit of hot plug");
    };
    if !on {
        let Some(alias) = unit.alias() else {
            refuse!(operation_unsupported, "vcpu '{at}' can't be unplugged");
        };
        let command = Command::new("device_del", ostler_plan::json_args("id", alias));
        return Ok(Step { command, alias: alias.to_owned(), away: true });
    }
    let alias = format!("vcpu{at}");
    let mut arguments = match &unit.props {
        Json::Object(props) => props.clone(),
        _ => ostler_base::JsonMap::new(),
    };
    arguments.insert("driver".to_owned(), unit.driver.as_str().into());
    arguments.insert("id".to_owned(), alias.as_str().into());
    Ok(Step { command: Command::new("device_add", Json::Object(arguments)), alias, away: false })
}

/// The units that have to come or go for a number of vCPUs: the first that are not there come, the
/// last that can be taken go.
fn counted(known: &[Known], count: u32) -> Result<(Vec<usize>, bool)> {
    let most = known.len();
    if usize::try_from(count).is_ok_and(|count| count > most) {
        refuse!(
            invalid_arg,
            "requested vcpus is greater than max allowable vcpus for the live domain: {count} > {most}"
        );
    }
    let online = known.iter().filter(|vcpu| vcpu.online).count();
    let mut current = u32::try_from(online).unwrap_or(u32::MAX);
    let on = count > current;
    let mut units = Vec::new();
    let mut candidates: Vec<(usize, u32)> = known
        .iter()
        .enumerate()
        .filter(|(_, vcpu)| vcpu.online != on && vcpu.hotpluggable)
        .filter_map(|(at, vcpu)| Some((at, vcpu.unit.as_ref()?.vcpus)))
        .collect();
    if !on {
        candidates.reverse();
    }
    for (at, members) in candidates {
        if current == count {
            break;
        }
        let next = if on { current.checked_add(members) } else { current.checked_sub(members) };
        match next.filter(|next| if on { *next <= count } else { *next >= count }) {
            Some(next) => {
                current = next;
                units.push(at);
            }
            None => break,
        }
    }
    if current != count {
        refuse!(
            unsupported,
            "failed to find appropriate hotpluggable vcpus to reach the desired target vcpu count"
        );
    }
    Ok((units, on))
}

/// The one unit that vCPUs by their numbers make.
fn chosen(known: &[Known], ids: &IdSet, on: bool) -> Result<Vec<usize>> {
    let numbers: Vec<usize> = ids.iter().filter_map(|id| usize::try_from(id).ok()).collect();
    if let Some(id) = numbers.iter().find(|id| **id >= known.len()) {
        refuse!(invalid_arg, "vcpu '{id}' is not present in the domain");
    }
    let mut units = Vec::new();
    let mut covered = 0;
    for (at, vcpu) in known.iter().enumerate() {
        let Some(unit) = &vcpu.unit else { continue };
        let members: Vec<usize> = (at..at.saturating_add(unit.vcpus as usize)).collect();
        let taken = members.iter().filter(|member| numbers.contains(member)).count();
        if taken == 0 {
            continue;
        }
        if taken != members.len() {
            refuse!(
                invalid_arg,
                "vcpu '{at}' belongs to a larger hotpluggable entity, but siblings were not selected"
            );
        }
        if vcpu.online == on {
            refuse!(invalid_arg, "vcpu '{at}' is already in requested state");
        }
        if !vcpu.hotpluggable {
            refuse!(operation_unsupported, "vcpu '{at}' can't be unplugged");
        }
        covered += taken;
        units.push(at);
    }
    if covered != numbers.len() {
        refuse!(unsupported, "the vcpus that are meant can't be hotplugged");
    }
    match units.len() {
        0 => refuse!(invalid_arg, "no vcpus selected for modification"),
        1 => Ok(units),
        _ => refuse!(invalid_arg, "only one hotpluggable entity can be selected"),
    }
}

/// The guest as the emulator says it is.
pub fn learnt(guest: &Domain, known: &[Known]) -> Domain {
    let mut draft = guest.clone().into_draft();
    let mut order = None;
    let mut rest = 0;
    let mut each = Vec::new();
    for vcpu in known {
        if let Some(unit) = &vcpu.unit {
            (order, rest) = (vcpu.order, unit.vcpus);
        }
        let turn = if rest > 0 { order } else { None };
        rest = rest.saturating_sub(1);
        each.push(Vcpu { enabled: vcpu.online, hotpluggable: vcpu.hotpluggable, order: turn });
    }
    set(&mut draft, each);
    Domain::of_run(draft)
}

/// Changes a definition.
pub fn stored(draft: &mut Draft, wish: &Wish, hotpluggable: bool) -> Result<()> {
    let vcpus = &draft.head.vcpus;
    let individual = !vcpus.each.is_empty() || hotpluggable || matches!(wish, Wish::Each(..));
    let mut each: Vec<Vcpu> = if vcpus.each.is_empty() {
        let vcpu = |id| Vcpu { enabled: id < vcpus.current, hotpluggable: id >= vcpus.current, order: None };
        (0..vcpus.maximum).map(vcpu).collect()
    } else {
        // The order may not hold any more.
        vcpus.each.iter().map(|vcpu| Vcpu { order: None, ..*vcpu }).collect()
    };
    match wish {
        Wish::Count(count) => {
            let most = vcpus.maximum;
            if *count > most {
                refuse!(
                    invalid_arg,
                    "requested vcpus is greater than max allowable vcpus for the persistent domain: {count} > {most}"
                );
            }
            if *count == 0 {
                refuse!(invalid_arg, "number of vCPUs must be greater than 0");
            }
            let missing = |each: &[Vcpu]| {
                i64::from(*count)
                    - i64::try_from(each.iter().filter(|v| v.enabled).count()).unwrap_or(i64::MAX)
            };
            for at in 0..each.len() {
                if missing(&each) > 0 && !each[at].enabled {
                    each[at] = Vcpu { enabled: true, hotpluggable, order: None };
                }
            }
            for at in (0..each.len()).rev() {
                if missing(&each) < 0 && each[at].enabled {
                    each[at] = Vcpu { enabled: false, hotpluggable: true, order: None };
                }
            }
        }
        Wish::Each(ids, on) => {
            for id in ids.iter() {
                let place = usize::try_from(id).ok().and_then(|at| each.get_mut(at));
                let Some(vcpu) = place else {
                    refuse!(invalid_arg, "vcpu '{id}' is not present in the domain");
                };
                *vcpu = Vcpu { enabled: *on, hotpluggable: true, order: None };
            }
        }
    }
    if each.first().is_some_and(|first| !first.enabled) {
        refuse!(invalid_arg, "vCPU '0' must be enabled");
    }
    set(draft, each);
    if !individual {
        draft.head.vcpus.each.clear();
    }
    Ok(())
}

/// Changes how many a definition allows; those that are there stay as far as they fit.
pub fn most(draft: &mut Draft, most: u32) -> Result<()> {
    let cpu = draft.head.cpu.as_ref();
    if most == 0 {
        refuse!(invalid_arg, "number of vCPUs must be greater than 0");
    }
    if let Some(topology) = cpu.and_then(|cpu| cpu.topology.as_ref())
        && topology.vcpus() != Some(most)
    {
        refuse!(invalid_arg, "CPU topology doesn't match the desired vcpu count");
    }
    let vcpus = &mut draft.head.vcpus;
    vcpus.maximum = most;
    vcpus.current = vcpus.current.min(most);
    let fits = usize::try_from(most).unwrap_or(usize::MAX);
    if vcpus.each.len() > fits {
        vcpus.each.truncate(fits);
    } else if !vcpus.each.is_empty() {
        vcpus.each.resize(fits, Vcpu { enabled: false, hotpluggable: true, order: None });
    }
    if !vcpus.each.is_empty() {
        let enabled = vcpus.each.iter().filter(|vcpu| vcpu.enabled).count();
        vcpus.current = u32::try_from(enabled).unwrap_or(most);
    }
    Ok(())
}

fn set(draft: &mut Draft, each: Vec<Vcpu>) {
    let enabled = each.iter().filter(|vcpu| vcpu.enabled).count();
    let vcpus = &mut draft.head.vcpus;
    vcpus.current = u32::try_from(enabled).unwrap_or(vcpus.maximum);
    vcpus.each = each;
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;
    use ostler_caps::replies::vcpus::{combine, read_running, read_units};

    fn known() -> Vec<Known> {
        let units = read_units(&json!([
            {"type": "cpu", "vcpus-count": 1, "props": {"socket-id": 2}},
            {"type": "cpu", "vcpus-count": 1, "props": {"socket-id": 1}, "qom-path": "/machine/peripheral/vcpu1"},
            {"type": "cpu", "vcpus-count": 1, "props": {"socket-id": 0}, "qom-path": "/machine/unattached/device[0]"},
        ]))
        .unwrap();
        let running = read_running(&json!([
            {"cpu-index": 0, "thread-id": 1, "qom-path": "/machine/unattached/device[0]"},
            {"cpu-index": 1, "thread-id": 2, "qom-path": "/machine/peripheral/vcpu1"},
        ]))
        .unwrap();
        combine(3, &units, &running)
    }

    #[test]
    fn counts() {
        let more = live(&known(), &Wish::Count(3)).unwrap();
        assert_eq!(more[0].alias, "vcpu2");
        let expected = json!({"socket-id": 2, "driver": "cpu", "id": "vcpu2"});
        assert_eq!(more[0].command.arguments, Some(expected));
        let fewer = live(&known(), &Wish::Count(1)).unwrap();
        assert!(fewer[0].away && fewer[0].alias == "vcpu1");
        assert!(live(&known(), &Wish::Count(2)).unwrap().is_empty());
        assert!(live(&known(), &Wish::Count(0)).is_err(), "the first stays");
        assert!(live(&known(), &Wish::Count(4)).is_err());
    }

    #[test]
    fn single_ones() {
        let each = |id: u32, on| live(&known(), &Wish::Each(IdSet::from_iter([id]), on));
        assert_eq!(each(2, true).unwrap().len(), 1);
        assert!(each(1, true).is_err() && each(0, false).is_err() && each(9, true).is_err());
    }
}
