//! The admin client.

use crate::driver::Driver;
use ktrial_core::admin::{Admin, AdminStart};
use ktrial_core::{ClientId, ControllerId, Incarnation, NodeId, Now, Random};

fn run(script: &str) -> String {
    let start = AdminStart {
        id: ClientId(9),
        incarnation: Incarnation(0),
        controllers: [1, 2, 3]
            .map(|id| NodeId::Controller(ControllerId(id)))
            .to_vec(),
        random: Random::stream(1, "admin"),
    };
    Driver::new(Admin::start(start, Now::default())).run(script)
}

#[test]
fn rotates_until_the_controller_answers() {
    insta::assert_snapshot!(run("
        create 1 orders
        created c1 NOT_CONTROLLER
        wait
        cut c2
        wait
        create 2 orders
        wait
        wait
        created c1 NONE
        created c1 TOPIC_ALREADY_EXISTS
        shutdown
    "));
}
