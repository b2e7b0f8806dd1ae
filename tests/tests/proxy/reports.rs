//! What members want is told upstream as a host tells it (RFC 4605 §4.1, RFC 9776 §5.1).

use std::net::Ipv4Addr;

use tests::{
    PATIENCE,
    filter::Mode,
    packet::{ALLOW, BLOCK, ROUTER_ALERT, Record, TO_EX, TO_IN},
    stream::site::WAN,
    wait_for,
};

use crate::common::{GROUP, Proxied, SSM_GROUP};

const S1: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const S2: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

#[test]
fn members_of_all_networks_are_one_member() {
    let proxy = Proxied::new(2);
    let (site, watch) = (&proxy.site, &proxy.upstream);
    watch.mark();
    site.join(&proxy.igmpd, 1, GROUP);
    let joined = Record::new(TO_EX, GROUP, &[]);
    // Robustness Variable times (RFC 9776 §5.1).
    watch.wait_record(&joined, 2);
    let report = watch.said().pop().expect("it was just seen");
    assert_eq!(report.source, WAN);
    assert_eq!(report.destination, Ipv4Addr::new(224, 0, 0, 22));
    assert_eq!((report.ttl, report.tos), (1, 0xc0));
    assert_eq!(report.options, ROUTER_ALERT);

    // The second member changes nothing, and neither does it when one of them leaves.
    watch.mark();
    site.join(&proxy.igmpd, 2, GROUP);
    site.station(1).receiver.leave(GROUP);
    proxy.igmpd.wait_left("lan1", GROUP, PATIENCE);
    assert_eq!(watch.records_of(GROUP), []);
    site.station(2).receiver.leave(GROUP);
    watch.wait_record(&Record::new(TO_IN, GROUP, &[]), 2);
    assert!(watch.records_of(GROUP).iter().all(|record| record.kind == TO_IN));
}

#[test]
fn sources_are_told_as_they_change() {
    let proxy = Proxied::new(2);
    let (site, watch) = (&proxy.site, &proxy.upstream);
    watch.mark();
    site.station(1).receiver.join_source(SSM_GROUP, S1);
    watch.wait_record(&Record::new(ALLOW, SSM_GROUP, &[S1]), 2);
    site.station(2).receiver.join_source(SSM_GROUP, S2);
    watch.wait_record(&Record::new(ALLOW, SSM_GROUP, &[S2]), 2);
    watch.mark();
    site.station(1).receiver.leave_source(SSM_GROUP, S1);
    watch.wait_record(&Record::new(BLOCK, SSM_GROUP, &[S1]), 2);
    assert!(
        watch
            .records_of(SSM_GROUP)
            .iter()
            .all(|record| record.kind == BLOCK)
    );

    // RFC 9776 §3.2: EXCLUDE ({S1}) and INCLUDE ({S1, S2}) are EXCLUDE ({}) together.
    site.join(&proxy.igmpd, 1, GROUP);
    watch.wait_record(&Record::new(TO_EX, GROUP, &[]), 2);
    watch.mark();
    site.station(1).receiver.filter(GROUP, Mode::Exclude, &[S1]);
    watch.wait_record(&Record::new(BLOCK, GROUP, &[S1]), 2);
    site.station(2).receiver.join_source(GROUP, S1);
    site.station(2).receiver.join_source(GROUP, S2);
    watch.wait_record(&Record::new(ALLOW, GROUP, &[S1]), 2);
    site.station(1).receiver.leave(GROUP);
    watch.wait_record(&Record::new(TO_IN, GROUP, &[S1, S2]), 2);
}

/// Groups of 224.0.0.0/24 never leave their link (RFC 5771 §4).
#[test]
fn link_local_groups_stay_where_they_are() {
    let proxy = Proxied::new(1);
    let watch = &proxy.upstream;
    watch.mark();
    let link_local = Ipv4Addr::new(224, 0, 0, 251);
    proxy.site.station(1).receiver.join(link_local);
    proxy.site.join(&proxy.igmpd, 1, GROUP);
    watch.wait_record(&Record::new(TO_EX, GROUP, &[]), 2);
    assert_eq!(watch.records_of(link_local), []);
    let sent = wait_for("reports to be counted", PATIENCE, || {
        let sent = proxy.igmpd.statistics("wan0").sent;
        if sent.report_v3 >= 2 {
            Ok(sent)
        } else {
            Err(format!("{sent:?}"))
        }
    });
    assert_eq!(sent.total, sent.report_v3);
}
