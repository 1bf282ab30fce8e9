//! Status documents of runs.

use ostler_base::Result;
use ostler_domain::Setting;
use ostler_domain::run::RunRecord;

use crate::fake::{self, FixedEntropy};
use crate::{Args, Kept};

/// `statusxml --fakehost DIR STATUS.xml`
pub(super) fn status(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["fakehost", "flag"])?;
    args.only_flags(&[])?;
    let host = fake::host(args)?;
    let config = fake::config(args);
    let setting = Setting::new(None, &host, &config, &FixedEntropy);
    let (record, domain) = RunRecord::parse(&args.read_input(0)?, &setting)?;
    Ok(record.to_xml(&domain))
}
