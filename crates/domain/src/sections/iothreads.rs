//! `<iothreads>` and `<iothreadids>`: threads of the emulator that serve disks.

use std::collections::BTreeSet;

use ostler_base::{Error, Result};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

/// Threads for disks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IoThreads {
    /// Every thread, in order.
    pub threads: Vec<IoThread>,
    /// `<defaultiothread>`: bounds of the pool of the emulator's own thread.
    pub default_pool: Option<Pool>,
}

/// One thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoThread {
    /// Its number, from 1.
    pub id: u32,
    /// Whether the definition names it, or only counts it.
    pub named: bool,
    /// Bounds of its pool of workers.
    pub pool: Pool,
    /// `<poll max= grow= shrink=>`, nanoseconds and factors.
    pub poll: Option<[Option<u64>; 3]>,
}

/// `thread_pool_min`, `thread_pool_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pool {
    /// Fewest workers.
    pub min: Option<u32>,
    /// Most workers.
    pub max: Option<u32>,
}

const POLL: [&str; 3] = ["max", "grow", "shrink"];

impl Pool {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let pool = Pool { min: el.number("thread_pool_min")?, max: el.number("thread_pool_max")? };
        match pool {
            Pool { min: Some(min), max: Some(max) } if min > max => {
                Err(Error::unsupported("thread_pool_min must be smaller or equal to thread_pool_max"))
            }
            _ => Ok(pool),
        }
    }

    fn set(self, el: El) -> El {
        el.attr_opt("thread_pool_min", self.min).attr_opt("thread_pool_max", self.max)
    }
}

impl IoThreads {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let mut threads = Vec::new();
        for el in root.path("iothreadids").into_iter().flat_map(|ids| ids.children("iothread")) {
            let id = el.nonzero::<u32>("id")?.ok_or_else(|| el.missing("id"))?;
            let poll = match el.child("poll") {
                Some(poll) => {
                    let [max, grow, shrink] = POLL.map(|name| poll.number::<u64>(name));
                    Some([max?, grow?, shrink?])
                }
                None => None,
            };
            if threads.iter().any(|t: &IoThread| t.id == id) {
                return Err(Error::xml(format!("duplicate iothread id '{id}' found")));
            }
            threads.push(IoThread { id, named: true, pool: Pool::parse(&el)?, poll });
        }
        let count: usize = match root.child_text("iothreads") {
            Some(text) => {
                text.trim().parse().map_err(|_| Error::xml(format!("invalid iothreads count '{text}'")))?
            }
            None => 0,
        };
        if count > 65_535 {
            return Err(Error::xml(format!("invalid iothreads count '{count}'")));
        }
        let taken: BTreeSet<u32> = threads.iter().map(|t| t.id).collect();
        let mut free = (1u32..).filter(|id| !taken.contains(id));
        while threads.len() < count {
            let Some(id) = free.next() else { break };
            threads.push(IoThread { id, named: false, pool: Pool::default(), poll: None });
        }
        let default_pool = root.child("defaultiothread").map(|d| Pool::parse(&d)).transpose()?;
        Ok(IoThreads { threads, default_pool })
    }

    pub(crate) fn format(&self, root: &mut El) {
        if self.threads.is_empty() {
            return;
        }
        root.push(El::with_text("iothreads", self.threads.len()));
        let said = |t: &IoThread| t.named || t.pool != Pool::default() || t.poll.is_some();
        if self.threads.iter().any(said) {
            let mut ids = El::new("iothreadids");
            ids.extend(self.threads.iter().map(|thread| {
                let mut el = thread.pool.set(El::new("iothread").attr("id", thread.id));
                if let Some(values) = &thread.poll {
                    let mut poll = El::new("poll");
                    for (name, value) in POLL.iter().zip(values) {
                        poll.set_opt(*name, *value);
                    }
                    el.push_filled(poll);
                }
                el
            }));
            root.push(ids);
        }
        if let Some(pool) = self.default_pool {
            root.push(pool.set(El::new("defaultiothread")));
        }
    }

    pub(crate) fn parts(&self, out: &mut Vec<Part>) {
        for thread in &self.threads {
            let mut props =
                Props::new().with("qom-type", "iothread").with("id", format!("iothread{}", thread.id));
            props.set_opt("thread-pool-min", thread.pool.min);
            props.set_opt("thread-pool-max", thread.pool.max);
            if let Some([max, grow, shrink]) = thread.poll {
                props.set_opt("poll-max-ns", max);
                props.set_opt("poll-grow", grow);
                props.set_opt("poll-shrink", shrink);
            }
            out.push(Part::Object(props));
        }
        if let Some(pool) = self.default_pool.filter(|pool| *pool != Pool::default()) {
            let mut props = Props::new().with("qom-type", "main-loop").with("id", "main-loop");
            props.set_opt("thread-pool-min", pool.min);
            props.set_opt("thread-pool-max", pool.max);
            out.push(Part::Object(props));
        }
    }
}
