use std::time::Instant;

use ::tests::RawSocket;

use super::{
    generator::{Generator, frame, group, set_number},
    member::Member,
    scene::Scene,
    *,
};

/// A few joins and leaves of everything.
fn a_few() -> Plan {
    Plan {
        joins: 10,
        leaves: 10,
        leaves_at_once: 5,
        storms: vec![1_000],
        joins_in_storm: 5,
        leaves_in_storm: 5,
        storm: Duration::from_secs(2),
    }
}

#[test]
fn every_join_of_igmpd_is_served_and_every_leave_ends() {
    let plan = a_few();
    let turn = turn::take(Contestant::Igmpd, &plan).expect("a turn");
    let storm = &turn.storms[0];
    let trials = [
        (&turn.joins, 10),
        (&turn.leaves, 10),
        (&storm.joins, 5),
        (&storm.leaves, 5),
    ];
    for (trial, tried) in trials {
        assert_eq!((trial.tried, trial.seconds.len()), (tried, tried), "{trial:?}");
        assert_eq!((trial.not_done, trial.early, trial.dry), (0, 0, 0), "{trial:?}");
    }
    // RFC 9776 §6.4.2: members that are left have the Last Member Query Time to say so. On a busy machine the source may rest
    // while it ends, and the last packet have come earlier, but not each time.
    let least = scene::LAST_MEMBER_QUERY_TIME.as_secs_f64() / 2.0;
    assert!(
        turn.leaves.seconds.iter().any(|seconds| *seconds > least),
        "{:?}",
        turn.leaves
    );
    assert!(storm.reported > 0, "{storm:?}");
    assert_eq!(storm.known, storm.reported);
    assert!(!turn.gaps.is_empty());
}

#[test]
fn an_immediate_leave_does_not_wait_for_others() {
    let turn = turn::take(Contestant::ImmediateIgmpd, &a_few()).expect("a turn");
    assert_eq!(
        (turn.leaves.tried, turn.leaves.not_done),
        (10, 0),
        "{:?}",
        turn.leaves
    );
    assert_eq!(turn.leaves.dry, 0, "{:?}", turn.leaves);
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

#[test]
fn a_group_is_left_once_its_data_comes_and_one_that_stays_dry_is_told() {
    let scene = Scene::new();
    let generator = Generator::start(&scene).expect("a generator");
    let mut member = Member::new(&scene, &generator).expect("a member");
    for number in 0..2 {
        member.take_for_served(group(number));
    }
    let turn = Turn {
        leaves: std::thread::scope(|scope| {
            // Nobody routes, so what comes is this packet alone, much later than packets were sent.
            scope.spawn(|| {
                let raw = RawSocket::open(&scene.router, "lan1");
                let mut late = frame(group(0));
                generator.wait_more(1_000);
                set_number(&mut late, generator.next());
                raw.send_frame(&late);
            });
            member.leave_in_parts(0..3, 3, Instant::now() + Duration::from_secs(60))
        })
        .expect("leaves"),
        ..Turn::default()
    };
    assert_eq!(
        (turn.leaves.tried, turn.leaves.not_done),
        (1, 0),
        "{:?}",
        turn.leaves
    );
    assert_eq!(turn.leaves.dry, 1, "{:?}", turn.leaves);
    let mut section = Section::new("", &[]);
    outcome::describe(&mut section, &a_few(), &[(Contestant::Igmpd, turn)]);
    assert!(
        section
            .remarks
            .iter()
            .any(|remark| remark.contains("1 groups could not be left")),
        "{:?}",
        section.remarks
    );
    let goal = section
        .goals
        .iter()
        .find(|goal| goal.id == "latency.not-done")
        .expect("a goal");
    assert!(!goal.is_met());
}
