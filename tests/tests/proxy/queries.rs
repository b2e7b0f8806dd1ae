//! Queries of the upstream router are answered as a host answers them (RFC 9776 §5.2).

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use tests::{
    PATIENCE, Packet,
    packet::{IS_EX, IS_IN, Record, changed, short},
    stream::site::FENCE,
    wait_for,
};

use crate::common::{GROUP, Proxied, SSM_GROUP};

/// The querier, which here has an address of another network, as behind a provider's access concentrator.
const QUERIER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const S1: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const S2: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// A version 3 query for a group, with sources.
pub(crate) fn specific_query(max_resp_code: u8, group: Ipv4Addr, sources: &[Ipv4Addr]) -> Packet {
    let mut message = short(0x11, max_resp_code, group);
    message.extend([2, 125]);
    let count = u16::try_from(sources.len()).expect("a query counts its sources in 16 bits");
    message.extend(count.to_be_bytes());
    message.extend(sources.iter().flat_map(Ipv4Addr::octets));
    Packet::new(QUERIER, group, message)
}

/// A proxy with a member of each kind, which have been told of.
fn with_members() -> Proxied {
    let proxy = Proxied::new(1);
    let receiver = &proxy.site.station(1).receiver;
    proxy.site.join(&proxy.igmpd, 1, GROUP);
    receiver.join_source(SSM_GROUP, S1);
    receiver.join_source(SSM_GROUP, S2);
    let told = [(FENCE, &[][..]), (GROUP, &[]), (SSM_GROUP, &[S1, S2])];
    for (group, sources) in told {
        wait_for("everything to be told", PATIENCE, || {
            let records = proxy.upstream.records_of(group);
            let last = records.last();
            let told: usize = records.iter().map(|record| record.sources.len().max(1)).sum();
            if told >= 2 * sources.len().max(1) {
                Ok(())
            } else {
                Err(format!("{last:?}"))
            }
        });
    }
    proxy.upstream.mark();
    proxy
}

#[test]
fn general_queries() {
    let proxy = with_members();
    let watch = &proxy.upstream;
    let monitor = proxy.igmpd.monitor();
    let asked = Instant::now();
    watch.raw.send(&Packet::general_query(QUERIER, 20, 3, 125));
    for (kind, group, sources) in [
        (IS_EX, FENCE, &[][..]),
        (IS_EX, GROUP, &[]),
        (IS_IN, SSM_GROUP, &[S1, S2]),
    ] {
        watch.wait_record(&Record::new(kind, group, sources), 1);
    }
    // Within the Max Response Time, together, and once.
    let reports = watch.said();
    assert_eq!(reports.len(), 1, "{reports:?}");
    let slack = Duration::from_secs(2);
    assert!(reports[0].at - asked <= Duration::from_secs(2) + slack);
    let (_, event) = monitor.wait_for("the querier", PATIENCE, |event| event.event == "querier-changed");
    assert_eq!(
        (event.interface_name.as_str(), event.reporter),
        ("wan0", Some(QUERIER))
    );
    let view = proxy.igmpd.proxy("wan0");
    assert_eq!((view.version, view.querier), (3, Some(QUERIER)));
    assert_eq!((view.robustness_variable, view.groups_count), (3, 3));
    let joins = proxy.igmpd.joins();
    assert!(joins.iter().all(|join| join.upstream_neighbor == Some(QUERIER)));
    // RFC 9776 §4.1.12: to the host's own address it is a query as well.
    watch.mark();
    let query = changed(Packet::general_query(QUERIER, 1, 2, 125), |it| {
        it.destination = [10, 0, 0, 1].into();
    });
    watch.raw.send(&query);
    watch.wait_record(&Record::new(IS_EX, GROUP, &[]), 1);
}

#[test]
fn specific_queries() {
    let proxy = with_members();
    let watch = &proxy.upstream;
    watch.raw.send(&specific_query(5, GROUP, &[]));
    watch.wait_record(&Record::new(IS_EX, GROUP, &[]), 1);
    // §5.2: in EXCLUDE mode what is asked for and not excluded is wanted.
    watch.mark();
    watch.raw.send(&specific_query(5, GROUP, &[S2]));
    watch.wait_record(&Record::new(IS_IN, GROUP, &[S2]), 1);
    // And in INCLUDE mode what is asked for and wanted.
    watch.mark();
    let stranger = Ipv4Addr::new(192, 0, 2, 99);
    watch.raw.send(&specific_query(5, SSM_GROUP, &[S2, stranger]));
    watch.wait_record(&Record::new(IS_IN, SSM_GROUP, &[S2]), 1);
    // What nobody wants is not answered, and neither does anything else get lost by the question.
    watch.mark();
    watch.raw.send(&specific_query(1, SSM_GROUP, &[stranger]));
    watch.raw.send(&specific_query(1, [239, 7, 7, 7].into(), &[]));
    watch.raw.send(&specific_query(5, GROUP, &[]));
    watch.wait_record(&Record::new(IS_EX, GROUP, &[]), 1);
    assert_eq!(watch.records(), [Record::new(IS_EX, GROUP, &[])]);
}
