//! The upstream interface changes, vanishes and returns, and igmpd itself does.

use std::net::Ipv4Addr;

use nix::sys::signal::Signal;
use tests::{
    Igmpd, PATIENCE, Packet,
    packet::{BLOCK, IS_EX, Record, TO_EX, TO_IN, changed},
    stream::{
        Datapath, Site,
        site::{FENCE, IGMP},
    },
    wait_for,
};

use crate::common::{GROUP, Proxied, SSM_GROUP, UPSTREAM, Watch};

const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A proxy with a member of each kind.
fn with_members() -> Proxied {
    let proxy = Proxied::new(1);
    proxy.site.join(&proxy.igmpd, 1, GROUP);
    proxy.site.station(1).receiver.join_source(SSM_GROUP, SOURCE);
    assert_announced(&proxy.upstream);
    proxy
}

/// Waits until everything that members want was told, Robustness Variable times.
#[track_caller]
fn assert_announced(watch: &Watch) {
    for group in [FENCE, GROUP] {
        watch.wait_record(&Record::new(TO_EX, group, &[]), 2);
    }
    watch.wait_record(&Record::new(tests::packet::ALLOW, SSM_GROUP, &[SOURCE]), 2);
}

#[track_caller]
fn assert_left(watch: &Watch) {
    for group in [FENCE, GROUP] {
        watch.wait_record(&Record::new(TO_IN, group, &[]), 2);
    }
    watch.wait_record(&Record::new(BLOCK, SSM_GROUP, &[SOURCE]), 2);
}

#[test]
fn another_address() {
    let proxy = with_members();
    proxy.upstream.mark();
    let router = &proxy.site.router;
    router.ip("address delete 10.0.0.1/24 dev wan0");
    router.ip("address add 10.0.0.7/24 dev wan0");
    let new = Ipv4Addr::new(10, 0, 0, 7);
    wait_for("reports from the new address", PATIENCE, || {
        let said = proxy.upstream.said();
        let last = said.last().map(|packet| packet.source);
        if last == Some(new) {
            Ok(())
        } else {
            Err(format!("{last:?}"))
        }
    });
    assert_announced(&proxy.upstream);
    // Without any address there is nothing to send from.
    router.ip("address flush dev wan0");
    // What the log says of it may be of the moment between the two addresses before.
    wait_for("wan0 without an address", PATIENCE, || {
        match proxy.igmpd.interface("wan0").address {
            None => Ok(()),
            Some(address) => Err(address.to_string()),
        }
    });
    proxy.upstream.mark();
    proxy.site.join(&proxy.igmpd, 1, [239, 2, 2, 2].into());
    assert_eq!(proxy.upstream.said(), []);
    router.ip("address add 10.0.0.1/24 dev wan0");
    assert_announced(&proxy.upstream);
    proxy
        .upstream
        .wait_record(&Record::new(TO_EX, [239, 2, 2, 2], &[]), 2);
}

#[test]
fn a_flap_of_the_carrier() {
    let proxy = with_members();
    let sender = proxy.site.sender.namespace();
    sender.ip("link set eth0 down");
    proxy.igmpd.wait_logged(&["wan0", "upstream interface down"]);
    // What members do meanwhile is not forgotten.
    proxy.site.station(1).receiver.leave(GROUP);
    proxy.igmpd.wait_left("lan1", GROUP, PATIENCE);
    proxy.upstream.mark();
    sender.ip("link set eth0 up");
    proxy.upstream.wait_record(&Record::new(TO_EX, FENCE, &[]), 2);
    proxy.upstream.wait_record(&Record::new(TO_IN, GROUP, &[]), 2);
}

