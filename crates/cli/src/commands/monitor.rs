//! Commands that look at domains.
//!
//! Owns: `dominfo`, `dommemstat`, `domstate`, `list`. Never: changes anything.

use std::cmp::Ordering;

use ostler_base::{Code, Json};
use ostler_rpc::programs::remote::procedures::{
    ConnectListAllDomains, DomainGetAutostart, DomainGetAutostartOnce, DomainGetInfo, DomainGetMessages,
    DomainGetMetadata, DomainGetOsType, DomainGetSecurityLabel, DomainGetState, DomainHasManagedSaveImage,
    DomainIsPersistent, DomainMemoryStats, NodeGetSecurityModel,
};
use ostler_rpc::programs::remote::{
    ConnectListAllDomainsArgs, DomainGetAutostartArgs, DomainGetAutostartOnceArgs, DomainGetInfoArgs,
    DomainGetInfoRet, DomainGetMessagesArgs, DomainGetMetadataArgs, DomainGetOsTypeArgs,
    DomainGetSecurityLabelArgs, DomainGetStateArgs, DomainHasManagedSaveImageArgs, DomainIsPersistentArgs,
    DomainMemoryStatsArgs, DomainRef,
};

use super::domain;
use crate::arguments::Arguments;
use crate::failure::{Failure, OrSay};
use crate::output::{Facts, Table};
use crate::session::Session;
use crate::table::{Command, DOMAIN, Group, flag};

pub(super) const GROUP: Group = Group {
    title: "Domain Monitoring",
    keyword: "monitor",
    commands: &[DOMINFO, DOMMEMSTAT, DOMSTATE, LIST],
};

const DOMINFO: Command = Command {
    name: "dominfo",
    summary: "domain information",
    description: "Returns basic information about the domain.",
    options: &[DOMAIN],
    connects: true,
    run: dominfo,
};

const DOMMEMSTAT: Command = Command {
    name: "dommemstat",
    summary: "get memory statistics for a domain",
    description: "Get memory statistics for a running domain.",
    options: &[DOMAIN],
    connects: true,
    run: dommemstat,
};

const DOMSTATE: Command = Command {
    name: "domstate",
    summary: "domain state",
    description: "Returns state about a domain.",
    options: &[DOMAIN, flag("reason", "also print reason for the state")],
    connects: true,
    run: domstate,
};

const LIST: Command = Command {
    name: "list",
    summary: "list domains",
    description: "Returns list of domains.",
    options: &[
        flag("inactive", "list inactive domains"),
        flag("all", "list inactive & active domains"),
        flag("transient", "list transient domains"),
        flag("persistent", "list persistent domains"),
        flag("with-snapshot", "list domains with existing snapshot"),
        flag("without-snapshot", "list domains without a snapshot"),
        flag("with-checkpoint", "list domains with existing checkpoint"),
        flag("without-checkpoint", "list domains without a checkpoint"),
        flag("state-running", "list domains in running state"),
        flag("state-paused", "list domains in paused state"),
        flag("state-shutoff", "list domains in shutoff state"),
        flag("state-other", "list domains in other states"),
        flag("autostart", "list domains with autostart enabled"),
        flag("no-autostart", "list domains with autostart disabled"),
        flag("with-managed-save", "list domains with managed save state"),
        flag("without-managed-save", "list domains without managed save"),
        flag("uuid", "list uuid's only"),
        flag("name", "list domain names only"),
        flag("id", "list domain IDs only"),
        flag("table", "list table (default)"),
        flag("managed-save", "mark inactive domains with managed save state"),
        flag("title", "show domain title"),
    ],
    connects: true,
    run: list,
};

/// The bits of the options that choose domains.
const FILTERS: &[(&str, u32)] = &[
    ("persistent", 1 << 2),
    ("transient", 1 << 3),
    ("state-running", 1 << 4),
    ("state-paused", 1 << 5),
    ("state-shutoff", 1 << 6),
    ("state-other", 1 << 7),
    ("with-managed-save", 1 << 8),
    ("without-managed-save", 1 << 9),
    ("autostart", 1 << 10),
    ("no-autostart", 1 << 11),
    ("with-snapshot", 1 << 12),
    ("without-snapshot", 1 << 13),
    ("with-checkpoint", 1 << 14),
    ("without-checkpoint", 1 << 15),
];
const ACTIVE: u32 = 1;
const INACTIVE: u32 = 2;

