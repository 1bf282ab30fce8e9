//! vCPUs: what `query-cpus-fast` says of those that are there and `query-hotpluggable-cpus` of
//! those that can be.
//!
//! A unit of hot plug can stand for several vCPUs (a core of POWER has its threads in it): the
//! first of them carries what is known of the unit.

use ostler_base::{Error, Json, Result};

use super::{entries, number, text};

/// QOM paths of devices that were plugged, or made by `-device`, begin with this.
const PERIPHERAL: &str = "/machine/peripheral/";
/// What follows the path of a unit in that of one of its vCPUs.
const THREAD: &str = "/thread";

/// Where in the machine's topology a unit of hot plug is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// NUMA node, if it is bound to one.
    pub node: Option<u32>,
    /// Socket.
    pub socket: Option<u32>,
    /// Die in the socket.
    pub die: Option<u32>,
    /// Cluster in the die.
    pub cluster: Option<u32>,
    /// Core in the cluster.
    pub core: Option<u32>,
    /// Thread in the core.
    pub thread: Option<u32>,
}

/// A unit of hot plug: an entry of `query-hotpluggable-cpus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The driver that makes one.
    pub driver: String,
    /// How many vCPUs are in it; never 0.
    pub vcpus: u32,
    /// Where it is.
    pub place: Place,
    /// Its properties as the emulator wrote them, to be given back when it is plugged.
    pub props: Json,
    /// Its object, if it is there.
    pub qom_path: Option<String>,
}

/// A vCPU that is there: an entry of `query-cpus-fast`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The emulator's number for it.
    pub index: u32,
    /// The thread that runs it; 0 where no thread of its own does.
    pub thread_id: u32,
    /// Its object.
    pub qom_path: Option<String>,
    /// Whether its architecture says that it stands still.
    pub halted: bool,
}

/// A vCPU of the domain, there or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vcpu {
    /// Whether it is there.
    pub online: bool,
    /// Whether it can be taken away, or plugged.
    pub hotpluggable: bool,
    /// The thread that runs it.
    pub thread_id: Option<u32>,
    /// The emulator's number for it.
    pub index: Option<u32>,
    /// Whether it stands still.
    pub halted: bool,
    /// The first of a unit: the turn in which the unit was plugged, from 1, if it is there.
    pub order: Option<u32>,
    /// The first of a unit: the unit.
    pub unit: Option<Unit>,
}

impl Unit {
    /// The alias that it was plugged under.
    pub fn alias(&self) -> Option<&str> {
        self.qom_path.as_deref()?.strip_prefix(PERIPHERAL)
    }
}

/// Reads what `query-hotpluggable-cpus` returns, ordered by place.
pub fn read_units(reply: &Json) -> Result<Vec<Unit>> {
    let mut units = entries(reply, "query-hotpluggable-cpus")?.map(read_unit).collect::<Result<Vec<_>>>()?;
    units.sort_by_key(|unit| Place { node: None, ..unit.place });
    Ok(units)
}

fn read_unit(item: &Json) -> Result<Unit> {
    let missing =
        |key: &str| Error::internal(format!("query-hotpluggable-cpus didn't return device {key} of a CPU"));
    let props = &item["props"];
    let place = Place {
        node: number(props, "node-id"),
        socket: number(props, "socket-id"),
        die: number(props, "die-id"),
        cluster: number(props, "cluster-id"),
        core: number(props, "core-id"),
        thread: number(props, "thread-id"),
    };
    Ok(Unit {
        driver: text(item, "type").ok_or_else(|| missing("type"))?,
        vcpus: number(item, "vcpus-count").filter(|n| *n > 0).ok_or_else(|| missing("vcpus-count"))?,
        place,
        props: props.clone(),
        qom_path: text(item, "qom-path"),
    })
}

/// Reads what `query-cpus-fast` returns.
pub fn read_running(reply: &Json) -> Result<Vec<Running>> {
    entries(reply, "query-cpus-fast")?
        .map(|item| {
            let index = number(item, "cpu-index")
                .ok_or_else(|| Error::internal("query-cpus-fast reply was missing 'cpu-index'"))?;
            Ok(Running {
                index,
                thread_id: number(item, "thread-id").unwrap_or_default(),
                qom_path: text(item, "qom-path"),
                halted: matches!(item["cpu-state"].as_str(), Some("stopped" | "check-stop")),
            })
        })
        .collect()
}

