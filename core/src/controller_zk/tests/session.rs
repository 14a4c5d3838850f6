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

/// The controller hears that broker 3 is gone; its session ends with its questions unanswered.
fn expires(rules: Rules) -> Rig {
    let mut rig = Rig::new(rules);
    rig.create("t", &[&[3, 2]]);
    rig.remove(&znodes::broker(BrokerId(3)));
    rig.call(|controller, env| controller.expire(env));
    rig
}

#[test]
fn what_a_controller_does_ends_with_its_session() {
    let mut rig = expires(Rules::default());
    assert!(!rig.controller.is_active());
    let _asked_before = rig.controller.take_operations();
    rig.remove(CONTROLLER);
    assert_eq!(rig.state("t-0"), Some((3, 0, vec![3, 2])), "nobody elects");
    rig.with(ControllerZk::stand);
    assert!(rig.controller.is_active(), "it stands again at once");
    assert_eq!(rig.state("t-0"), Some((2, 2, vec![2])));
}

#[test]
fn before_1_1_it_goes_on_in_the_next_session() {
    let rules = Rules {
        controller_stops_with_session: false,
        ..Rules::default()
    };
    let mut rig = expires(rules);
    assert!(
        rig.controller.is_active(),
        "it believes so until it is done"
    );
    rig.settle();
    assert_eq!(rig.state("t-0").map(|one| one.0), Some(2), "it has elected");
    assert!(!rig.controller.is_active());
}