/// States by number: the name, and the names of the reasons.
const STATES: &[(&str, &[&str])] = &[
    ("no state", &[]),
    (
        "running",
        &[
            "unknown",
            "booted",
            "migrated",
            "restored",
            "from snapshot",
            "unpaused",
            "migration canceled",
            "save canceled",
            "event wakeup",
            "crashed",
            "post-copy",
            "post-copy failed",
        ],
    ),
    ("idle", &[]),
    (
        "paused",
        &[
            "unknown",
            "user",
            "migrating",
            "saving",
            "dumping",
            "I/O error",
            "watchdog",
            "from snapshot",
            "shutting down",
            "creating snapshot",
            "crashed",
            "starting up",
            "post-copy",
            "post-copy failed",
            "api error",
        ],
    ),
    ("in shutdown", &["unknown", "user"]),
    (
        "shut off",
        &[
            "unknown",
            "shutdown",
            "destroyed",
            "crashed",
            "migrated",
            "saved",
            "failed",
            "from snapshot",
            "daemon",
        ],
    ),
    ("crashed", &["unknown", "panicked"]),
    ("pmsuspended", &["unknown"]),
];
const SHUT_OFF: usize = 5;

/// The names of memory statistics by number.
const MEMORY: &[&str] = &[
    "swap_in",
    "swap_out",
    "major_fault",
    "minor_fault",
    "unused",
    "available",
    "actual",
    "rss",
    "usable",
    "last_update",
    "disk_caches",
    "hugetlb_pgalloc",
    "hugetlb_pgfail",
];

fn state_name(state: usize) -> &'static str {
    STATES.get(state).map_or("no state", |(name, _)| name)
}

fn reason_name(state: usize, reason: usize) -> &'static str {
    STATES.get(state).and_then(|(_, reasons)| reasons.get(reason)).unwrap_or(&"unknown")
}

fn state(session: &mut Session, dom: &DomainRef) -> ostler_base::Result<(usize, usize)> {
    let answer = session.call::<DomainGetState>(&DomainGetStateArgs { dom: dom.clone(), flags: 0 })?;
    let number = |number: i32| usize::try_from(number).unwrap_or(0);
    Ok((number(answer.state), number(answer.reason)))
}

fn domstate(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let dom = domain(session, arguments)?;
    let (state, reason) = state(session, &dom)?;
    let name = state_name(state);
    match arguments.flag("reason") {
        true => session.print(&format!("{name} ({})\n", reason_name(state, reason))),
        false => session.print(&format!("{name}\n")),
    }
    Ok(())
}

fn dommemstat(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let dom = domain(session, arguments)?;
    let name = dom.name.clone();
    let most = u32::try_from(MEMORY.len()).unwrap_or(u32::MAX);
    let answer = session.call::<DomainMemoryStats>(&DomainMemoryStatsArgs { dom, max_stats: most, flags: 0 });
    let stats = answer.or_say(|| format!("Failed to get memory statistics for domain {name}"))?.stats.0;
    for stat in stats {
        let label = usize::try_from(stat.tag).ok().and_then(|tag| MEMORY.get(tag));
        if let Some(label) = label {
            session.print(&format!("{label} {}\n", stat.val));
        }
    }
    Ok(())
}

