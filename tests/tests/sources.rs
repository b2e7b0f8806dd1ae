//! Source-specific membership: INCLUDE and EXCLUDE lists of one host and of several (RFC 9776 §6.4).

use std::net::Ipv4Addr;

use tests::{
    Igmpd, Lan, PATIENCE,
    filter::Mode,
    json::{FilterMode, Group},
    wait_for,
};

/// A group of the source-specific range (RFC 4607).
const CHANNEL: Ipv4Addr = Ipv4Addr::new(232, 1, 1, 1);
/// A group of any other range, where EXCLUDE is allowed too.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const C: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);

/// The sources that are forwarded and those that are not, as listed.
fn lists(group: &Group) -> (Vec<Ipv4Addr>, Vec<Ipv4Addr>) {
    let pick = |forwarding| {
        group
            .source
            .iter()
            .filter(|source| source.forwarding == forwarding)
            .map(|source| source.source_address)
            .collect()
    };
    (pick(true), pick(false))
}

/// Waits until the group is in INCLUDE mode with exactly these sources.
#[track_caller]
fn wait_include(igmpd: &Igmpd, group: Ipv4Addr, sources: &[Ipv4Addr]) -> Group {
    let what = format!("INCLUDE({sources:?})");
    let found = igmpd.wait_group(&what, PATIENCE, "lan0", group, |group| {
        group.filter_mode == FilterMode::Include && lists(group) == (sources.to_vec(), Vec::new())
    });
    assert_eq!(
        found.expire, None,
        "there is no group timer in INCLUDE mode: {found:?}"
    );
    for source in &found.source {
        // Group Membership Interval of `lan::QUICK`.
        let expire = source.expire.expect("source timers run");
        assert!(expire > 0.0 && expire <= 6.0, "{found:?}");
    }
    found
}

/// Waits until the group is in EXCLUDE mode and exactly these sources are excluded. Others may be listed as forwarded: a
/// source that one host wants and no host excludes comes and goes with the order of reports (RFC 9776 §6.4.1).
#[track_caller]
fn wait_exclude(igmpd: &Igmpd, group: Ipv4Addr, excluded: &[Ipv4Addr]) -> Group {
    let what = format!("EXCLUDE(…, {excluded:?})");
    let found = igmpd.wait_group(&what, PATIENCE, "lan0", group, |group| {
        group.filter_mode == FilterMode::Exclude && lists(group).1 == excluded
    });
    assert!(
        found.expire.is_some(),
        "the group timer runs in EXCLUDE mode: {found:?}"
    );
    for source in found.source.iter().filter(|source| !source.forwarding) {
        assert_eq!(
            source.expire,
            Some(0.0),
            "the timer of an excluded source has ended: {found:?}"
        );
    }
    found
}

/// Waits until the group was refreshed for longer than the Group Membership Interval, and checks it at each look.
#[track_caller]
fn stays(igmpd: &Igmpd, group: Ipv4Addr, check: impl Fn(&Group) -> Result<(), String>) {
    let start = igmpd
        .group("lan0", group)
        .expect("a group that has members")
        .up_time;
    igmpd.wait_group("time to pass", PATIENCE, "lan0", group, |group| {
        if let Err(error) = check(group) {
            panic!("{error}: {group:?}");
        }
        group.up_time > start + 6.5
    });
}

#[test]
fn a_channel_of_one_source() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("");
    let membership = host.join_source(CHANNEL, A);
    let group = wait_include(&igmpd, CHANNEL, &[A]);
    assert_eq!(group.compatibility_mode, 3);
    assert_eq!(group.last_reporter, Some(host.address()));
    // Refreshed by IS_IN({A}) in answer to General Queries.
    stays(&igmpd, CHANNEL, |group| match lists(group) {
        (forwarded, _) if forwarded == [A] => Ok(()),
        other => Err(format!("{other:?}")),
    });
    drop(membership);
    igmpd.wait_left("lan0", CHANNEL, PATIENCE);
    let sent = igmpd.statistics("lan0").sent;
    // BLOCK({A}) asks for Q(G,{A}), and Last Member Query Count is 2. No host has to answer for the group as a whole.
    assert!(sent.group_source_query >= 2, "{sent:?}");
    assert_eq!(sent.group_query, 0, "{sent:?}");
}

#[test]
fn sources_come_and_go_one_by_one() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("");
    let monitor = igmpd.monitor();
    let membership = host.join_source(CHANNEL, A);
    wait_include(&igmpd, CHANNEL, &[A]);
    membership.add_source(CHANNEL, B);
    wait_include(&igmpd, CHANNEL, &[A, B]);
    membership.remove_source(CHANNEL, A);
    wait_include(&igmpd, CHANNEL, &[B]);
    membership.add_source(CHANNEL, C);
    wait_include(&igmpd, CHANNEL, &[B, C]);
    drop(membership);
    igmpd.wait_left("lan0", CHANNEL, PATIENCE);
    for source in [A, B, C] {
        for event in ["source-added", "source-removed"] {
            monitor.wait_for(&format!("{event} {source}"), PATIENCE, |found| {
                found.event == event
                    && found.group_address == Some(CHANNEL)
                    && found.source_address == Some(source)
            });
        }
    }
    assert_eq!(monitor.count(|event| event.event == "group-joined"), 1);
    assert_eq!(monitor.count(|event| event.event == "group-left"), 1);
}

