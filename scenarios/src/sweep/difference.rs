//! Where two records of one plan part.
//!
//! Records are compared as text, line by line: what differs in no byte does not differ.
//!
//! Next: `scenarios/src/cli/determinism.rs` shows it.

/// Entries before the first difference that are shown with it.
const CONTEXT: usize = 5;

/// The first difference of two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its line, from 1.
    pub line: usize,
    /// The lines before it, the same in both.
    pub before: Vec<String>,
    /// The line of the first; `None` = it has ended.
    pub here: Option<String>,
    /// The line of the second; `None` = it has ended.
    pub there: Option<String>,
}

/// The first difference of two records as JSON Lines; `None` if they are the same.
pub fn first_difference(here: &str, there: &str) -> Option<Difference> {
    let (mut left, mut right) = (here.lines(), there.lines());
    let mut before: Vec<&str> = Vec::new();
    for line in 1.. {
        match (left.next(), right.next()) {
            (None, None) => return None,
            (Some(a), Some(b)) if a == b => {
                before.push(a);
                if before.len() > CONTEXT {
                    before.remove(0);
                }
            }
            (a, b) => {
                return Some(Difference {
                    line,
                    before: before.into_iter().map(str::to_owned).collect(),
                    here: a.map(str::to_owned),
                    there: b.map(str::to_owned),
                });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_has_what_came_before() {
        let here = "1\n2\n3\n4\n5\n6\n7\n8\n";
        assert_eq!(first_difference(here, here), None);
        let found = first_difference(here, "1\n2\n3\n4\n5\n6\nx\n8\n").unwrap();
        assert_eq!(found.line, 7);
        assert_eq!(found.before, ["2", "3", "4", "5", "6"]);
        assert_eq!(found.here.as_deref(), Some("7"));
        assert_eq!(found.there.as_deref(), Some("x"));
    }

    #[test]
    fn a_record_that_ends_early_differs() {
        let found = first_difference("1\n2\n", "1\n").unwrap();
        assert_eq!((found.line, found.there), (2, None));
        let found = first_difference("", "1\n").unwrap();
        assert_eq!((found.line, found.here, found.before.len()), (1, None, 0));
    }
}