fn dominfo(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let dom = domain(session, arguments)?;
    let mut pairs = vec![
        ("Id:", id(&dom).map_or("-".to_owned(), |id| id.to_string())),
        ("Name:", dom.name.clone()),
        ("UUID:", dom.uuid.to_string()),
    ];
    if let Ok(answer) = session.call::<DomainGetOsType>(&DomainGetOsTypeArgs { dom: dom.clone() }) {
        pairs.push(("OS Type:", answer.kind));
    }
    let info = session.call::<DomainGetInfo>(&DomainGetInfoArgs { dom: dom.clone() })?;
    pairs.extend(sizes(&info));
    pairs.extend(settings(session, &dom)?);
    pairs.extend(security(session, &dom));
    let messages = session.call::<DomainGetMessages>(&DomainGetMessagesArgs { dom, flags: 0 });
    if let Ok(messages) = messages {
        let labels = std::iter::once("Messages:").chain(std::iter::repeat(""));
        pairs.extend(labels.zip(messages.msgs.0));
    }
    session.facts(&Facts { width: 15, pairs });
    Ok(())
}

fn sizes(info: &DomainGetInfoRet) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("State:", state_name(usize::from(info.state)).to_owned()),
        ("CPU(s):", info.nr_virt_cpu.to_string()),
    ];
    if info.cpu_time != 0 {
        // Tenths of a second are all that is shown.
        let tenths = (info.cpu_time.saturating_add(50_000_000)) / 100_000_000;
        pairs.push(("CPU time:", format!("{}.{}s", tenths / 10, tenths % 10)));
    }
    pairs.push(match info.max_mem {
        u64::MAX => ("Max memory:", "no limit".to_owned()),
        size => ("Max memory:", format!("{size} KiB")),
    });
    pairs.push(("Used memory:", format!("{} KiB", info.memory)));
    pairs
}

fn settings(session: &mut Session, dom: &DomainRef) -> Result<Vec<(&'static str, String)>, Failure> {
    let dom = || dom.clone();
    let said = |yes: i32, words: [&str; 2]| words[usize::from(yes != 0)].to_owned();
    let mut pairs = Vec::new();
    let persistent = session.call::<DomainIsPersistent>(&DomainIsPersistentArgs { dom: dom() });
    let persistent = persistent.map_or("unknown".to_owned(), |answer| said(answer.persistent, ["no", "yes"]));
    pairs.push(("Persistent:", persistent));
    let automatic = ["disable", "enable"];
    if let Ok(answer) = session.call::<DomainGetAutostart>(&DomainGetAutostartArgs { dom: dom() }) {
        pairs.push(("Autostart:", said(answer.autostart, automatic)));
    }
    if let Ok(answer) = session.call::<DomainGetAutostartOnce>(&DomainGetAutostartOnceArgs { dom: dom() }) {
        pairs.push(("Autostart Once:", said(answer.autostart, automatic)));
    }
    let saved = session
        .call::<DomainHasManagedSaveImage>(&DomainHasManagedSaveImageArgs { dom: dom(), flags: 0 })
        .map_or("unknown".to_owned(), |answer| said(answer.result, ["no", "yes"]));
    pairs.push(("Managed save:", saved));
    Ok(pairs)
}

