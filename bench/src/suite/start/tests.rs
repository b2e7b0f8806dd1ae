use super::*;

#[test]
fn each_interface_is_attached_and_has_a_query() {
    for count in [1, 3] {
        let site = Site::new(count);
        let start = site.start(Contestant::Igmpd).expect("a start");
        assert_eq!(start.queries.len(), count, "{start:?}");
        assert!(start.queries.iter().all(|seconds| *seconds > 0.0), "{start:?}");
        assert_eq!(start.attached_count, count, "{start:?}");
    }
}

#[test]
fn queries_that_are_missing_are_no_number() {
    let starts = [
        Start {
            queries: vec![0.1, 0.2],
            attached: None,
            attached_count: 1,
        },
        Start {
            queries: vec![0.1],
            attached: Some(0.1),
            attached_count: 2,
        },
    ];
    assert_eq!(every_query(&starts, 2), None);
    let cells = cells(&starts, 2);
    let wanted: [Cell; 4] = ["–".into(), "–".into(), "1 of 2".into(), "1 of 2".into()];
    assert_eq!(cells[1..], wanted);
}
