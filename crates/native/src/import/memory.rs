//! `-m`, `-numa`, and the objects that memory is made of.
//!
//! Owns: size, slots, cells, backing. Never: allocates anything.

use ostler_xml::El;

use super::Importer;
use super::back_ends::Kind;
use crate::values::{Values, size};

impl Importer {
    /// `-m`.
    pub(super) fn memory(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "size");
        let kib = |text: String| size(&text, 1 << 20).map(|bytes| bytes >> 10);
        let amount = match values.take("size") {
            Some(text) => kib(text),
            None => Some(self.guest.memory),
        };
        let Some(amount) = amount else { return false };
        self.guest.memory = amount;
        let max = values.take("maxmem").and_then(kib);
        if let (Some(max), Some(slots)) = (max, values.take_number("slots")) {
            self.guest.max_memory = Some((max, slots));
        }
        values.leftovers().is_empty()
    }

    /// `-mem-path`.
    pub(super) fn memory_path(&mut self, path: &str) -> bool {
        if !path.contains("huge") {
            return false;
        }
        self.guest.memory_backing.push(El::new("hugepages"));
        true
    }

    /// `-numa`.
    pub(super) fn numa(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "type");
        match values.take("type").as_deref() {
            Some("node") => {}
            Some("dist") => {
                let take = |values: &mut Values, key: &str| values.take_number(key);
                let (Some(from), Some(to), Some(value)) =
                    (take(&mut values, "src"), take(&mut values, "dst"), take(&mut values, "val"))
                else {
                    return false;
                };
                self.distances.push((from, to, value));
                return true;
            }
            _ => return false,
        }
        let next = self.guest.cpu.cells.len() as u64;
        let id = values.take_number("nodeid").unwrap_or(next);
        let mut cpus = values.take_all("cpus");
        for n in 0..1024 {
            match values.take(&format!("cpus.{n}")) {
                Some(cpu) => cpus.push(cpu),
                None => break,
            }
        }
        let kib = match (values.take("mem"), values.take("memdev")) {
            (Some(mem), _) => size(&mem, 1 << 20).map(|bytes| bytes >> 10),
            (_, Some(object)) => self.back_end(Kind::Object, &object).and_then(|(index, mut object)| {
                self.memory_object(&mut object);
                self.claim(index);
                Some(size(&object.take("size")?, 1)? >> 10)
            }),
            _ => None,
        };
        let Some(kib) = kib.filter(|_| values.leftovers().is_empty()) else { return false };
        let list = Some(cpus.join(",")).filter(|list| !list.is_empty());
        let el =
            El::new("cell").attr("id", id).attr_opt("cpus", list).attr("memory", kib).attr("unit", "KiB");
        self.guest.cpu.cells.push(el);
        self.cell_ids.push(id);
        true
    }

    /// What a memory back end says of all the guest's memory.
    fn memory_object(&mut self, object: &mut Values) {
        let backing = &mut self.guest.memory_backing;
        let mut add = |el: El| {
            if !backing.iter().any(|known| known.name() == el.name()) {
                backing.push(el);
            }
        };
        let kind = object.take("qom-type");
        match kind.as_deref() {
            Some("memory-backend-memfd") if object.take_truth("hugetlb") == Some(true) => {
                let page =
                    object.take("hugetlbsize").and_then(|text| size(&text, 1)).map(|bytes| bytes >> 10);
                let mut el = El::new("hugepages");
                el.extend(page.map(|kib| El::new("page").attr("size", kib).attr("unit", "KiB")));
                add(el);
                add(El::new("source").attr("type", "memfd"));
            }
            Some("memory-backend-memfd") => add(El::new("source").attr("type", "memfd")),
            Some("memory-backend-file")
                if object.get("mem-path").is_some_and(|path| path.contains("huge")) =>
            {
                add(El::new("hugepages"));
            }
            Some("memory-backend-file") => add(El::new("source").attr("type", "file")),
            _ => {}
        }
        if object.take_truth("share") == Some(true) {
            add(El::new("access").attr("mode", "shared"));
        }
        if object.take_truth("prealloc") == Some(true) {
            add(El::new("allocation").attr("mode", "immediate"));
        }
        if object.take_truth("discard-data") == Some(true) {
            add(El::new("discard"));
        }
    }

    /// The machine's own memory object, distances, and objects that are the daemon's business.
    pub(super) fn memory_objects(&mut self) {
        if let Some((index, mut object)) =
            self.hints.memory_object.take().and_then(|id| self.back_end(Kind::Object, &id))
        {
            self.memory_object(&mut object);
            self.claim(index);
        }
        for (id, cell) in self.cell_ids.iter().zip(self.guest.cpu.cells.iter_mut()) {
            let own = self.distances.iter().filter(|(from, ..)| from == id);
            let siblings: Vec<El> =
                own.map(|(_, to, value)| El::new("sibling").attr("id", to).attr("value", value)).collect();
            if !siblings.is_empty() {
                let mut distances = El::new("distances");
                distances.extend(siblings);
                cell.push(distances);
            }
        }
    }
}
