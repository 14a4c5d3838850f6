//! For any sequence of ends, cuts and changes: nothing that a client was told is lost, servers agree, and
//! a session's changes are applied in its order.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Move {
    Append(u32),
    Stop(i32, bool),
    Start(i32),
    Cut(i32),
    Heal,
    Wait(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0..2_u32).prop_map(Move::Append),
        1 => (1..=3, any::<bool>()).prop_map(|(id, power)| Move::Stop(id, power)),
        1 => (1..=3).prop_map(Move::Start),
        1 => (1..=3).prop_map(Move::Cut),
        1 => Just(Move::Heal),
        2 => (1..4_000_u64).prop_map(Move::Wait),
    ];
    proptest::collection::vec(one, 1..40)
}

fn play(zoo: &mut Zoo, moves: &[Move]) -> u32 {
    let mut sent = 0;
    for step in moves {
        match step {
            Move::Append(client) => {
                let data = sent.to_string();
                let path = format!("/c{client}/n{sent:05}");
                zoo.submit(*client, sent, change(create(&path, &data)));
                sent += 1;
            }
            Move::Stop(id, power) => zoo.stop(*id, *power),
            Move::Start(id) => {
                if !zoo.servers.contains_key(&ZooKeeperId(*id)) {
                    zoo.start(*id);
                }
            }
            Move::Cut(id) => {
                zoo.cut.insert(server(*id));
            }
            Move::Heal => zoo.heal(),
            Move::Wait(ms) => zoo.run(Duration::from_millis(*ms)),
        }
    }
    sent
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_acknowledged_stays(moves in moves()) {
        let mut zoo = Zoo::new(3);
        for id in 0..2 {
            zoo.connect(id);
            zoo.ask(id, change(create(&format!("/c{id}"), ""))).unwrap();
        }
        play(&mut zoo, &moves);
        zoo.heal();
        for id in 1..=3 {
            if !zoo.servers.contains_key(&ZooKeeperId(id)) {
                zoo.start(id);
            }
        }
        zoo.until("all agree again", |zoo| {
            let same = (2..=3).all(|id| zoo.tree(id) == zoo.tree(1));
            same && zoo.leader().is_some() && zoo.servers.values().all(|s| !matches!(s.role, Role::Looking))
        });
        for (id, p) in &zoo.programs {
            let mut last = Zxid::ZERO;
            for notice in &p.told {
                let Notice::Answered { tag, result: Ok(Answer::Changed(_)) } = notice else { continue };
                let Some(node) = zoo.tree(1).get(&format!("/c{id}/n{tag:05}")) else {
                    prop_assert!(*tag >= 1_000_000, "k{id} was told of {tag}");
                    continue;
                };
                prop_assert!(node.czxid > last, "k{id}: {tag} out of order");
                last = node.czxid;
            }
        }
    }
}
