//! Several receivers in one network, behind a bridge of the kernel.

use std::net::Ipv4Addr;

use tests::{
    Capture, Host, Igmpd, PATIENCE, Switch,
    filter::Mode,
    stream::{
        Datapath, Receiver, Sender, Site, Station,
        site::{OTHER_SOURCE, SOURCE, accept_redirects, ethtool},
    },
    wait_for,
};

use crate::common::GROUP;

/// Packets in one go.
const PACKETS: u64 = 50;
/// The configuration of the interface with the bridge.
const LAN9: &str = "[interfaces.lan9]\nigmp = {}\n";

/// A site with another network, `lan9`, in which two hosts are plugged into a bridge.
struct Scene {
    site: Site,
    switch: Switch,
    one: Station,
    other: Station,
    /// What goes over the router's port of the bridge.
    router_port: Capture,
    igmpd: Igmpd,
}

impl Scene {
    fn new(datapath: Datapath) -> Self {
        Self::with(datapath, |_| {})
    }

    /// Changes the bridge before the router sends its first query.
    fn with(datapath: Datapath, change: impl FnOnce(&Switch)) -> Self {
        let site = Site::new(datapath, 1);
        let switch = site.switch("lan9", [10, 1, 9, 1].into());
        change(&switch);
        if datapath == Datapath::Native {
            ethtool(switch.namespace(), &["-K", "router", "gro", "on"]);
        }
        let station = |number: u8| {
            let role = format!("host9-{number}");
            let station = Station::new(switch.host(&site.network, &role, [10, 1, 9, number]));
            if datapath == Datapath::Native {
                accept_redirects(&station.host);
            }
            station
        };
        let (one, other) = (station(2), station(3));
        let router_port = Capture::open(switch.namespace(), "router");
        let lan9 = LAN9.replace("igmp", &format!("{}igmp", datapath.interface()));
        let igmpd = site.start_with(&site.config("", &lan9));
        igmpd.wait_up(&["lan9"]);
        Self {
            site,
            switch,
            one,
            other,
            router_port,
            igmpd,
        }
    }

    /// Waits until a host has reported and the router has taken every report that was sent to it. Hosts repeat their reports
    /// (RFC 9776 §5.1), so the last one to report need not be the last one to have joined.
    #[track_caller]
    fn wait_reported(&self, host: &Host) {
        let what = format!("the reports of {} to be taken", host.address());
        wait_for(&what, PATIENCE, || {
            let sent = self.router_port.matching(|packet| packet.kind() == 0x22);
            let taken = self.igmpd.statistics("lan9").received.report_v3;
            let has_reported = sent.iter().any(|packet| packet.source == host.address());
            if has_reported && taken >= sent.len() as u64 {
                Ok(())
            } else {
                Err(format!("{taken} taken of {sent:?}"))
            }
        });
    }

    /// Sends, and sees who of the two gets it; what their interfaces see is the bridge's affair.
    #[track_caller]
    fn assert_got(&self, sender: &mut Sender, one: bool, other: bool) {
        let sent = self.site.send_settled(sender, PACKETS);
        for (station, gets) in [(&self.one, one), (&self.other, other)] {
            let who = format!("{} from {}", station.host.address(), sender.source());
            let got = || {
                let mut arrivals = station.got(sender);
                arrivals.all.retain(|(sequence, _)| sent.contains(sequence));
                arrivals
            };
            if gets {
                wait_for(&who, PATIENCE, || {
                    if got().missing(sent.clone()).is_empty() {
                        Ok(())
                    } else {
                        Err(got().faults(sent.clone()))
                    }
                });
                got().assert_exactly(&who, sent.clone());
            } else {
                got().assert_exactly(&who, sent.start..sent.start);
            }
        }
    }

    /// How many packets of a stream the router sent into the network: what the bridge's port saw.
    #[track_caller]
    fn seen(&self, sender: &Sender) -> usize {
        self.one.saw(sender).count()
    }
}

on_datapaths!(members_of_one_network: native Native, plain Plain, generic Generic, kernel Kernel);