// INCLUDE(A,B) and INCLUDE(B,C) on one link: the union, and B outlives the leave of either.
#[test]
fn two_hosts_with_include_lists() {
    let lan = Lan::new();
    let (first, second) = (lan.host(2), lan.host(3));
    let igmpd = lan.igmpd("");
    let of_first = first.join_source(GROUP, A);
    of_first.add_source(GROUP, B);
    let of_second = second.join_source(GROUP, B);
    of_second.add_source(GROUP, C);
    wait_include(&igmpd, GROUP, &[A, B, C]);
    drop(of_first);
    wait_include(&igmpd, GROUP, &[B, C]);
    stays(&igmpd, GROUP, |group| match lists(group) {
        (forwarded, _) if forwarded == [B, C] => Ok(()),
        other => Err(format!("{other:?}")),
    });
    drop(of_second);
    igmpd.wait_left("lan0", GROUP, PATIENCE);
}

// EXCLUDE(A,B) and EXCLUDE(B,C) on one link: only B is wanted by nobody (RFC 9776 §3.2).
#[test]
fn two_hosts_with_exclude_lists() {
    let lan = Lan::new();
    let (first, second) = (lan.host(2), lan.host(3));
    let igmpd = lan.igmpd("");
    let of_first = first.join(GROUP);
    of_first.filter(GROUP, Mode::Exclude, &[A, B]);
    wait_exclude(&igmpd, GROUP, &[A, B]);
    let of_second = second.join(GROUP);
    of_second.filter(GROUP, Mode::Exclude, &[B, C]);
    wait_exclude(&igmpd, GROUP, &[B]);
    stays(&igmpd, GROUP, |group| match lists(group) {
        (_, excluded) if excluded == [B] => Ok(()),
        other => Err(format!("{other:?}")),
    });
    // Once the second host has left, the first one's list is all there is.
    drop(of_second);
    wait_exclude(&igmpd, GROUP, &[A, B]);
    drop(of_first);
    igmpd.wait_left("lan0", GROUP, PATIENCE);
}

// EXCLUDE(A) and INCLUDE(A,B) on one link: nothing is excluded while the second host wants A.
#[test]
fn an_include_list_beside_an_exclude_list() {
    let lan = Lan::new();
    let (excluding, including) = (lan.host(2), lan.host(3));
    let igmpd = lan.igmpd("");
    let includes = including.join_source(GROUP, A);
    includes.add_source(GROUP, B);
    wait_include(&igmpd, GROUP, &[A, B]);
    let excludes = excluding.join(GROUP);
    excludes.filter(GROUP, Mode::Exclude, &[A]);
    igmpd.wait_group(
        "A to be listed in EXCLUDE mode",
        PATIENCE,
        "lan0",
        GROUP,
        |group| group.filter_mode == FilterMode::Exclude && lists(group).0.contains(&A),
    );
    stays(&igmpd, GROUP, |group| match lists(group) {
        (forwarded, excluded) if excluded.is_empty() && forwarded.contains(&A) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    drop(includes);
    wait_exclude(&igmpd, GROUP, &[A]);
    // The host changes its mind: ALLOW({A}).
    excludes.filter(GROUP, Mode::Exclude, &[]);
    wait_exclude(&igmpd, GROUP, &[]);
    drop(excludes);
    igmpd.wait_left("lan0", GROUP, PATIENCE);
}

// When the only EXCLUDE member leaves, the group is an INCLUDE group again (RFC 9776 §6.5).
#[test]
fn a_group_returns_to_include_mode() {
    let lan = Lan::new();
    let (excluding, including) = (lan.host(2), lan.host(3));
    let igmpd = lan.igmpd("");
    let _includes = including.join_source(GROUP, A);
    wait_include(&igmpd, GROUP, &[A]);
    let excludes = excluding.join(GROUP);
    wait_exclude(&igmpd, GROUP, &[]);
    drop(excludes);
    wait_include(&igmpd, GROUP, &[A]);
    stays(&igmpd, GROUP, |group| match group.filter_mode {
        FilterMode::Include => Ok(()),
        FilterMode::Exclude => Err("EXCLUDE".to_owned()),
    });
}

// TO_EX and TO_IN with lists: one host changes filter mode and list in one step.
#[test]
fn one_host_changes_its_mode() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("");
    let membership = host.join_source(GROUP, A);
    wait_include(&igmpd, GROUP, &[A]);
    membership.filter(GROUP, Mode::Exclude, &[A, B]);
    wait_exclude(&igmpd, GROUP, &[A, B]);
    membership.filter(GROUP, Mode::Include, &[B, C]);
    wait_include(&igmpd, GROUP, &[B, C]);
    drop(membership);
    igmpd.wait_left("lan0", GROUP, PATIENCE);
}

// RFC 4604 §3.5: reports without sources mean nothing in 232.0.0.0/8.
#[test]
fn any_source_joins_of_a_channel_are_refused() {
    let lan = Lan::new();
    let host = lan.host(2);
    host.force_version(2);
    let igmpd = lan.igmpd("");
    let _membership = host.join(CHANNEL);
    wait_for("the refusal", PATIENCE, || {
        let dropped = igmpd.statistics("lan0").dropped;
        if dropped["ssm-range"] > 0 {
            Ok(())
        } else {
            Err(format!("{dropped:?}"))
        }
    });
    assert_eq!(igmpd.groups(), []);
}
