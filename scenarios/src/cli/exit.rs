//! How a command ended.

use ktrial_sim::verdict::Class;
use std::process::ExitCode;

/// How a command ended, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything was as expected.
    AsExpected,
    /// 1: a promise was broken, or an expectation not met.
    NotAsExpected,
    /// 2: a trial says nothing.
    Inconclusive,
    /// 3: the command, the file or the harness is at fault, not the system under trial.
    Usage,
}

impl Exit {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::AsExpected => 0,
            Self::NotAsExpected => 1,
            Self::Inconclusive => 2,
            Self::Usage => 3,
        }
    }

    /// Of several cells, each with its verdict and whether it was as expected.
    pub fn of(cells: impl IntoIterator<Item = (Class, bool)>) -> Self {
        let mut exit = Self::AsExpected;
        for (class, as_expected) in cells {
            match (class, as_expected) {
                (_, true) => {}
                (Class::Inconclusive, false) if exit == Self::AsExpected => {
                    exit = Self::Inconclusive;
                }
                (Class::Inconclusive, false) => {}
                (_, false) => exit = Self::NotAsExpected,
            }
        }
        exit
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_cell_outweighs_an_inconclusive_one() {
        let kept = (Class::Kept, true);
        let open = (Class::Inconclusive, false);
        let broken = (Class::Broken, false);
        assert_eq!(Exit::of([kept]), Exit::AsExpected);
        assert_eq!(Exit::of([kept, open]), Exit::Inconclusive);
        assert_eq!(Exit::of([open, broken]), Exit::NotAsExpected);
        assert_eq!(Exit::of([broken, open]), Exit::NotAsExpected);
        assert_eq!(Exit::of([(Class::Broken, true)]), Exit::AsExpected);
    }
}
