//! The parts of the capabilities documents that no conformance case shows.

use std::fs::read_to_string;

use ostler_base::{Arch, Json, Uuid};
use ostler_caps::emulator::{ProbeHost, Recording};
use ostler_caps::guest_caps::{self, Machines};
use ostler_caps::host_caps::{
    FILES, HostCaps, Migration, NodeMemory, Resctrl, SecurityModel, Suspend, Topology, Tree, document,
    node_memory,
};

use crate::shared;

/// Whether a path is one of the patterns of [`FILES`].
fn is_wanted(path: &str) -> bool {
    FILES.iter().any(|pattern| {
        let (mut parts, mut names) = (pattern.split('/'), path.split('/'));
        parts.by_ref().zip(names.by_ref()).all(|(part, name)| match part.split_once('*') {
            Some((before, after)) => name.starts_with(before) && name.ends_with(after),
            None => part == name,
        }) && pattern.split('/').count() == path.split('/').count()
    })
}

#[test]
fn the_named_files_are_all_that_is_looked_at() {
    let Some(folder) = shared("corpus/capabilities") else { return };
    for name in ["basic", "caches", "hmat", "resctrl", "resctrl-cdp", "resctrl-mba_MBps"] {
        let text = read_to_string(folder.join(format!("sysfs-{name}.json"))).unwrap();
        let files: Vec<(String, String)> = serde_json::from_str::<ostler_base::JsonMap>(&text)
            .unwrap()
            .into_iter()
            .map(|(path, text)| (path, Json::as_str(&text).unwrap_or_default().to_owned()))
            .collect();
        let made = |tree: &Tree| {
            let mut host = HostCaps::new(Arch::X86_64);
            host.topology = Topology::read(tree, |node| node_memory(tree, node, 4));
            host.resctrl = Resctrl::read(tree);
            document(&host, [])
        };
        let all: Tree = files.iter().cloned().collect();
        let wanted: Tree = files.into_iter().filter(|(path, _)| is_wanted(path)).collect();
        assert_eq!(made(&wanted), made(&all), "{name}");
    }
}

fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn memory_of_a_node() {
    let tree = tree(&[
        ("system/node/online", "0,2\n"),
        ("system/node/node2/meminfo", "Node 2 MemTotal:       4194304 kB\nNode 2 MemFree:  1 kB\n"),
        ("system/node/node2/hugepages/hugepages-2048kB/nr_hugepages", "512\n"),
        ("system/node/node2/hugepages/hugepages-1048576kB/nr_hugepages", "1\n"),
        ("system/node/node2/distance", "21 10\n"),
    ]);
    let expected = NodeMemory {
        total: 4_194_304,
        pages: vec![(4, 524_288), (2048, 512), (1_048_576, 1)],
        distances: vec![(0, 21), (2, 10)],
    };
    assert_eq!(node_memory(&tree, 2, 4), expected);
    assert_eq!(node_memory(&tree, 0, 4).total, 0);
}

#[test]
fn a_whole_host() {
    let mut host = HostCaps::new(Arch::X86_64);
    host.uuid = Uuid::parse("694d5310-3914-4ea6-8bcb-e5664fcd8a5a");
    host.page_sizes = vec![4, 2048];
    host.suspend = vec![Suspend::Mem];
    host.migration = Some(Migration { live: true, transports: vec!["tcp".to_owned()] });
    host.security = vec![SecurityModel {
        model: "dac".to_owned(),
        doi: "0".to_owned(),
        base_labels: vec![("kvm".to_owned(), "+1:+1".to_owned())],
    }];
    let expected = "<capabilities>

  <host>
    <uuid>694d5310-3914-4ea6-8bcb-e5664fcd8a5a</uuid>
    <cpu>
      <arch>x86_64</arch>
      <pages unit='KiB' size='4'/>
      <pages unit='KiB' size='2048'/>
    </cpu>
    <power_management>
      <suspend_mem/>
    </power_management>
    <iommu support='no'/>
    <migration_features>
      <live/>
      <uri_transports>
        <uri_transport>tcp</uri_transport>
      </uri_transports>
    </migration_features>
    <secmodel>
      <model>dac</model>
      <doi>0</doi>
      <baselabel type='kvm'>+1:+1</baselabel>
    </secmodel>
  </host>

</capabilities>
";
    assert_eq!(document(&host, []), expected);
}

#[test]
fn machine_types_of_a_guest() {
    let Some(folder) = shared("corpus/emulators") else { return };
    let text = read_to_string(folder.join("caps_10.0.0_x86_64.replies")).unwrap();
    let emulator = Recording::read(&text).unwrap().probe("/q", ProbeHost::default()).unwrap();
    let xml = guest_caps::el(&emulator, Arch::I686, Machines::Listed).to_xml();
    for line in [
        "<machine maxCpus='255'>pc-i440fx-10.0</machine>",
        "<machine canonical='pc-i440fx-10.0' maxCpus='255'>pc</machine>",
        "<machine maxCpus='288' deprecated='yes'>pc-q35-5.2</machine>",
        "<wordsize>32</wordsize>",
        "<pae/>",
    ] {
        assert!(xml.contains(line), "{line}");
    }
}
