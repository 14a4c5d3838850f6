//! The end of a broker's work, in order or with its session.

use super::*;
use crate::message::ControlledShutdownRequest;

#[test]
fn a_broker_that_shuts_down_is_not_held_by_what_nobody_else_could_lead() {
    let mut rig = Rig::new(Rules::default());
    rig.create("alone", &[&[2]]);
    rig.create("t", &[&[2, 3]]);
    let mut shut_down = || {
        let request = ControlledShutdownRequest {
            broker: BrokerId(2),
            broker_epoch: None,
        };
        match rig.ask(Request::ControlledShutdown(request)) {
            Response::ControlledShutdown(response) => (response.error, response.remaining),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(shut_down(), (ErrorCode::None, Vec::new()));
    // One that could be led by a broker that is away holds it.
    let mut rig = Rig::new(Rules::default());
    rig.create("t", &[&[2, 3]]);
    rig.go(3);
    let request = ControlledShutdownRequest {
        broker: BrokerId(2),
        broker_epoch: None,
    };
    let Response::ControlledShutdown(response) = rig.ask(Request::ControlledShutdown(request))
    else {
        panic!("another answer");
    };
    assert_eq!(response.remaining, [TopicPartition::new("t", 0)]);
}