fn members_of_one_network(datapath: Datapath) {
    let scene = Scene::new(datapath);
    let mut sender = scene.site.send_to(GROUP);
    scene.one.receiver.join(GROUP);
    scene.igmpd.wait_joined("lan9", GROUP);
    scene.assert_got(&mut sender, true, false);
    scene.other.receiver.join(GROUP);
    scene.wait_reported(&scene.other.host);
    scene.assert_got(&mut sender, true, true);
    // One leaves: the router asks, and the other answers.
    scene.one.receiver.leave(GROUP);
    scene.assert_got(&mut sender, false, true);
    wait_for("the last-member queries", PATIENCE, || {
        let sent = scene.igmpd.statistics("lan9").sent;
        if sent.group_query >= 2 {
            Ok(())
        } else {
            Err(format!("{sent:?}"))
        }
    });
    scene.assert_got(&mut sender, false, true);
    scene.other.receiver.leave(GROUP);
    scene.igmpd.wait_left("lan9", GROUP, PATIENCE);
    let before = scene.seen(&sender);
    scene.assert_got(&mut sender, false, false);
    assert_eq!(
        scene.seen(&sender),
        before,
        "nothing goes into a network without members"
    );
}

/// What one excludes and another includes is wanted (RFC 9776 §6.4): a source is kept away only if nobody wants it.
#[test]
fn filters_of_one_network() {
    let scene = Scene::new(Datapath::Plain);
    let (site, igmpd) = (&scene.site, &scene.igmpd);
    let mut wanted = site.send_to(GROUP);
    let mut unwanted = Sender::on(site.sender.namespace(), OTHER_SOURCE, GROUP);
    let source_of = |address: Ipv4Addr, forwarding: bool| {
        let what = format!("{address} of the group to be {forwarding}");
        igmpd.wait_group(&what, PATIENCE, "lan9", GROUP, |group| {
            let mut sources = group.source.iter();
            let found = sources.find(|source| source.source_address == address);
            found.map_or(forwarding, |source| source.forwarding == forwarding)
        });
    };
    scene.one.receiver.join(GROUP);
    igmpd.wait_joined("lan9", GROUP);
    let excluded = [SOURCE, OTHER_SOURCE];
    scene.one.receiver.filter(GROUP, Mode::Exclude, &excluded);
    source_of(SOURCE, false);
    source_of(OTHER_SOURCE, false);
    scene.other.receiver.join_source(GROUP, SOURCE);
    source_of(SOURCE, true);
    scene.assert_got(&mut wanted, false, true);
    let before = scene.seen(&unwanted);
    scene.assert_got(&mut unwanted, false, false);
    assert_eq!(scene.seen(&unwanted), before, "nobody wants this source");

    // Two members that exclude different sources: each source is wanted by one of them.
    let all = Receiver::new(&scene.other.host);
    all.join(GROUP);
    source_of(OTHER_SOURCE, true);
    scene.assert_got(&mut unwanted, false, false);
    all.filter(GROUP, Mode::Exclude, &[SOURCE]);
    let sent = unwanted.send_many(PACKETS);
    all.wait_past(unwanted.stream(), OTHER_SOURCE, GROUP, sent.end - 1);
}

/// A bridge that listens to reports hands data to its members only, so it must get data, and reports must get through.
#[test]
fn a_snooping_bridge() {
    let scene = Scene::with(Datapath::Plain, |switch| switch.snoop(3));
    scene.one.receiver.join(GROUP);
    scene.igmpd.wait_joined("lan9", GROUP);
    wait_for("the bridge to know the member", PATIENCE, || {
        let learned = scene.switch.learned();
        let known = learned
            .lines()
            .any(|line| line.contains("port host9-2") && line.contains("239.1.1.1"));
        if known { Ok(()) } else { Err(learned) }
    });
    // It floods until answers to the first query that it saw are due.
    let mut sender = scene.site.send_to(GROUP);
    wait_for("data to go to members only", PATIENCE, || {
        let before = scene.other.saw(&sender).count();
        scene.assert_got(&mut sender, true, false);
        match scene.other.saw(&sender).count() - before {
            0 => Ok(()),
            strays => Err(format!("{strays} packets went to the other")),
        }
    });
}
