//! Runs a list of actions, and the way back where one fails.
//!
//! Owns: order and undo. Never: knows what an action does.

use ostler_base::{Error, Result};
use ostler_plan::Action;

/// Something that carries out actions.
pub trait Host {
    /// Carries out one. Where it fails, it leaves nothing behind that its undo would have to remove.
    fn apply(&mut self, action: &Action) -> Result<()>;
}

/// Carries out all actions in order. Where one fails, those before it are taken back, last first, and the
/// error is that of the first failure; what fails on the way back is logged.
pub fn execute(actions: &[Action], host: &mut dyn Host) -> Result<()> {
    for (index, action) in actions.iter().enumerate() {
        if let Err(cause) = host.apply(action) {
            take_back(actions.get(..index).unwrap_or_default(), host);
            return Err(cause);
        }
    }
    Ok(())
}

/// Takes actions back, last first. Goes on where one fails, and logs it.
pub fn take_back(actions: &[Action], host: &mut dyn Host) {
    for undo in actions.iter().rev().filter_map(Action::undo) {
        if let Err(error) = host.apply(&undo) {
            tracing::warn!(%error, action = ?undo, "cannot take back");
        }
    }
}

/// A host for tests: writes down what it was told, and fails when asked to.
#[derive(Debug, Default)]
pub struct RecordingHost {
    /// What was carried out, in order.
    pub applied: Vec<Action>,
    /// How many actions still succeed; all where absent. Only the one after them fails.
    pub fail_after: Option<usize>,
}

impl Host for RecordingHost {
    fn apply(&mut self, action: &Action) -> Result<()> {
        match self.fail_after {
            Some(0) => {
                self.fail_after = None;
                Err(Error::internal(format!("failed as told: {action:?}")))
            }
            left => {
                self.fail_after = left.map(|left| left - 1);
                self.applied.push(action.clone());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions() -> Vec<Action> {
        vec![
            Action::MakeDir { path: "/a".into(), mode: 0o700, owner: None },
            Action::KeepDir { path: "/k".into(), mode: 0o700, owner: None },
            Action::WriteFile { path: "/a/b".into(), content: vec![1], mode: 0o600, owner: None },
            Action::StartService {
                name: "s".into(),
                argv: vec!["s".into()],
                owner: None,
                ready: "/a/s".into(),
                pid_file: "/a/p".into(),
            },
        ]
    }

    #[test]
    fn a_failure_at_any_step_leaves_nothing_behind() {
        let actions = actions();
        for step in 0..actions.len() {
            let mut host = RecordingHost { fail_after: Some(step), ..RecordingHost::default() };
            let error = execute(&actions, &mut host).unwrap_err();
            assert!(error.detail().contains(&format!("{:?}", actions[step])), "{error}");
            let (done, undone) = host.applied.split_at(step);
            assert_eq!(done, &actions[..step]);
            let expected: Vec<_> = done.iter().rev().filter_map(Action::undo).collect();
            assert_eq!(undone, expected, "step {step}");
        }
        let mut host = RecordingHost { fail_after: Some(actions.len()), ..RecordingHost::default() };
        execute(&actions, &mut host).unwrap();
        assert_eq!(host.applied, actions);
    }

    struct Stubborn(usize);

    impl Host for Stubborn {
        fn apply(&mut self, _action: &Action) -> Result<()> {
            self.0 += 1;
            if self.0 < 3 { Ok(()) } else { Err(Error::internal(self.0.to_string())) }
        }
    }

    #[test]
    fn the_first_cause_is_told_and_the_way_back_is_gone_to_its_end() {
        let mut host = Stubborn(0);
        assert_eq!(execute(&actions(), &mut host).unwrap_err().detail(), "3");
        assert_eq!(host.0, 4, "one of the two before has an undo");
    }
}
