//! Paths of znodes: `/`, `/brokers/ids/1`.
//!
//! Source: ZooKeeper `PathUtils.validatePath`, `PrepRequestProcessor.pRequest2TxnCreate` (the ten digits
//! of a sequential name).
//! Next: `tree.rs`.

/// Whether a path can name a znode: absolute, no empty part, no `.` or `..`, no `/` at the end.
pub(super) fn is_valid(path: &str) -> bool {
    if path == "/" {
        return true;
    }
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let fine = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    rest.split('/').all(fine)
}

/// The path of the parent and the name below it; `None` for the root.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let (parent, name) = path.rsplit_once('/')?;
    let parent = if parent.is_empty() { "/" } else { parent };
    (!name.is_empty()).then_some((parent, name))
}

/// The path of a child.
pub fn child(parent: &str, name: &str) -> String {
    if parent == "/" {
        format!("/{name}")
    } else {
        format!("{parent}/{name}")
    }
}

/// The path of a sequential znode: what was asked for, then how many children its parent ever had.
pub(super) fn sequential(path: &str, number: i32) -> String {
    format!("{path}{number:010}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_and_put_together() {
        for (path, parent, name) in [("/a", "/", "a"), ("/a/b", "/a", "b")] {
            assert_eq!(split(path), Some((parent, name)));
            assert_eq!(child(parent, name), path);
        }
        assert_eq!(split("/"), None);
        assert_eq!(sequential("/isr_change_", 7), "/isr_change_0000000007");
        for bad in ["", "a", "/a/", "//a", "/a/./b", "/a/.."] {
            assert!(!is_valid(bad), "{bad}");
        }
        assert!(is_valid("/") && is_valid("/brokers/ids/1"));
    }
}
