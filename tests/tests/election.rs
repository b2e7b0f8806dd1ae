//! The querier election (RFC 9776 §6.6.2), with another igmpd and with FRR's pimd.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tests::{Frr, Igmpd, Lan, Namespace, PATIENCE, json::Igmp, lan::QUICK, wait_for};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
const LOWER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);
const HIGHER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 9);
/// Other Querier Present Interval of `lan::QUICK`: 2·2 s + 1 s / 2 (RFC 9776 §8.5).
const OTHER_QUERIER_PRESENT: f64 = 4.5;
/// How much later than a timer something may be noticed on a busy machine.
const SLACK: Duration = Duration::from_secs(4);

/// Another router on the link of `lan`, with the address [`HIGHER`].
fn second_router(lan: &Lan) -> Namespace {
    let second = lan.network.namespace("second");
    lan.switch.plug(&lan.network, "second", &second, "lan0");
    second.address("lan0", HIGHER, 24);
    second
}

fn start(lan: &Lan, namespace: &Namespace) -> Igmpd {
    let config = format!("{QUICK}\n[interfaces.lan0]\nigmp = {{}}\n");
    Igmpd::start_on(&lan.network, namespace, &["lan0"], &config)
}

#[track_caller]
fn wait_querier(igmpd: &Igmpd, timeout: Duration, querier: Ipv4Addr, is_querier: bool) -> Igmp {
    wait_for(&format!("{querier} to be the querier"), timeout, || {
        let igmp = igmpd.igmp("lan0");
        if igmp.querier == Some(querier) && igmp.is_querier == is_querier {
            Ok(igmp)
        } else {
            Err(format!("{igmp:?}"))
        }
    })
}

#[test]
fn the_lower_address_queries_until_it_dies() {
    let lan = Lan::new();
    let second = second_router(&lan);
    let host = lan.host(20);
    // The one with the higher address begins alone, so that it has to give way.
    let higher = start(&lan, &second);
    wait_querier(&higher, PATIENCE, HIGHER, true);
    let monitor = higher.monitor();
    let mut lower = start(&lan, &lan.router);
    let igmp = wait_querier(&higher, PATIENCE, LOWER, false);
    assert_eq!(igmp.next_query, None);
    // Each query of the other sets the timer to the Other Querier Present Interval, from where it counts down.
    wait_for("a timer that was just set", PATIENCE, || {
        let igmp = higher.igmp("lan0");
        let expire = igmp
            .other_querier_expire
            .expect("the timer runs while another is the querier");
        assert!(expire > 0.0 && expire <= OTHER_QUERIER_PRESENT, "{igmp:?}");
        if expire > OTHER_QUERIER_PRESENT - 0.75 {
            Ok(())
        } else {
            Err(format!("{expire}"))
        }
    });
    wait_querier(&lower, PATIENCE, LOWER, true);
    let (_, event) = monitor.wait_for("the change", PATIENCE, |event| event.event == "querier-changed");
    assert_eq!(event.reporter, Some(LOWER));

    // Both know of members, but only one asks.
    let _membership = host.join(GROUP);
    higher.wait_joined("lan0", GROUP);
    lower.wait_joined("lan0", GROUP);
    let silent = higher.statistics("lan0");
    wait_for("three queries of the other", PATIENCE, || {
        let now = higher.statistics("lan0").received.query_v3;
        let heard = now - silent.received.query_v3;
        if heard >= 3 {
            Ok(())
        } else {
            Err(format!("{heard}"))
        }
    });
    assert_eq!(
        higher.statistics("lan0").sent,
        silent.sent,
        "a non-querier sends no query"
    );

    let before = higher.group("lan0", GROUP).expect("a member is there");
    lower.process().signal(Signal::SIGKILL);
    let died_at = Instant::now();
    wait_querier(
        &higher,
        Duration::from_secs_f64(OTHER_QUERIER_PRESENT) + SLACK,
        HIGHER,
        true,
    );
    // The last query may have been up to one Query Interval ago.
    let least = Duration::from_secs_f64(OTHER_QUERIER_PRESENT - 2.0);
    assert!(
        died_at.elapsed() + Duration::from_millis(500) >= least,
        "{:?}",
        died_at.elapsed()
    );
    higher.wait_queries("lan0", 2);
    let after = higher.group("lan0", GROUP).expect("a member is there");
    assert!(
        after.up_time > before.up_time,
        "the membership was not interrupted: {after:?}"
    );
}

