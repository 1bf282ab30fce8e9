//! Landlock: from here on only the paths that were named can be reached.
//!
//! Owns: which rights of the kernel a word of the order stands for. A kernel without Landlock gives none
//! of it, an older one less; that is told by the daemon once, not here. Never: opens anything for writing.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, make_bitflags,
};
use ostler_launcher::Reach;

use crate::{End, Failure};

/// The newest interface that is asked for.
const NEWEST: ABI = ABI::V5;

fn rights(reach: Reach) -> BitFlags<AccessFs> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let write = read | make_bitflags!(AccessFs::{WriteFile | Truncate | IoctlDev});
    match reach {
        Reach::Read => read,
        Reach::Execute => read | AccessFs::Execute,
        Reach::Write => write,
        Reach::Make => AccessFs::from_all(NEWEST) & !BitFlags::from(AccessFs::Execute),
    }
}

/// Rights that make sense of a file; a rule for one may have no others.
fn of_a_file() -> BitFlags<AccessFs> {
    make_bitflags!(AccessFs::{Execute | ReadFile | WriteFile | Truncate | IoctlDev})
}

/// Restricts this process to these paths. An empty list restricts nothing.
pub(crate) fn restrict(rules: &[(String, Reach)]) -> Result<(), End> {
    if rules.is_empty() {
        return Ok(());
    }
    let restrict = || -> Result<(), RulesetError> {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
        let mut created = ruleset.handle_access(AccessFs::from_all(NEWEST))?.create()?;
        // Root has the right to it; for others the order asks for the promise itself.
        created = created.no_new_privs(!rustix::process::geteuid().is_root());
        for (path, reach) in rules {
            // What is not there cannot be reached anyway.
            let Ok(opened) = PathFd::new(path) else { continue };
            let directory = Path::new(path).is_dir();
            let rights = if directory { rights(*reach) } else { rights(*reach) & of_a_file() };
            created = created.add_rule(PathBeneath::new(opened, rights))?;
        }
        created.restrict_self()?;
        Ok(())
    };
    restrict().map_err(|error| {
        let errno = rustix::io::Errno::PERM.raw_os_error();
        End::Failed(Failure { step: "restrict paths".into(), errno, about: error.to_string() })
    })
}