fn security(session: &mut Session, dom: &DomainRef) -> Vec<(&'static str, String)> {
    let text = |bytes: &[u8]| {
        let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let Ok(model) = session.call::<NodeGetSecurityModel>(&()) else {
        return Vec::new();
    };
    if text(&model.model.0).is_empty() {
        return Vec::new();
    }
    let mut pairs = vec![("Security model:", text(&model.model.0)), ("Security DOI:", text(&model.doi.0))];
    let label = session.call::<DomainGetSecurityLabel>(&DomainGetSecurityLabelArgs { dom: dom.clone() });
    if let Ok(label) = label
        && !text(&label.label.0).is_empty()
    {
        let mode = if label.enforcing != 0 { "enforcing" } else { "permissive" };
        pairs.push(("Security label:", format!("{} ({mode})", text(&label.label.0))));
    }
    pairs
}

/// The number of a domain that runs.
pub(super) fn id(dom: &DomainRef) -> Option<i32> {
    Some(dom.id).filter(|id| *id >= 0)
}

/// Running domains by their numbers, then the others by name.
fn order(a: &DomainRef, b: &DomainRef) -> Ordering {
    match (id(a), id(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.name.to_lowercase().cmp(&b.name.to_lowercase()),
    }
}

fn list(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    for only in ["name", "uuid", "id"] {
        arguments.exclude("table", only)?;
    }
    let states = match (arguments.flag("all"), arguments.flag("inactive")) {
        (true, _) => ACTIVE | INACTIVE,
        (false, true) => INACTIVE,
        (false, false) => ACTIVE,
    };
    let flags = arguments.bits(FILTERS) | states;
    let answer = session.call::<ConnectListAllDomains>(&ConnectListAllDomainsArgs { need_results: 1, flags });
    let mut domains = answer.or_say(|| "Failed to list domains".to_owned())?.domains.0;
    domains.sort_by(order);
    let only = |name| arguments.flag(name);
    match only("name") || only("uuid") || only("id") {
        true => list_words(session, arguments, &domains),
        false => list_table(session, arguments, &domains)?,
    }
    Ok(())
}

fn list_words(session: &Session, arguments: &Arguments<'_>, domains: &[DomainRef]) {
    let [uuid, id_too, name] = ["uuid", "id", "name"].map(|option| arguments.flag(option));
    let mut table = Table { columns: Vec::new(), rows: Vec::new() };
    for (wanted, column) in [(uuid, "UUID"), (id_too, "Id"), (name, "Name")] {
        if wanted {
            table.columns.push(column);
        }
    }
    for dom in domains {
        if !uuid && !name && id(dom).is_none() {
            continue;
        }
        let mut row: Vec<Json> = Vec::new();
        row.extend(uuid.then(|| dom.uuid.to_string().into()));
        row.extend(id_too.then(|| id(dom).into()));
        row.extend(name.then(|| dom.name.clone().into()));
        table.rows.push(row);
    }
    session.words(&table);
}

fn list_table(
    session: &mut Session,
    arguments: &Arguments<'_>,
    domains: &[DomainRef],
) -> Result<(), Failure> {
    let title_too = arguments.flag("title");
    let mut table = Table { columns: vec!["Id", "Name", "State"], rows: Vec::new() };
    if title_too {
        table.columns.push("Title");
    }
    for dom in domains {
        // One that went away in the meantime has no state.
        let number = state(session, dom).map_or(0, |(state, _)| state);
        let saved = number == SHUT_OFF && arguments.flag("managed-save") && saved(session, dom);
        let state = if saved { "saved" } else { state_name(number) };
        let mut row = vec![id(dom).into(), dom.name.clone().into(), state.into()];
        if title_too {
            row.push(title(session, dom)?.into());
        }
        table.rows.push(row);
    }
    session.table(&table);
    Ok(())
}

fn saved(session: &mut Session, dom: &DomainRef) -> bool {
    let args = DomainHasManagedSaveImageArgs { dom: dom.clone(), flags: 0 };
    session.call::<DomainHasManagedSaveImage>(&args).is_ok_and(|answer| answer.result != 0)
}

fn title(session: &mut Session, dom: &DomainRef) -> ostler_base::Result<String> {
    const TITLE: i32 = 1;
    let args = DomainGetMetadataArgs { dom: dom.clone(), kind: TITLE, uri: None, flags: 0 };
    match session.call::<DomainGetMetadata>(&args) {
        Err(error) if error.code() == Code::NoDomainMetadata => Ok(String::new()),
        answer => answer.map(|answer| answer.metadata),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::Uuid;

    #[test]
    fn domains_in_order() {
        let dom = |id, name: &str| DomainRef { name: name.to_owned(), uuid: Uuid::default(), id };
        let mut all = [dom(-1, "b"), dom(10, "x"), dom(-1, "A"), dom(9, "y")];
        all.sort_by(order);
        assert_eq!(all.map(|dom| dom.name), ["y", "x", "A", "b"]);
    }

    #[test]
    fn words_for_numbers() {
        assert_eq!((state_name(3), reason_name(3, 1)), ("paused", "user"));
        assert_eq!((state_name(99), reason_name(99, 0)), ("no state", "unknown"));
        assert_eq!(reason_name(5, 99), "unknown");
    }
}