/// The vCPUs of a domain with room for `most`, from both replies. Without units, or where these
/// do not add up to that room, the vCPUs that are there come first and none can be plugged.
pub fn combine(most: u32, units: &[Unit], running: &[Running]) -> Vec<Vcpu> {
    with_units(most, units, running).unwrap_or_else(|| without_units(most, running))
}

fn with_units(most: u32, units: &[Unit], running: &[Running]) -> Option<Vec<Vcpu>> {
    let total = units.iter().try_fold(0u32, |sum, unit| sum.checked_add(unit.vcpus))?;
    if units.is_empty() || total != most {
        return None;
    }
    let mut vcpus = Vec::new();
    for unit in units {
        let online = unit.qom_path.is_some();
        let member = Vcpu { online, hotpluggable: unit.alias().is_some() || !online, ..Vcpu::default() };
        vcpus.push(Vcpu { unit: Some(unit.clone()), ..member.clone() });
        vcpus.extend((1..unit.vcpus).map(|_| member.clone()));
    }
    let mut turns = 1..;
    for entry in running {
        let first = unit_of(&vcpus, entry)?;
        if vcpus[first].order.is_none() {
            vcpus[first].order = turns.next();
        }
        let members = vcpus[first].unit.as_ref().map_or(1, |unit| unit.vcpus as usize);
        let free = (first..first + members).find(|at| vcpus[*at].index.is_none())?;
        place_in(&mut vcpus[free], entry);
    }
    Some(vcpus)
}

/// The first vCPU of the unit that an entry belongs to.
fn unit_of(vcpus: &[Vcpu], entry: &Running) -> Option<usize> {
    let path = entry.qom_path.as_deref()?;
    let path = path.split_once(THREAD).map_or(path, |(unit, _)| unit);
    vcpus.iter().position(|v| v.unit.as_ref().is_some_and(|unit| unit.qom_path.as_deref() == Some(path)))
}

fn without_units(most: u32, running: &[Running]) -> Vec<Vcpu> {
    let mut vcpus: Vec<_> = (0..most).map(|_| Vcpu::default()).collect();
    for (vcpu, entry) in vcpus.iter_mut().zip(running) {
        vcpu.online = true;
        place_in(vcpu, entry);
    }
    vcpus
}

fn place_in(vcpu: &mut Vcpu, entry: &Running) {
    vcpu.index = Some(entry.index);
    vcpu.thread_id = Some(entry.thread_id).filter(|id| *id != 0);
    vcpu.halted = entry.halted;
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn cores_with_threads() {
        let units = read_units(&json!([
            {"type": "core", "vcpus-count": 2, "props": {"core-id": 8}, "qom-path": "/machine/peripheral/vcpu0"},
            {"type": "core", "vcpus-count": 2, "props": {"core-id": 16}},
            {"type": "core", "vcpus-count": 2, "props": {"core-id": 0}, "qom-path": "/machine/unattached/device[1]"},
        ]))
        .unwrap();
        let running = read_running(&json!([
            {"cpu-index": 0, "thread-id": 10, "qom-path": "/machine/unattached/device[1]/thread[0]"},
            {"cpu-index": 1, "thread-id": 11, "qom-path": "/machine/unattached/device[1]/thread[1]"},
            {"cpu-index": 8, "thread-id": 12, "qom-path": "/machine/peripheral/vcpu0/thread[0]"},
        ]))
        .unwrap();
        let vcpus = combine(6, &units, &running);
        let threads: Vec<_> = vcpus.iter().map(|v| v.thread_id).collect();
        assert_eq!(threads, [Some(10), Some(11), Some(12), None, None, None]);
        let pluggable: Vec<_> = vcpus.iter().map(|v| (v.online, v.hotpluggable)).collect();
        let (fixed, plugged, absent) = ((true, false), (true, true), (false, true));
        assert_eq!(pluggable, [fixed, fixed, plugged, plugged, absent, absent]);
        assert_eq!(vcpus[2].order, Some(2));
        assert_eq!(vcpus[2].unit.as_ref().unwrap().alias(), Some("vcpu0"));
    }

    #[test]
    fn units_that_do_not_add_up() {
        let units = read_units(&json!([{"type": "x", "vcpus-count": 1, "props": {}}])).unwrap();
        let running = read_running(&json!([{"cpu-index": 0, "thread-id": 10}])).unwrap();
        let vcpus = combine(2, &units, &running);
        assert!(vcpus[0].online && !vcpus[0].hotpluggable && !vcpus[1].online);
        assert!(read_units(&json!([{"type": "x", "vcpus-count": 0}])).is_err());
    }
}