#[test]
fn an_interface_that_is_made_anew() {
    let mut proxy = with_members();
    for _ in 0..2 {
        let site = &proxy.site;
        site.router.ip("link delete wan0");
        wait_for("wan0 to be gone", PATIENCE, || {
            let status = proxy.igmpd.interface("wan0").oper_status;
            if status == "not-present" {
                Ok(())
            } else {
                Err(status)
            }
        });
        site.network
            .link(&site.router, "wan0", site.sender.namespace(), "eth0");
        proxy.upstream = Watch::open(site.sender.namespace(), "eth0");
        site.router.address("wan0", [10, 0, 0, 1].into(), 24);
        assert_announced(&proxy.upstream);
    }
}

#[test]
fn a_clean_stop_leaves_everything() {
    let mut proxy = with_members();
    proxy.upstream.mark();
    proxy.igmpd.stop();
    assert_left(&proxy.upstream);
    assert!(proxy.upstream.records().iter().all(|record| record.kind != TO_EX));
}

/// A reload that takes the upstream interface away leaves everything there, and one that brings it back joins again.
#[test]
fn reloads() {
    let proxy = with_members();
    let site = &proxy.site;
    let reload = |config: &str| {
        proxy.igmpd.paths().configure(config);
        let output = proxy.igmpd.control(&["reload"]);
        assert!(output.status.success(), "{output:?}");
    };
    proxy.upstream.mark();
    reload(&site.config_with("", IGMP, "", ""));
    assert_left(&proxy.upstream);
    proxy.upstream.mark();
    reload(&site.config_with("", IGMP, UPSTREAM, ""));
    assert_announced(&proxy.upstream);
    // To and fro without a pause: what is wanted last is what is told last.
    proxy.upstream.mark();
    reload(&site.config_with("", IGMP, "", ""));
    reload(&site.config_with("", IGMP, UPSTREAM, ""));
    assert_announced(&proxy.upstream);
    let records = proxy.upstream.records();
    let last = records.iter().rfind(|record| record.group == GROUP);
    assert_eq!(last, Some(&Record::new(TO_EX, GROUP, &[])));
}

/// Nothing is left by an igmpd that is killed, and the next one tells everything again.
#[test]
fn a_killed_igmpd() {
    let mut proxy = with_members();
    proxy.upstream.mark();
    proxy.igmpd.process().signal(Signal::SIGKILL);
    proxy.igmpd.process().wait(PATIENCE);
    let mut next = Igmpd::spawn(&proxy.site.router, proxy.igmpd.paths().clone());
    next.wait_ready();
    assert_announced(&proxy.upstream);
    let kinds: Vec<u8> = proxy
        .upstream
        .records()
        .iter()
        .map(|record| record.kind)
        .collect();
    assert!(!kinds.contains(&TO_IN) && !kinds.contains(&BLOCK), "{kinds:?}");
}

/// The upstream network may be a VLAN without a device, and its querier is heard in it alone.
#[test]
fn a_vlan() {
    let site = Site::new(Datapath::Plain, 1);
    let watch = Watch::open(site.sender.namespace(), "eth0");
    let vlan = "[interfaces.\"wan0.7\"]\nparent = \"wan0\"\nvlan = 7\naddress = \"10.7.0.9/24\"\n";
    let igmpd = site.start_with(&site.config("", &format!("{vlan}{UPSTREAM}")));
    let own = Ipv4Addr::new(10, 7, 0, 9);
    watch.wait_record(&Record::new(TO_EX, FENCE, &[]), 2);
    assert!(watch.said().iter().all(|report| report.source == own));
    let querier = Ipv4Addr::new(10, 7, 0, 1);
    watch.mark();
    // Untagged it is of another network, which this router has no part in.
    watch.raw.send(&Packet::general_query([10, 0, 0, 2], 1, 2, 125));
    let tagged = changed(Packet::general_query(querier, 1, 2, 125), |it| it.vlans = vec![7]);
    watch.raw.send(&tagged);
    watch.wait_record(&Record::new(IS_EX, FENCE, &[]), 1);
    assert_eq!(igmpd.proxy("wan0.7").querier, Some(querier));
    assert_eq!(watch.said().len(), 1);
}
