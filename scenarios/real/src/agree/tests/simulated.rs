//! Cells of all-brokers-down, simulated, held against each other and against themselves with something
//! planted in them.

use super::super::{Agreement, But, Kind, compare};
use super::*;
use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial_reports::Cell;
use ktrial_sim::history::{RealCluster, What};
use ktrial_sim::{check, trial};

/// Both cells: unclean election off, and on.
fn cells(seed: u64) -> Vec<Cell> {
    let entry = ktrial::library::find("all-brokers-down").unwrap();
    let scenario = parse(entry.name, entry.path, entry.text).unwrap();
    let plans = compile(&scenario, seed, &[]).unwrap().plans;
    let cell = |plan| {
        let record = trial::run(&plan).unwrap();
        let verdict = check::judge(&plan, &record);
        Cell {
            plan,
            record,
            verdict,
            unmet: Vec::new(),
        }
    };
    plans.into_iter().map(cell).collect()
}

/// As if it had been played on a real cluster.
fn real(mut cell: Cell) -> Cell {
    let (release, mode) = ("4.3.1".to_owned(), "kraft".to_owned());
    cell.record.header.real = Some(RealCluster { release, mode });
    cell
}

fn of(cells: &[Cell], index: usize) -> Outcome {
    Outcome::of(&real(cells[index].clone()))
}

#[track_caller]
fn first(simulated: &Outcome, real: &Outcome) -> (Kind, String) {
    match compare(std::slice::from_ref(simulated), real) {
        Agreement::Differs { first, .. } => (first.kind, first.says),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cell_is_the_same_as_itself_and_under_another_seed() {
    let (one, two) = (cells(1), cells(2));
    for index in [0, 1] {
        let simulated = Outcome::of(&one[index]);
        assert_eq!(simulated.place, "simulated");
        assert_eq!(
            compare(std::slice::from_ref(&simulated), &of(&one, index)),
            Agreement::Same { of: 1 }
        );
        let other = compare(&[simulated], &of(&two, index));
        assert!(
            matches!(&other, Agreement::Same { .. })
                || matches!(&other, Agreement::SameBut { but, .. } if *but == [But::Timing]),
            "{other:?}"
        );
    }
    let states = &Outcome::of(&one[0]).states[&orders()];
    assert_eq!(states.first().unwrap(), &state("1 0 | 1 2 3"));
    assert_eq!(states[1], state("1 0 | 1 2"));
    assert_eq!(states[1].after.as_deref(), Some("kill broker 3"));
    assert_eq!(states[3], state("- 1 | | 1 | 1"));
}

#[test]
fn the_other_cell_differs() {
    let cells = cells(1);
    let (kept, unclean) = (Outcome::of(&cells[0]), of(&cells, 1));
    match compare(&[kept], &unclean) {
        Agreement::Differs { first, others, .. } => {
            assert_eq!(
                first.says,
                "the verdict is permitted (inconsistent_offsets, leader_completeness, lost_write, nonmonotonic_send) on \
             4.3.1, kept simulated"
            );
            let says: Vec<&str> = others.iter().map(|other| other.says.as_str()).collect();
            assert_eq!(says[0], "4.3.1 lost [B, C], simulated nothing");
            let logs = "the logs of orders-0 on brokers 1, 2, 3 end [A, D] on 4.3.1, [A, B, C, D] simulated";
            assert_eq!(says[1], logs);
            assert!(
                says.last()
                    .unwrap()
                    .starts_with("after \"start broker 3\", broker 3 led orders-0")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_planted_difference_is_found() {
    let cells = cells(1);
    let simulated = Outcome::of(&cells[1]);
    // A value is gone from one log.
    let mut lossy = of(&cells, 1);
    lossy.replica_mut(2).records.pop();
    let says = "broker 2's log of orders-0 ends [A] on 4.3.1, [A, D] simulated";
    assert_eq!(first(&simulated, &lossy), (Kind::Logs, says.to_owned()));
    // From one of its states on, the epoch is one more than simulated.
    let mut shifted = of(&cells, 1);
    for state in &mut shifted.states_mut()[1..] {
        state.leader_epoch = state.leader_epoch.next();
    }
    let says = "after \"kill broker 3\", 4.3.1 raised the leader epoch of orders-0 to 1 when broker 3 left \
                the ISR; simulated it stayed 0";
    assert_eq!(first(&simulated, &shifted), (Kind::States, says.to_owned()));
    // Two steps of the ISR, the other way round: broker 2 left before broker 3.
    let mut swapped = of(&cells, 1);
    assert_eq!(swapped.states_mut()[1].isr, ids("1 2"));
    swapped.states_mut()[1].isr = ids("1 3");
    assert_eq!(
        compare(&[simulated], &swapped),
        Agreement::SameBut {
            but: vec![But::Timing],
            of: 1
        }
    );
}

#[test]
fn damage_and_unknown_sends_come_from_the_record() {
    let mut cell = real(cells(1).remove(0));
    for entry in &mut cell.record.entries {
        if let What::FinalLog(log) = &mut entry.what {
            log.damage = (log.broker == BrokerId(3)).then(|| "torn".to_owned());
        }
    }
    let mut outcome = Outcome::of(&cell);
    assert_eq!(outcome.replica_mut(3).damage.as_deref(), Some("torn"));
    assert_eq!(outcome.sends["D"], End::Acknowledged(Some(Offset(3))));
    assert_eq!(outcome.replica_mut(3).values(), ["A", "B", "C", "D"]);
}
