//! Rules that must hold whatever arrives. A violated one is a bug of this code, not of its input: the
//! machine stops at once, and the world reports it as a finding with its seed.

/// Panics with the rule if `$condition` is false. Always on.
macro_rules! invariant {
    ($condition:expr, $($rule:tt)+) => {
        assert!($condition, "invariant broken: {}", format_args!($($rule)+))
    };
}
pub(crate) use invariant;
