//! What is special about each kind of pool: one row each.
//!
//! Owns: the table. Never: a rule that is not in it.

use ostler_base::{Word, words};

words! {
    /// `<pool type='…'>` (`virStoragePoolType`, from 0)
    pub PoolType {
        Dir = "dir", Fs = "fs", Netfs = "netfs", Logical = "logical", Disk = "disk", Iscsi = "iscsi",
        IscsiDirect = "iscsi-direct", Scsi = "scsi", Mpath = "mpath", Rbd = "rbd", Sheepdog = "sheepdog",
        Gluster = "gluster", Zfs = "zfs", Vstorage = "vstorage"
    }

    /// `<format type='…'>` of a file system.
    pub FsFormat {
        Auto = "auto", Ext2 = "ext2", Ext3 = "ext3", Ext4 = "ext4", Ufs = "ufs", Iso9660 = "iso9660",
        Udf = "udf", Gfs = "gfs", Gfs2 = "gfs2", Vfat = "vfat", Hfsplus = "hfs+", Xfs = "xfs",
        Ocfs2 = "ocfs2", Vmfs = "vmfs"
    }

    /// `<format type='…'>` of a file system of another host.
    pub NetfsFormat { Auto = "auto", Nfs = "nfs", Glusterfs = "glusterfs", Cifs = "cifs" }

    /// `<format type='…'>` of a partition table.
    pub DiskFormat {
        Unknown = "unknown", Dos = "dos", Dvh = "dvh", Gpt = "gpt", Mac = "mac", Bsd = "bsd",
        Pc98 = "pc98", Sun = "sun", Lvm2 = "lvm2"
    }

    /// `<format type='…'>` of a volume group.
    pub LogicalFormat { Unknown = "unknown", Lvm2 = "lvm2" }

    /// `<format type='…'>` of a volume that is a file.
    pub FileFormat {
        Raw = "raw", Dir = "dir", Bochs = "bochs", Cloop = "cloop", Dmg = "dmg", Iso = "iso",
        Vpc = "vpc", Vdi = "vdi", Fat = "fat", Vhd = "vhd", Ploop = "ploop", Cow = "cow", Qcow = "qcow",
        Qcow2 = "qcow2", Qed = "qed", Vmdk = "vmdk"
    }

    /// `<format type='…'>` of a volume that is a partition.
    pub PartitionFormat {
        None = "none", Linux = "linux", Fat16 = "fat16", Fat32 = "fat32", LinuxSwap = "linux-swap",
        LinuxLvm = "linux-lvm", LinuxRaid = "linux-raid", Extended = "extended"
    }

    /// `<volume type='…'>` (`virStorageVolType`, from 0)
    pub VolumeType {
        File = "file", Block = "block", Dir = "dir", Network = "network", Netdir = "netdir",
        Ploop = "ploop"
    }
}

/// Whether a part of `<source>` has a meaning in a kind of pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// It has none, and is not written.
    No,
    /// It may be there.
    May,
    /// It must be there.
    Must,
}

/// A kind of pool.
pub(crate) struct KindRow {
    pub(crate) kind: PoolType,
    /// `<host>`
    pub(crate) host: Part,
    /// `<device>`
    pub(crate) device: Part,
    /// `<dir>`
    pub(crate) dir: Part,
    /// `<adapter>`
    pub(crate) adapter: Part,
    /// `<name>`; a pool without a name is called like it.
    pub(crate) name: Part,
    /// `<initiator>`
    pub(crate) initiator: Part,
    /// Whether it has `<target>`: its volumes have paths on this host.
    pub(crate) local: bool,
    /// Formats of the pool, and the one of a pool that says none.
    pub(crate) formats: Option<(&'static [&'static str], &'static str)>,
    /// Formats of volumes.
    pub(crate) volume_formats: VolumeFormats,
}

/// The formats that volumes of a pool can have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum VolumeFormats {
    /// They say none.
    None,
    /// Those of files; raw where none is said.
    Files,
    /// Those of partitions.
    Partitions,
    /// Always raw.
    Raw,
}

macro_rules! spellings {
    ($t:ty) => {
        &{
            let mut out = [""; <$t as Word>::WORDS.len()];
            let mut i = 0;
            while i < out.len() {
                out[i] = <$t as Word>::WORDS[i].0;
                i += 1;
            }
            out
        }
    };
}

const FS: &[&str] = spellings!(FsFormat);
const NETFS: &[&str] = spellings!(NetfsFormat);
const DISK: &[&str] = spellings!(DiskFormat);
const LOGICAL: &[&str] = spellings!(LogicalFormat);

/// A row of a kind whose volumes are files on this host.
const fn files(kind: PoolType) -> KindRow {
    KindRow {
        kind,
        host: Part::No,
        device: Part::No,
        dir: Part::No,
        adapter: Part::No,
        name: Part::No,
        initiator: Part::No,
        local: true,
        formats: None,
        volume_formats: VolumeFormats::Files,
    }
}

/// A row of a kind whose volumes are block devices of this host.
const fn blocks(kind: PoolType) -> KindRow {
    KindRow { volume_formats: VolumeFormats::None, ..files(kind) }
}

/// A row of a kind whose volumes are reached over the network.
const fn network(kind: PoolType) -> KindRow {
    KindRow { host: Part::Must, local: false, ..blocks(kind) }
}

const ROWS: &[KindRow] = &[
    files(PoolType::Dir),
    KindRow { device: Part::Must, formats: Some((FS, "auto")), ..files(PoolType::Fs) },
    KindRow { host: Part::Must, dir: Part::Must, formats: Some((NETFS, "auto")), ..files(PoolType::Netfs) },
    KindRow {
        device: Part::May,
        name: Part::Must,
        formats: Some((LOGICAL, "lvm2")),
        ..blocks(PoolType::Logical)
    },
    KindRow {
        device: Part::Must,
        formats: Some((DISK, "unknown")),
        volume_formats: VolumeFormats::Partitions,
        ..blocks(PoolType::Disk)
    },
    KindRow { host: Part::Must, device: Part::May, initiator: Part::May, ..blocks(PoolType::Iscsi) },
    KindRow { device: Part::May, initiator: Part::Must, ..network(PoolType::IscsiDirect) },
    KindRow { adapter: Part::Must, ..blocks(PoolType::Scsi) },
    blocks(PoolType::Mpath),
    KindRow { name: Part::Must, volume_formats: VolumeFormats::Raw, ..network(PoolType::Rbd) },
    KindRow { name: Part::Must, volume_formats: VolumeFormats::Raw, ..network(PoolType::Sheepdog) },
    KindRow {
        name: Part::Must,
        dir: Part::May,
        volume_formats: VolumeFormats::Files,
        ..network(PoolType::Gluster)
    },
    KindRow { device: Part::May, name: Part::Must, ..blocks(PoolType::Zfs) },
    KindRow { name: Part::Must, ..files(PoolType::Vstorage) },
];

/// The row of a kind.
pub(crate) fn row(kind: PoolType) -> &'static KindRow {
    const FALLBACK: &KindRow = &files(PoolType::Dir);
    ROWS.iter().find(|row| row.kind == kind).unwrap_or(FALLBACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row() {
        for (_, kind) in PoolType::WORDS {
            assert_eq!(row(*kind).kind, *kind);
        }
        assert_eq!(ROWS.len(), PoolType::WORDS.len());
        assert!(FS.contains(&"hfs+") && NETFS.contains(&"cifs") && DISK.contains(&"gpt"));
    }
}
