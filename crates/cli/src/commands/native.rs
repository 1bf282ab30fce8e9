//! Definitions and command lines of emulators, each made of the other.
//!
//! Owns: `domxml-from-native`, `domxml-to-native`. Never: knows an option of an emulator.

use ostler_rpc::programs::remote::procedures::{
    ConnectDomainXmlFromNative, ConnectDomainXmlToNative, DomainGetXmlDesc,
};
use ostler_rpc::programs::remote::{
    ConnectDomainXmlFromNativeArgs, ConnectDomainXmlToNativeArgs, DomainGetXmlDescArgs,
};

use super::domain;
use super::domain::read_file;
use crate::arguments::Arguments;
use crate::failure::{Failure, OrSay};
use crate::session::Session;
use crate::table::{Command, Kind, named, needed, placed};

pub(super) const FROM_NATIVE: Command = Command {
    name: "domxml-from-native",
    summary: "Convert native config to domain XML",
    description: "Convert native guest configuration format to domain XML format.",
    options: &[
        needed("format", "source config data format"),
        needed("config", "config data file to import from"),
    ],
    connects: true,
    run: from_native,
};

pub(super) const TO_NATIVE: Command = Command {
    name: "domxml-to-native",
    summary: "Convert domain XML to native config",
    description: "Convert domain XML config to a native guest configuration format.",
    options: &[
        needed("format", "target config data type format"),
        named("domain", Kind::Text, "domain name, id or uuid"),
        placed("xml", Kind::Text, "xml data file to export from"),
    ],
    connects: true,
    run: to_native,
};

fn from_native(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let args = ConnectDomainXmlFromNativeArgs {
        native_format: arguments.needed("format")?.to_owned(),
        native_config: read_file(arguments.needed("config")?)?,
        flags: 0,
    };
    let xml = session.call::<ConnectDomainXmlFromNative>(&args)?.domain_xml;
    session.print(&xml);
    // Remarks stand in comments at the head of the document; whoever sends it to a file wants to see them.
    let remarks = xml.lines().filter_map(|line| line.trim().strip_prefix("<!-- ")?.strip_suffix(" -->"));
    remarks.for_each(|remark| session.warn(remark));
    Ok(())
}

fn to_native(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    arguments.exclude("domain", "xml")?;
    let domain_xml = match (arguments.text("domain")?, arguments.text("xml")?) {
        (Some(_), _) => {
            const MIGRATABLE: u32 = 8;
            let dom = domain(session, arguments)?;
            session.call::<DomainGetXmlDesc>(&DomainGetXmlDescArgs { dom, flags: MIGRATABLE })?.xml
        }
        (None, Some(file)) => read_file(file)?,
        (None, None) => return Err(Failure::new("need either domain or domain XML")),
    };
    let args = ConnectDomainXmlToNativeArgs {
        native_format: arguments.needed("format")?.to_owned(),
        domain_xml,
        flags: 0,
    };
    let line = session.call::<ConnectDomainXmlToNative>(&args).or_say(|| "cannot convert".to_owned())?;
    session.print(&format!("{}\n", line.native_config.trim_end()));
    Ok(())
}