// RFC 2236 §3: a non-querier ignores Leaves and waits for the querier's question.
#[test]
fn a_non_querier_follows_the_querier_when_a_host_leaves() {
    let lan = Lan::new();
    let second = second_router(&lan);
    let host = lan.host(20);
    host.force_version(2);
    let lower = start(&lan, &lan.router);
    let higher = start(&lan, &second);
    wait_querier(&higher, PATIENCE, LOWER, false);
    let membership = host.join(GROUP);
    higher.wait_joined("lan0", GROUP);
    lower.wait_joined("lan0", GROUP);
    let silent = higher.statistics("lan0").sent;
    drop(membership);
    lower.wait_left("lan0", GROUP, PATIENCE);
    // Sooner than the group would time out: the querier's Group-Specific Query lowered the timer.
    higher.wait_left("lan0", GROUP, Duration::from_secs(4));
    assert_eq!(higher.statistics("lan0").sent, silent);
}

/// FRR with the same timers. Its Max Response Time is in tenths of a second.
const FRR_CONFIG: &str = "
interface lan0
 ip igmp
 ip igmp version 3
 ip igmp query-max-response-time 10
 ip igmp query-interval 2
 ip igmp last-member-query-interval 5
";

#[track_caller]
fn wait_frr(frr: &Frr, querier: &str) {
    wait_for(&format!("FRR's querier to be {querier}"), PATIENCE, || {
        let state = frr.show("show ip igmp interface lan0 json");
        if state["lan0"]["querier"] == querier {
            Ok(())
        } else {
            Err(format!("{state:#}"))
        }
    });
}

#[test]
fn frr_gives_way_to_a_lower_igmpd() {
    let lan = Lan::new();
    let second = second_router(&lan);
    let host = lan.host(20);
    let frr = Frr::start(&lan.network, &second, FRR_CONFIG);
    wait_frr(&frr, "local");
    let igmpd = start(&lan, &lan.router);
    wait_frr(&frr, "other");
    wait_querier(&igmpd, PATIENCE, LOWER, true);
    // Hearing the other's queries meanwhile did not confuse it, and members are known to both.
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
    wait_for("FRR to know the group", PATIENCE, || {
        let state = frr.show("show ip igmp groups json");
        if state.to_string().contains("239.1.1.1") {
            Ok(())
        } else {
            Err(format!("{state:#}"))
        }
    });
    igmpd.wait_queries("lan0", 3);
    wait_frr(&frr, "other");
    wait_querier(&igmpd, PATIENCE, LOWER, true);
}

#[test]
fn igmpd_gives_way_to_a_lower_frr_and_takes_over() {
    let lan = Lan::new();
    let second = second_router(&lan);
    let host = lan.host(20);
    let igmpd = start(&lan, &second);
    wait_querier(&igmpd, PATIENCE, HIGHER, true);
    let mut frr = Frr::start(&lan.network, &lan.router, FRR_CONFIG);
    wait_querier(&igmpd, PATIENCE, LOWER, false);
    wait_frr(&frr, "local");
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
    let silent = igmpd.statistics("lan0");
    wait_for("three queries of FRR", PATIENCE, || {
        let heard = igmpd.statistics("lan0").received.query_v3 - silent.received.query_v3;
        if heard >= 3 {
            Ok(())
        } else {
            Err(format!("{heard}"))
        }
    });
    assert_eq!(
        igmpd.statistics("lan0").sent,
        silent.sent,
        "a non-querier sends no query"
    );

    frr.pimd().signal(Signal::SIGKILL);
    wait_querier(
        &igmpd,
        Duration::from_secs_f64(OTHER_QUERIER_PRESENT) + SLACK,
        HIGHER,
        true,
    );
    igmpd.wait_queries("lan0", 2);
    assert!(igmpd.group("lan0", GROUP).is_some());
}
