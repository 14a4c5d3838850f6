//! The classes of a broker, made ready for the JVM to map (class data sharing).
//!
//! Under construction.

use super::Kafka;
use crate::failure::{Failure, Interrupt};
use std::path::PathBuf;

pub(super) fn of(
    _kafka: &Kafka,
    _interrupt: &Interrupt,
    _tell: &dyn Fn(&str),
) -> Result<Option<PathBuf>, Failure> {
    Ok(None)
}
