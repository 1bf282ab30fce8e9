//! Documents, and how they are brought in line with a guest.

use ostler_base::Result;
use ostler_plan::{Answer, Facts, FileKind, Query};

use super::backup::Backup;
use super::checkpoint::{Checkpoint, CheckpointWriteMode};
use super::snapshot::{Snapshot, SnapshotWriteMode};
use super::{Moment, Source};
use crate::devices::disk::DiskSnapshot;
use crate::{Draft, ReadMode};

const NEW: Source = Source::New { now: 1_000 };

fn guest() -> Draft {
    let disk = |name: &str, rest: &str| {
        format!("<disk type='file'>{rest}<target dev='{name}' bus='virtio'/></disk>")
    };
    let disks = [
        disk("vda", "<source file='/a/one.qcow2'/>"),
        disk("vdb", "<source file='/a.d/two'/>"),
        disk("vdc", "<source file='/a/three'/><readonly/>"),
        disk("vdd", ""),
    ];
    let text = format!(
        "<domain type='kvm'><name>g</name><memory>1</memory><os><type arch='x86_64'>hvm</type></os>\
         <devices>{}</devices></domain>",
        disks.concat()
    );
    Draft::parse(&text, &ReadMode::default()).unwrap()
}

fn snapshot(body: &str) -> Result<Snapshot> {
    let text = format!("<domainsnapshot>{body}</domainsnapshot>");
    Snapshot::parse(&text, NEW, true, &|_| unreachable!())
}

fn checkpoint(body: &str) -> Result<Checkpoint> {
    let text = format!("<domaincheckpoint>{body}</domaincheckpoint>");
    Checkpoint::parse(&text, NEW, &|_| unreachable!())
}

fn all_files(guest: &Draft, snapshot: &Snapshot) -> Facts {
    let mut facts = Facts::default();
    for query in snapshot.ask(guest) {
        assert!(matches!(query, Query::Stat(_)));
        facts.add(query, Answer::Kind(FileKind::File));
    }
    facts
}

/// What each disk does after alignment, and where it writes to.
fn aligned(body: &str, default: DiskSnapshot, uniform: bool) -> Result<Vec<String>> {
    let guest = guest();
    let mut snapshot = snapshot(&format!("<name>s</name>{body}"))?;
    let facts = all_files(&guest, &snapshot);
    snapshot.align(&guest, default, uniform, &facts)?;
    let shown = |disk: &super::snapshot::SnapshotDisk| {
        let how = disk.how.map(|how| how.to_string()).unwrap_or_default();
        format!("{} {how} {}", disk.name, disk.image.path().unwrap_or("-"))
    };
    Ok(snapshot.disks.iter().map(shown).collect())
}

#[test]
fn what_is_left_open_comes_from_the_time() {
    let snapshot = snapshot("").unwrap();
    assert_eq!(snapshot.moment.name, "1000");
    let xml = snapshot.to_xml(&SnapshotWriteMode::default());
    assert_eq!(
        xml,
        "<domainsnapshot>\n  <name>1000</name>\n  <creationTime>1000</creationTime>\n</domainsnapshot>\n"
    );
    for bad in ["a/b", ".a"] {
        assert!(self::snapshot(&format!("<name>{bad}</name>")).unwrap().check_name().is_err());
    }
}

#[test]
fn images_get_names_from_those_that_are_there() {
    assert_eq!(
        aligned("", DiskSnapshot::External, false).unwrap(),
        ["vda external /a/one.s", "vdb external /a.d/two.s", "vdc no -", "vdd no -"]
    );
    let taken = "<disks><disk name='vda'><source file='/a.d/two.s'/></disk></disks>";
    assert!(aligned(taken, DiskSnapshot::External, false).is_err());
    assert!(
        aligned("<disks><disk name='vda' type='block'/></disks>", DiskSnapshot::External, false).is_err()
    );
}

#[test]
fn disks_are_named_once_and_known() {
    let named = |names: &[&str]| {
        let disks: String = names.iter().map(|name| format!("<disk name='{name}'/>")).collect();
        aligned(&format!("<disks>{disks}</disks>"), DiskSnapshot::Internal, false)
    };
    assert_eq!(named(&["/a/one.qcow2"]).unwrap()[0], "vda internal -");
    assert!(named(&["vda", "/a/one.qcow2"]).is_err());
    assert!(named(&["vdz"]).is_err());
    assert!(named(&["vda", "vdb", "vdc", "vdd", "vde"]).is_err());
}

#[test]
fn internal_snapshots_are_of_all_disks() {
    let one = |how: &str| format!("<disks><disk name='vda' snapshot='{how}'/></disks>");
    assert!(aligned(&one("no"), DiskSnapshot::Internal, true).is_err());
    assert!(aligned(&one("no"), DiskSnapshot::Internal, false).is_ok());
    assert!(aligned(&one("no"), DiskSnapshot::External, true).is_ok());
    assert!(aligned("<disks><disk name='vdc' snapshot='no'/></disks>", DiskSnapshot::Internal, true).is_ok());
}

