//! The end of a membership is the end of the data: after a leave, after the last-member queries, and after a silence.

use std::time::Duration;

use tests::{
    PATIENCE, Packet,
    packet::{Record, TO_EX},
    stream::{Datapath, Site, message::now},
    wait_for,
};

use crate::common::{GROUP, reporter};

/// How much later than a timer something may happen on a busy machine.
const SLACK: Duration = Duration::from_secs(4);
/// How much earlier, since a packet's time is taken at other places than that of the report.
const EARLY: Duration = Duration::from_millis(50);

on_datapaths!(immediate_leave: native Native, plain Plain, generic Generic);

fn immediate_leave(datapath: Datapath) {
    let site = Site::new(datapath, 3);
    let igmpd = site.start_with(&site.config_with("", "[igmp]\nimmediate-leave = true\n", "", ""));
    site.join(&igmpd, 1, GROUP);
    site.join(&igmpd, 2, GROUP);
    let stream = site.send_to(GROUP).start(1_000);
    stream.wait_more(100);
    site.station(2).receiver.leave(GROUP);
    igmpd.wait_left("lan2", GROUP, PATIENCE);
    // The next packet may have been on its way.
    let last = stream.sent();
    stream.wait_more(300);
    let sender = stream.stop();
    site.settle();
    site.station(1)
        .got(&sender)
        .assert_exactly("who stayed", sender.sent());
    let seen = site.station(2).saw(&sender);
    seen.assert_in_order("who left");
    assert!(
        seen.span().is_some_and(|(_, highest)| highest <= last),
        "{:?} {last}",
        seen.span()
    );
}

// Last Member Query Time is 2 · 0.5 s (RFC 9776 §8.10): until then somebody else may still want the data.
on_datapaths!(last_member_query: native Native, plain Plain);

fn last_member_query(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmp = "[igmp]\nlast-member-query-interval = 0.5\n";
    let igmpd = site.start_with(&site.config_with("", igmp, "", ""));
    site.join(&igmpd, 1, GROUP);
    let stream = site.send_to(GROUP).start(500);
    stream.wait_more(100);
    let left_at = now();
    site.station(1).receiver.leave(GROUP);
    igmpd.wait_left("lan1", GROUP, PATIENCE);
    let last = stream.sent();
    stream.wait_more(100);
    let sender = stream.stop();
    site.settle();
    let seen = site.station(1).saw(&sender);
    let &(highest, end) = seen.all.last().expect("data before the leave");
    seen.assert_exactly("the link", 0..highest + 1);
    let took = end - left_at;
    assert!(took >= Duration::from_secs(1) - EARLY, "{took:?}");
    assert!(took < Duration::from_secs(1) + SLACK, "{took:?}");
    assert!(highest <= last);
}

// Group Membership Interval is 2 · 1 s + 2 · 0.5 s (RFC 9776 §8.4).
on_datapaths!(silence: native Native, plain Plain);

fn silence(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmp = "[igmp]\nquery-interval = 1\nquery-max-response-time = 0.5\n";
    let igmpd = site.start_with(&site.config_with("", igmp, "", ""));
    let raw = reporter(&site, 1);
    let stream = site.send_to(GROUP).start(500);
    let joined_at = now();
    // Nobody with this address will ever answer a query.
    raw.send(&Packet::v3_report(
        [10, 1, 1, 66],
        &[Record::new(TO_EX, GROUP, &[])],
    ));
    igmpd.wait_joined("lan1", GROUP);
    igmpd.wait_left("lan1", GROUP, PATIENCE);
    let last = stream.sent();
    stream.wait_more(100);
    let sender = stream.stop();
    site.settle();
    let seen = site.station(1).saw(&sender);
    let (&(first, _), &(highest, end)) = seen.all.first().zip(seen.all.last()).expect("data");
    seen.assert_exactly("the link", first..highest + 1);
    let took = end - joined_at;
    assert!(took >= Duration::from_secs(3) - EARLY, "{took:?}");
    assert!(took < Duration::from_secs(3) + SLACK, "{took:?}");
    assert!(highest <= last);
}

/// What the operator clears comes back as soon as the hosts answer.
#[test]
fn cleared_groups() {
    let site = Site::new(Datapath::Plain, 2);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let stream = site.send_to(GROUP).start(500);
    let output = igmpd.control(&["clear", "groups", "--group", &GROUP.to_string()]);
    assert!(output.status.success());
    let cleared = stream.sent();
    wait_for("the data to be back", PATIENCE, || {
        let arrivals = site
            .station(1)
            .receiver
            .arrivals(stream.stream(), stream.source(), GROUP);
        match arrivals.span() {
            Some((_, highest)) if highest > cleared + 500 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let sender = stream.stop();
    site.settle();
    site.station(1).got(&sender).assert_in_order("the member");
}
