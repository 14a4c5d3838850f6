//! "Did you mean": the known name that is closest to what was written.

/// The closest of `known`, if it is close enough to be a slip.
pub(crate) fn closest<'k>(
    written: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    let limit = (written.chars().count() / 4).clamp(1, 5);
    known
        .into_iter()
        .map(|name| (distance(written, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// The closest name as a sentence, or what is known if that is short.
pub(crate) fn help(written: &str, known: &[&str]) -> Option<String> {
    if let Some(name) = closest(written, known.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    match known {
        [] => None,
        known if known.len() <= 14 => Some(format!("known here: {}", list(known))),
        _ => None,
    }
}

/// Names as people list them.
pub(crate) fn list<T: std::fmt::Display>(names: &[T]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Insertions, deletions, substitutions and swaps of neighbours between two texts (optimal string
/// alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(100).collect();
    let b: Vec<char> = b.chars().take(100).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + usize::from(!same));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["acks", "linger.ms", "min.insync.replicas"];
        for (written, expected) in [
            ("akcs", Some("acks")),
            ("linger", None),
            ("linger.m", Some("linger.ms")),
            ("min.insync.replica", Some("min.insync.replicas")),
            ("min.in.sync.replicas", Some("min.insync.replicas")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(closest(written, known), expected, "{written}");
        }
        assert_eq!(distance("abc", "acb"), 1);
    }
}
