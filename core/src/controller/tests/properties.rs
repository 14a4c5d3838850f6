//! Whatever brokers do, the controller's state keeps its rules.

use super::*;
use crate::controller::index::PartitionIndex;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Start(i32, bool),
    Kill(i32),
    Stop(i32),
    Shrink(i32),
    Grow,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..=3_i32, any::<bool>()).prop_map(|(id, clean)| Step::Start(id, clean)),
        2 => (1..=3_i32).prop_map(Step::Kill),
        2 => (1..=3_i32).prop_map(Step::Stop),
        2 => (1..=3_i32).prop_map(Step::Shrink),
        3 => Just(Step::Grow),
        1 => Just(Step::Restart),
    ]
}

fn play(rig: &mut Rig, step: &Step) {
    let alive = |rig: &Rig, id: &i32| rig.brokers[id].alive;
    match step {
        Step::Start(id, clean) if !alive(rig, id) => rig.start_broker(*id, *clean),
        Step::Kill(id) if alive(rig, id) => rig.kill(*id),
        Step::Stop(id) if alive(rig, id) => rig.stop(*id),
        Step::Shrink(id) => {
            let state = rig.partition("t");
            let left: Vec<i32> = state.isr.iter().map(|b| b.0).filter(|b| b != id).collect();
            if state.leader.is_some_and(|leader| leader.0 != *id) {
                rig.propose(&left);
            }
        }
        Step::Grow => {
            let live: Vec<i32> = (1..=3).filter(|id| alive(rig, id)).collect();
            if rig.partition("t").leader.is_some() {
                rig.propose(&live);
            }
        }
        Step::Restart => rig.restart(),
        Step::Start(..) | Step::Kill(_) | Step::Stop(_) => {}
    }
}

fn check(rig: &Rig, min_isr: usize) {
    let cluster = &rig.controller.cluster;
    let state = rig.partition("t");
    if let Some(leader) = state.leader {
        assert!(
            state.isr.contains(&leader),
            "the leader is in the ISR: {state:?}"
        );
        assert!(
            cluster.image.is_active(leader),
            "the leader lives: {state:?}"
        );
        let last_known = &state.last_known_elr;
        assert!(
            last_known.is_empty(),
            "only without leader there is a last known one: {state:?}"
        );
    }
    assert!(
        state.elr.iter().all(|broker| !state.isr.contains(broker)),
        "{state:?}"
    );
    if cluster.image.is_elr_enabled() {
        assert!(
            state.elr.is_empty() || state.isr.len() < min_isr,
            "{state:?}"
        );
        assert!(state.leader.is_some() || state.isr.is_empty(), "{state:?}");
    } else {
        assert!(!state.isr.is_empty() && state.elr.is_empty(), "{state:?}");
    }
    let mut index = PartitionIndex::default();
    index.update((rig.topic_id("t"), 0), None, &state);
    assert_eq!(cluster.index, index);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn leaders_isr_and_elr_keep_their_rules(
        steps in prop::collection::vec(step(), 1..30),
        elr in any::<bool>(),
        unclean in any::<bool>(),
        min_isr in 1..=3_usize,
    ) {
        let rules = Rules { elr, ..Rules::default() };
        let mut rig = Rig::new(rules);
        for id in 1..=3 {
            rig.start_broker(id, false);
        }
        let configs = [
            ("min.insync.replicas", min_isr.to_string()),
            ("unclean.leader.election.enable", unclean.to_string()),
        ];
        let configs = configs.each_ref().map(|(key, value)| (*key, value.as_str()));
        rig.create("t", &[1, 2, 3], &configs);
        let mut epochs = (0, 0);
        for step in &steps {
            play(&mut rig, step);
            check(&rig, min_isr);
            let state = rig.partition("t");
            let now = (state.leader_epoch.0, state.partition_epoch.0);
            assert!(now.0 >= epochs.0 && now.1 >= epochs.1);
            epochs = now;
        }
    }
}
