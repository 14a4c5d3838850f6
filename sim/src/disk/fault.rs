//! What is wrong with a disk.
//!
//! Next: `device.rs`, whose calls pass by here.

use super::device::Device;
use crate::plan::DiskFault;
use ktrial_core::{Random, Timestamp};

impl Device {
    /// A fault of a step begins, of files below `directory` (all without one).
    pub(crate) fn begin_fault(
        &mut self,
        step: usize,
        directory: Option<&str>,
        fault: &DiskFault,
        until: Option<Timestamp>,
    ) {
        let _ = (step, directory, fault, until);
    }

    /// Ends the faults of a step, or all: their steps, and how many calls each touched.
    pub(crate) fn end_faults(&mut self, step: Option<usize>) -> Vec<(usize, u64)> {
        let _ = step;
        Vec::new()
    }

    /// Flips a bit. Returns how many bytes are others now.
    pub(crate) fn rot(
        &mut self,
        directory: Option<&str>,
        (file, position): (Option<&str>, Option<u64>),
        random: &mut Random,
    ) -> u64 {
        let _ = (directory, file, position, random);
        0
    }

    /// Takes everything below `directory` away. Returns how many bytes that were.
    pub(crate) fn wipe(&mut self, directory: Option<&str>) -> u64 {
        let _ = directory;
        0
    }
}
