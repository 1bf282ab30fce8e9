//! What moves with a guest: the commands of suite `migration`.

use ostler_base::{Error, Json, Result, Uuid};
use ostler_domain::migration::{Cookie, CookieFeature, Parameters, Side};
use ostler_domain::{Draft, ReadMode};
use ostler_xml::{Document, El};

use crate::args::read;
use crate::{Args, Kept};

/// The fake host, and the one that guests come from.
const HERE: (&str, &str) = ("hostname", "4a802f00-4cba-5df6-9679-a08c4c5b577f");
const THERE: (&str, &str) = ("hostname2", "8b3f4dc4-6a8e-5f9b-94a5-4c35babd8d95");

fn side((name, uuid): (&str, &str)) -> Side {
    Side { name: name.to_owned(), uuid: Uuid::parse(uuid).unwrap_or_default() }
}

/// `migparams --to xml|json FILE`: parameters from a reply of QEMU or from their XML.
pub(super) fn parameters(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["to"])?;
    let text = args.read_input(0)?;
    let parameters = if text.trim_start().starts_with('<') {
        let document = Document::parse(&text, "parameters")?;
        let el = document.root().child("migParams");
        Parameters::parse(&el.ok_or_else(|| Error::invalid_arg("there are no <migParams>"))?)?
    } else {
        let reply: Json =
            text.parse().map_err(|error| Error::invalid_arg(format!("the reply is no JSON: {error}")))?;
        Parameters::from_reply(&reply["return"])
    };
    match args.required("to")? {
        "json" => Ok(parameters.to_json().to_string() + "\n"),
        "xml" => Ok(El::new("test").child(parameters.to_el()).to_xml()),
        other => Err(Error::invalid_arg(format!("unknown form '{other}'"))),
    }
}

/// `cookie --op format --party P --status S`, `cookie --op roundtrip --status S COOKIE`.
pub(super) fn cookie(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["op", "party", "status"])?;
    let status = read(args.required("status")?)?;
    let document = Document::parse(&status, "status")?;
    let guest =
        document.root().child("domain").ok_or_else(|| Error::invalid_arg("the status has no guest"))?;
    let guest = Draft::parse(&guest.source(), &ReadMode { live: true, ..ReadMode::default() })?;
    match args.required("op")? {
        "format" => {
            let features = [CookieFeature::MemoryHotplug, CookieFeature::CpuHotplug];
            Ok(Cookie::of(&guest, &side(THERE), &features).to_xml())
        }
        "roundtrip" => {
            let here = side(HERE);
            let read = Cookie::parse(&args.read_input(0)?, (guest.name(), guest.uuid()), &here)?;
            // What the other side has to understand is said anew by whoever writes.
            Ok(Cookie { from: here, features: Vec::new(), ..read }.to_xml())
        }
        other => Err(Error::invalid_arg(format!("unknown operation '{other}'"))),
    }
}
