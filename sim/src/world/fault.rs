//! Faults of disks and wall clocks: begun and ended for the director, with what they touched in the
//! record. Those of links are in `../network/fault.rs`.
//!
//! Next: `../disk/fault.rs`, `../clock.rs`.

use super::World;
use crate::history::{Touched, What};
use crate::plan::{ClockFault, DiskFault};
use ktrial_core::{NodeId, Timestamp};
use std::collections::BTreeMap;

impl World {
    /// Begins a fault of disks; what happens at once is told at once.
    pub(super) fn begin_disk_fault(
        &mut self,
        step: usize,
        nodes: &[NodeId],
        directory: Option<&str>,
        (fault, until): (&DiskFault, Option<Timestamp>),
    ) {
        let mut bytes = 0;
        for index in self.indexes(nodes) {
            let node = &mut self.nodes[index];
            let runs = node.process.is_some();
            let Some(disk) = &node.disk else { continue };
            let mut device = disk.device();
            match fault {
                DiskFault::BitRot { file, position } => {
                    let place = (file.as_deref(), *position);
                    bytes += device.rot(directory, place, &mut node.rot);
                }
                DiskFault::Wipe if runs => {}
                DiskFault::Wipe => bytes += device.wipe(directory),
                lasting => device.begin_fault(step, directory, lasting, until),
            }
        }
        if fault.is_instant() {
            let of = Touched::Bytes;
            let touched = bytes;
            self.record(None, What::FaultEffect { step, touched, of });
        }
    }

    /// Ends the disk faults of a step, or all.
    pub(crate) fn end_disk_faults(&mut self, step: Option<usize>) {
        let mut touched = BTreeMap::new();
        for node in &self.nodes {
            let ended = node
                .disk
                .iter()
                .flat_map(|disk| disk.device().end_faults(step));
            for (step, calls) in ended {
                *touched.entry(step).or_insert(0) += calls;
            }
        }
        self.tell(touched, Touched::DiskCalls);
    }

    /// Begins a fault of wall clocks.
    pub(super) fn begin_clock_fault(&mut self, step: usize, nodes: &[NodeId], fault: ClockFault) {
        for index in self.indexes(nodes) {
            let now = self.now;
            self.nodes[index].clock.begin(step, now, fault);
        }
    }

    /// Ends the clock faults of a step, or all.
    pub(crate) fn end_clock_faults(&mut self, step: Option<usize>) {
        let mut touched = BTreeMap::new();
        for node in &mut self.nodes {
            for (step, told) in node.clock.end(step) {
                *touched.entry(step).or_insert(0) += told;
            }
        }
        self.tell(touched, Touched::ClockReadings);
    }

    fn tell(&mut self, touched: BTreeMap<usize, u64>, of: Touched) {
        for (step, touched) in touched {
            self.record(None, What::FaultEffect { step, touched, of });
        }
    }

    fn indexes(&self, nodes: &[NodeId]) -> Vec<usize> {
        nodes.iter().filter_map(|node| self.index(*node)).collect()
    }
}