#[test]
fn memory() {
    for bad in [
        "<memory snapshot='external'/>",
        "<memory snapshot='internal' file='/m'/>",
        "<memory snapshot='manual'/>",
        "<memory file='m'/>",
    ] {
        assert!(snapshot(bad).is_err(), "{bad}");
    }
    let snapshot = snapshot("<memory file='/m'/>").unwrap();
    assert_eq!(snapshot.memory, Some(DiskSnapshot::External));
    assert!(snapshot.is_external());
}

#[test]
fn states_of_a_redefinition() {
    let read = |state: &str| {
        let text = format!(
            "<domainsnapshot><name>s</name><creationTime>5</creationTime><state>{state}</state></domainsnapshot>"
        );
        Snapshot::parse(&text, Source::Redefined, true, &|_| unreachable!())
    };
    let (running, paused, off) =
        (read("running").unwrap(), read("paused").unwrap(), read("shutoff").unwrap());
    assert_eq!([running.memory, off.memory], [Some(DiskSnapshot::Internal), Some(DiskSnapshot::No)]);
    let uuid = guest().uuid();
    assert!(running.check_redefinition(uuid, Some(&paused)).is_ok());
    assert!(running.check_redefinition(uuid, Some(&off)).is_err());
    assert!(off.check_redefinition(uuid, Some(&read("disk-snapshot").unwrap())).is_err());
    assert!(read("nostate").is_err());
}

#[test]
fn parents() {
    let moment = |name: &str, parent: Option<&str>| Moment {
        name: name.to_owned(),
        description: None,
        parent: parent.map(str::to_owned),
        created: 0,
        domain: None,
    };
    let known = [("b", Some("a")), ("c", Some("b")), ("x", Some("y")), ("y", Some("x"))];
    let parent = |name: &str| known.iter().find(|(known, _)| *known == name).map(|(_, parent)| *parent);
    assert!(moment("d", Some("c")).check_parent(&parent).is_ok());
    assert!(moment("a", Some("c")).check_parent(&parent).is_err());
    assert!(moment("a", Some("a")).check_parent(&parent).is_err());
    assert!(moment("d", Some("z")).check_parent(&parent).is_err());
    assert!(moment("d", Some("x")).check_parent(&parent).is_ok());
}

#[test]
fn checkpoints_are_of_disks_that_are_written_to() {
    let modes = |body: &str| {
        let mut checkpoint = checkpoint(&format!("<name>c</name>{body}"))?;
        checkpoint.align(&guest())?;
        let xml = checkpoint.to_xml(&CheckpointWriteMode::default());
        Ok::<_, ostler_base::Error>(xml.matches("bitmap='c'").count())
    };
    assert_eq!(modes(""), Ok(2));
    assert_eq!(modes("<disks><disk name='vdb'/></disks>"), Ok(1));
    assert_eq!(modes("<disks><disk name='vdb' bitmap='x'/></disks>"), Ok(0));
    for bad in [
        "<disk name='vdc'/>",
        "<disk name='vdd'/>",
        "<disk/>",
        "",
        "<disk name='vda' checkpoint='no' bitmap='b'/>",
    ] {
        assert!(modes(&format!("<disks>{bad}</disks>")).is_err(), "{bad}");
    }
    assert!(checkpoint("<name>.c</name>").is_err());
    assert!(checkpoint("<x/>").is_err());
}

#[test]
fn backups() {
    let shown = |body: &str| {
        let mut backup = Backup::parse(&format!("<domainbackup>{body}</domainbackup>"))?;
        backup.align(&guest(), "S")?;
        Ok::<_, ostler_base::Error>(backup.to_xml(false))
    };
    let all = shown("").unwrap();
    assert!(
        all.contains("<target file='/a/one.qcow2.S'/>") && all.contains("<disk name='vdc' backup='no'/>")
    );
    let since =
        shown("<incremental>c</incremental><disks><disk name='vdb' backupmode='full'/></disks>").unwrap();
    assert!(since.contains("<disk name='vda' backup='no'/>") && since.contains("backupmode='full'"));
    for bad in [
        "<disks><disk name='vda' backupmode='incremental'/></disks>",
        "<disks><disk name='vda' backupmode='full' incremental='c'/></disks>",
        "<disks><disk name='vda' exportname='x'/></disks>",
        "<disks><disk name='vda' type='network'/></disks>",
        "<disks><disk name='vdd'/></disks>",
        "<disks><disk name='vda'/><disk name='vda'/></disks>",
        "<server name='localhost'/>",
    ] {
        assert!(shown(bad).is_err(), "{bad}");
    }
    for (server, good) in [
        ("", false),
        ("<server/>", false),
        ("<server name='h' port='1'/>", true),
        ("<server transport='unix' socket='s'/>", false),
        ("<server transport='unix' socket='/s'/>", true),
        ("<server transport='fd' fdgroup='g'/>", true),
    ] {
        let text = format!("<domainbackup mode='pull'>{server}</domainbackup>");
        assert_eq!(Backup::parse(&text).is_ok(), good, "{server}");
    }
}
