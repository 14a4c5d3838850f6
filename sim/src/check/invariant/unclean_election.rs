//! A leader comes from the ISR or the ELR, or is the last known leader where the rules allow it. Anybody
//! else only by an unclean election, and only if the topic allows that or an operator has asked for it.
//!
//! Source: KIP-966, "Unclean recovery"; `PartitionChangeBuilder.electLeader`.
//!
//! It looks at the controller's records (`election.rs`), not at what the controller says of them, and
//! takes the controller at its word too: an election that it calls clean must be.
//!
//! False positives avoided: the setting is that at the record's place in the metadata log, which is the
//! order in which the controller decided. An operator who asks for an unclean election anywhere in the
//! plan has asked.

use super::{Excuses, Findings, Invariant, Moment};
use crate::check::election::Kind;
use ktrial_core::event::ElectionRule;

#[derive(Default)]
pub(super) struct UncleanElection;

impl Invariant for UncleanElection {
    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let (Some(elected), Some((name, _))) = (excuses.elected, moment.partition) else {
            return;
        };
        let leader = elected.leader;
        let clean = matches!(elected.told, Some(ElectionRule::Isr | ElectionRule::Elr));
        let unclean = elected.told == Some(ElectionRule::Unclean);
        let problem = match elected.kind {
            Kind::Clean => return,
            Kind::LastKnown | Kind::Unclean if clean => {
                "as if it were in the ISR or the ELR, and it is in neither"
            }
            Kind::LastKnown if !unclean => return,
            Kind::LastKnown | Kind::Unclean if elected.unclean_allowed => return,
            Kind::LastKnown | Kind::Unclean => {
                "although it is in neither ISR nor ELR and unclean election is off"
            }
        };
        let what = format!("broker {leader} was elected for {name} {problem}");
        findings.broken("unclean_election", name, moment.at(), what);
    }
}
