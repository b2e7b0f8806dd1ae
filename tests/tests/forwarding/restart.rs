//! Data goes on while agents end, are killed, and follow one another.

use nix::sys::signal::Signal;
use tests::{
    Igmpd, PATIENCE, Packet,
    packet::{Record, TO_EX, TO_IN},
    stream::{Datapath, Site, Tap, site::FENCE},
    wait_for,
};

use crate::common::{GROUP, reporter};

/// Packets a second.
const RATE: u32 = 1_000;

/// Starts another agent with the paths of one that is dead.
#[track_caller]
fn follow(site: &Site, dead: &Igmpd) -> Igmpd {
    let mut igmpd = Igmpd::spawn(&site.router, dead.paths().clone());
    igmpd.wait_ready();
    igmpd.wait_up(&["wan0", "lan1", "lan2", "lan3"]);
    igmpd
}

on_datapaths!(a_killed_agent: native Native, plain Plain, generic Generic);

fn a_killed_agent(datapath: Datapath) {
    let site = Site::new(datapath, 3);
    let mut killed = site.start();
    site.join(&killed, 1, GROUP);
    let stream = site.send_to(GROUP).start(RATE);
    stream.wait_more(200);
    for _ in 0..2 {
        killed.process().signal(Signal::SIGKILL);
        killed.process().wait(PATIENCE);
        stream.wait_more(500);
        killed = follow(&site, &killed);
        stream.wait_more(200);
    }
    let mut igmpd = killed;
    // It forwards as it should, and not only what it found.
    site.join(&igmpd, 2, GROUP);
    // The next packet may be on its way.
    let known = stream.sent() + 1;
    stream.wait_more(100);
    let route = igmpd.route("*", GROUP).expect("a route");
    assert_eq!(route.outgoing_interface, ["lan1", "lan2"]);
    let sender = stream.stop();
    site.settle();
    site.station(1).got(&sender).assert_exactly("lan1", sender.sent());
    site.station(1).saw(&sender).assert_exactly("lan1", sender.sent());
    let second = site.station(2).saw(&sender);
    second.assert_in_order("lan2");
    assert!(second.missing(known - 100..sender.sent().end).len() < 100);
    assert!(
        second
            .span()
            .is_some_and(|(_, highest)| highest + 1 == sender.sent().end)
    );
    assert_eq!(site.station(3).saw(&sender).count(), 0);
    site.station(1).receiver.leave(GROUP);
    igmpd.wait_left("lan1", GROUP, PATIENCE);
    let mut sender = sender;
    site.assert_delivered(&mut sender, 50, &[2]);
    igmpd.stop();
}

/// Who joined and left while no agent lived is found by the next.
#[test]
fn members_that_change_while_no_agent_lives() {
    let site = Site::new(Datapath::Native, 3);
    let mut killed = site.start();
    let (first, second) = (reporter(&site, 1), reporter(&site, 2));
    let join = |address: [u8; 4]| Packet::v3_report(address, &[Record::new(TO_EX, GROUP, &[])]);
    first.send(&join([10, 1, 1, 66]));
    killed.wait_joined("lan1", GROUP);
    killed.process().signal(Signal::SIGKILL);
    killed.process().wait(PATIENCE);
    second.send(&join([10, 1, 2, 66]));
    first.send(&Packet::v3_report(
        [10, 1, 1, 66],
        &[Record::new(TO_IN, GROUP, &[])],
    ));
    let igmpd = follow(&site, &killed);
    igmpd.wait_joined("lan2", GROUP);
    igmpd.wait_left("lan1", GROUP, PATIENCE);
    let mut sender = site.send_to(GROUP);
    let sent = site.send_settled(&mut sender, 50);
    site.station(2).saw(&sender).assert_exactly("lan2", sent);
    assert_eq!(site.station(1).saw(&sender).count(), 0);
}

on_datapaths!(a_stopped_agent: native Native, plain Plain, generic Generic, kernel Kernel);

fn a_stopped_agent(datapath: Datapath) {
    let site = Site::new(datapath, 3);
    let mut igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let router = Tap::open(&site.router, "wan0");
    let mut sender = site.send_to(GROUP);
    site.assert_delivered(&mut sender, 20, &[1]);
    igmpd.stop();
    for name in ["wan0", "lan1", "lan2", "lan3"] {
        assert!(!site.router.has_xdp(name), "{name}");
    }
    let sent = sender.send_many(50);
    // The router's stack gets them, and nobody else.
    wait_for("the data at the router", PATIENCE, || {
        let missing = router
            .arrivals(sender.stream(), sender.source(), GROUP)
            .missing(sent.clone());
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{missing:?} missing"))
        }
    });
    let highest = site.station(1).saw(&sender).span();
    assert!(
        highest.is_some_and(|(_, highest)| highest < sent.start),
        "{highest:?}"
    );
    // No classifier is left on any interface either.
    let filters = site
        .router
        .enter(|| tests::process::run(std::process::Command::new("bpftool").args(["net", "show"])));
    for name in ["wan0", "lan1", "lan2", "lan3"] {
        assert!(!filters.contains(&format!("{name}(")), "{filters}");
    }
}

on_datapaths!(a_reload: native Native, plain Plain, kernel Kernel);

fn a_reload(datapath: Datapath) {
    let site = Site::new(datapath, 3);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    site.join(&igmpd, 2, GROUP);
    let mut sender = site.send_to(GROUP);
    site.send_settled(&mut sender, 5);
    let stream = sender.start(RATE);
    stream.wait_more(100);
    // One interface leaves the configuration: nothing goes there any more, and the others notice nothing.
    let config = site.config("", "");
    let lan2 = format!("[interfaces.lan2]\n{}igmp = {{}}\n", datapath.interface());
    assert!(config.contains(&lan2));
    igmpd.paths().configure(&config.replace(&lan2, ""));
    let reload = |igmpd: &Igmpd| {
        let output = igmpd.control(&["reload"]);
        assert!(output.status.success(), "{output:?}");
    };
    reload(&igmpd);
    wait_for("the group to be gone from lan2", PATIENCE, || {
        match igmpd.group("lan2", GROUP) {
            None => Ok(()),
            Some(group) => Err(format!("{group:?}")),
        }
    });
    let last = stream.sent();
    stream.wait_more(200);
    let sender = stream.stop();
    site.settle_at(&[site.station(1), site.station(3)]);
    site.station(1).got(&sender).assert_exactly("lan1", sender.sent());
    assert_eq!(site.station(3).saw(&sender).count(), 0);
    let gone = site.station(2).saw(&sender);
    assert!(gone.span().is_some_and(|(_, highest)| highest <= last));
    // And back.
    igmpd.paths().configure(&config);
    reload(&igmpd);
    for group in [GROUP, FENCE] {
        igmpd.wait_joined("lan2", group);
    }
    let mut sender = sender;
    site.assert_delivered(&mut sender, 50, &[1, 2]);
}
