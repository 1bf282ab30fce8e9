//! Packet filters and their bindings.

use ostler_base::Result;
use ostler_pools::nwfilter::Filter;
use ostler_pools::nwfilter::binding::Binding;
use ostler_pools::nwfilter::firewall::{self, Step};
use ostler_pools::nwfilter::instance::instances;
use ostler_pools::nwfilter::vars::Variables;
use ostler_pools::{Command, Schema};

use super::network::{lines, read_mode};
use crate::args::read;
use crate::{Args, Kept};

/// The variables of the fake host's interface.
const VARIABLES: &[(&str, &[&str])] = &[
    ("IPSETNAME", &["tck_test"]),
    ("A", &["1.1.1.1", "2.2.2.2", "3.3.3.3", "3.3.3.3"]),
    ("B", &["80", "90", "80", "80"]),
    ("C", &["1080", "1090", "1100", "1110"]),
];

/// `nwfilter-xml FILTER.xml`
pub(super) fn xml(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&[])?;
    Ok(Filter::parse(&args.read_input(0)?, &read_mode())?.to_xml())
}

/// `nwfilter-binding BINDING.xml`
pub(super) fn binding(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&[])?;
    Ok(Binding::parse(&args.read_input(0)?, Schema::Lenient)?.to_xml())
}

/// `nwfilter-firewall --ifname IF [--filter FILTER.xml …] FILTER.xml`
pub(super) fn firewall(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["ifname", "filter"])?;
    let others = args
        .all("filter")
        .map(|path| Filter::parse(&read(path)?, &read_mode()))
        .collect::<Result<Vec<Filter>>>()?;
    let filter = Filter::parse(&args.read_input(0)?, &read_mode())?;
    let mut variables = Variables::new();
    for (name, values) in VARIABLES {
        values.iter().for_each(|value| variables.add(name, value));
    }
    let find = |name: &str| others.iter().find(|other| other.name == name);
    let steps = firewall::apply(&instances(&filter, &variables, &find)?, args.required("ifname")?)?;
    let commands: Vec<Command> = steps.iter().map(Step::command).cloned().collect();
    Ok(lines(&commands))
}
