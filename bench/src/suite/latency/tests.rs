use super::*;

/// A few joins and leaves of everything.
fn a_few() -> Plan {
    Plan {
        joins: 10,
        leaves: 10,
        leaves_at_once: 5,
        storms: vec![1_000],
        joins_in_storm: 5,
        storm: Duration::from_secs(2),
    }
}

#[test]
fn every_join_of_igmpd_is_served_and_every_leave_ends() {
    let plan = a_few();
    let turn = turn::take(Contestant::Igmpd, &plan).expect("a turn");
    for (trial, tried) in [(&turn.joins, 10), (&turn.leaves, 10), (&turn.storms[0].joins, 5)] {
        assert_eq!((trial.tried, trial.seconds.len()), (tried, tried), "{trial:?}");
        assert_eq!((trial.not_done, trial.early), (0, 0), "{trial:?}");
    }
    // RFC 9776 §6.4.2: members that are left have the Last Member Query Time to say so. On a busy machine the source may rest
    // while it ends, and the last packet have come earlier, but not each time.
    let least = scene::LAST_MEMBER_QUERY_TIME.as_secs_f64() / 2.0;
    assert!(
        turn.leaves.seconds.iter().any(|seconds| *seconds > least),
        "{:?}",
        turn.leaves
    );
    let storm = &turn.storms[0];
    assert!(storm.reported > 0, "{storm:?}");
    assert_eq!(storm.known, storm.reported);
    assert!(!turn.gaps.is_empty());
}

#[test]
fn an_immediate_leave_does_not_wait_for_others() {
    let turn = turn::take(Contestant::ImmediateIgmpd, &a_few()).expect("a turn");
    assert_eq!((turn.leaves.tried, turn.leaves.not_done), (10, 0));
    let most = scene::LAST_MEMBER_QUERY_TIME.as_secs_f64();
    assert!(
        turn.leaves.seconds.iter().any(|seconds| *seconds < most),
        "{:?}",
        turn.leaves
    );
}

#[test]
fn joins_that_nobody_serves_are_not_done() {
    let plan = Plan {
        joins: 2,
        joins_in_storm: 1,
        ..a_few()
    };
    let section = run(&plan, 1, &[Contestant::Nobody]).expect("a section");
    let (_, cells) = section.tables[0].rows.first().expect("a row");
    let texts: Vec<_> = cells.iter().take(4).collect();
    assert_eq!(texts, [&"2".into(), &"2".into(), &"–".into(), &"–".into()]);
    assert!(section.goals.iter().all(|goal| !goal.is_met()));
    assert!(section.plots.iter().all(|plot| plot.series.is_empty()));
}
