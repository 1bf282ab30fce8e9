//! Where huge pages are mounted on this host.
//!
//! Owns: finding the mounts and their page sizes. Never: mounts anything.

use ostler_domain::HugePageMount;
use ostler_host::fs::read_bounded;

/// The most bytes of a table of the kernel that are read.
const TABLE_MAX: u64 = 4 << 20;

/// The mounts that `qemu.conf` names, or else all there are; the default size first.
pub(crate) fn mounts(named: &[String]) -> Vec<HugePageMount> {
    let table = |path: &str| read_bounded(path.as_ref(), TABLE_MAX).unwrap_or_default();
    read(&table("/proc/mounts"), &table("/proc/meminfo"), named)
}

fn read(mounts: &str, meminfo: &str, named: &[String]) -> Vec<HugePageMount> {
    let default = meminfo.lines().find_map(|line| line.strip_prefix("Hugepagesize:"));
    let default = default.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let mut found: Vec<HugePageMount> = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        let (Some(_), Some(path), Some("hugetlbfs"), Some(options)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let said = options.split(',').find_map(|option| option.strip_prefix("pagesize="));
        let Some(size) = said.map_or(default, kib) else { continue };
        let wanted = named.is_empty() || named.iter().any(|name| name == path);
        if wanted && found.iter().all(|mount| mount.size != size) {
            found.push(HugePageMount { size, path: path.to_owned() });
        }
    }
    found.sort_by_key(|mount| (Some(mount.size) != default, mount.size));
    found
}

/// `2M` in KiB.
fn kib(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = ostler_base::scale::factor(if unit.is_empty() { "b" } else { unit })?;
    Some(number.parse::<u64>().ok()?.checked_mul(unit)? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let mounts =
            "none /big hugetlbfs rw,pagesize=1024M 0 0\nnone / ext4 rw 0 0\nnone /huge hugetlbfs rw 0 0\n";
        let found = |named: &[String]| -> Vec<(u64, String)> {
            let all = read(mounts, "Hugepagesize:       2048 kB\n", named);
            all.into_iter().map(|mount| (mount.size, mount.path)).collect()
        };
        assert_eq!(found(&[]), [(2048, "/huge".to_owned()), (1 << 20, "/big".to_owned())]);
        assert_eq!(found(&["/big".to_owned()]), [(1 << 20, "/big".to_owned())]);
        assert_eq!(read("", "", &[]), []);
    }
}
