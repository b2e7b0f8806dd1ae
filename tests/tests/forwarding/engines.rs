//! Many interfaces, and the engines that forward.

use std::fmt::Write;

use tests::{
    Igmpd, Namespace, PATIENCE,
    stream::{Datapath, Receiver, Site, Tap, site::ethtool},
    wait_for,
};

use crate::common::GROUP;

/// More than 40, and more than the 32 interfaces of the kernel's multicast routing (MAXVIFS).
const MANY: u8 = 44;

/// A host with an interface in each of [`MANY`] networks of the router's, 10.2.1.0/24 and so on.
struct Crowd {
    site: Site,
    _host: Namespace,
    receivers: Vec<Receiver>,
    taps: Vec<Tap>,
}

impl Crowd {
    fn new(datapath: Datapath) -> Self {
        let site = Site::new(datapath, 1);
        let host = site.network.namespace("crowd");
        let (mut links, mut ends) = (String::new(), String::new());
        for number in 1..=MANY {
            let _ = writeln!(
                links,
                "link add many{number} type veth peer name eth{number} netns {}",
                host.name()
            );
            let _ = writeln!(links, "address add 10.2.{number}.1/24 dev many{number}");
            let _ = writeln!(links, "link set many{number} up");
            let _ = writeln!(ends, "address add 10.2.{number}.2/24 dev eth{number}");
            let _ = writeln!(ends, "link set eth{number} up");
        }
        site.router.ip_batch(&links, &site.network.path("links"));
        host.ip_batch(&ends, &site.network.path("ends"));
        let open = |number: u8| {
            let name = format!("eth{number}");
            if datapath == Datapath::Native {
                ethtool(&host, &["-K", &name, "gro", "on"]);
            }
            let receiver = Receiver::on(&host, &name, [10, 2, number, 2].into());
            (receiver, Tap::open(&host, &name))
        };
        let (receivers, taps) = (1..=MANY).map(open).unzip();
        Self {
            site,
            _host: host,
            receivers,
            taps,
        }
    }

    fn config(&self) -> String {
        let tables = (1..=MANY).map(|number| {
            let key = self.site.datapath().interface();
            format!("[interfaces.many{number}]\n{key}igmp = {{}}\n")
        });
        self.site.config("", &tables.collect::<String>())
    }

    fn start(&self) -> Igmpd {
        let igmpd = self.site.start_with(&self.config());
        let names: Vec<String> = (1..=MANY).map(|number| format!("many{number}")).collect();
        igmpd.wait_up(&names.iter().map(String::as_str).collect::<Vec<_>>());
        igmpd
    }

    /// Joins in these networks, and waits until the router knows.
    #[track_caller]
    fn join(&self, igmpd: &Igmpd, members: impl Iterator<Item = u8> + Clone) {
        for number in members.clone() {
            self.receivers[usize::from(number) - 1].join(GROUP);
        }
        wait_for("all members to be known", PATIENCE, || {
            let groups = igmpd.groups();
            let known = groups.iter().filter(|group| group.group_address == GROUP).count();
            if known == members.clone().count() {
                Ok(())
            } else {
                Err(format!("{known} members"))
            }
        });
    }
}

on_datapaths!(many_interfaces: native Native, plain Plain, generic Generic);

fn many_interfaces(datapath: Datapath) {
    let crowd = Crowd::new(datapath);
    let igmpd = crowd.start();
    // All but one in eleven: 40 networks with members, 4 without.
    let is_member = |number: &u8| !number.is_multiple_of(11);
    crowd.join(&igmpd, (1..=MANY).filter(is_member));
    let mut sender = crowd.site.send_to(GROUP);
    // The kernel's backlog has room for 1,000 packets, and each of these becomes 40.
    let last = (1..=MANY).rfind(is_member).map_or(0, usize::from);
    for _ in 0..25 {
        let sent = sender.send_many(8);
        crowd.receivers[last - 1].wait_past(sender.stream(), sender.source(), GROUP, sent.end - 1);
    }
    let sent = sender.sent();
    crowd.site.settle();
    for number in 1..=MANY {
        let index = usize::from(number) - 1;
        let seen = |tap: &Tap| tap.arrivals(sender.stream(), sender.source(), GROUP);
        if is_member(&number) {
            crowd.receivers[index].wait_past(sender.stream(), sender.source(), GROUP, sent.end - 1);
            // The tap is read by a thread of its own, which may be behind the receiver.
            wait_for("the tap to have seen the last", PATIENCE, || {
                let count = seen(&crowd.taps[index]).count();
                if count >= sent.clone().count() {
                    Ok(())
                } else {
                    Err(format!("{count} packets"))
                }
            });
            seen(&crowd.taps[index]).assert_exactly(&format!("many{number}"), sent.clone());
        } else {
            assert_eq!(seen(&crowd.taps[index]).count(), 0, "many{number}");
        }
    }
}

/// The kernel has room for 32 interfaces: the agent says which it leaves out, and the others work.
#[test]
fn too_many_interfaces_for_the_kernel() {
    let crowd = Crowd::new(Datapath::Kernel);
    let igmpd = crowd.start();
    igmpd.wait_logged(&["32"]);
    // 44 interfaces and two more, 32 places.
    let left_out = || -> Vec<u8> {
        let log = igmpd.log();
        let is_named = |number: &u8| {
            let name = format!(" many{number}:");
            log.lines()
                .any(|line| line.contains(&name) && line.contains("32"))
        };
        (1..=MANY).filter(is_named).collect()
    };
    crowd.join(&igmpd, 1..=MANY);
    let mut sender = tests::stream::Sender::new(&crowd.site.station(1).host, GROUP);
    let seen = |sender: &tests::stream::Sender, number: u8| {
        let tap = &crowd.taps[usize::from(number) - 1];
        tap.arrivals(sender.stream(), sender.source(), GROUP)
    };
    // Everything is said once the flow has found its ports.
    sender.send();
    wait_for("the first packet to arrive", PATIENCE, || {
        let left_out = left_out();
        let has_it = |number: &u8| seen(&sender, *number).count() == 1;
        let served: Vec<u8> = (1..=MANY).filter(has_it).collect();
        if served.len() + left_out.len() == usize::from(MANY) {
            Ok(())
        } else {
            Err(format!("{served:?} have it, {left_out:?} find no room"))
        }
    });
    let left_out = left_out();
    assert!(
        (usize::from(MANY) - 32..=usize::from(MANY) + 2 - 32).contains(&left_out.len()),
        "{left_out:?}"
    );
    let sent = sender.send_many(50);
    for number in 1..=MANY {
        if left_out.contains(&number) {
            assert_eq!(seen(&sender, number).count(), 0, "many{number}");
            continue;
        }
        let name = format!("many{number}");
        wait_for(&name, PATIENCE, || {
            let missing = seen(&sender, number).missing(sent.clone());
            if missing.is_empty() {
                Ok(())
            } else {
                Err(format!("{missing:?} missing"))
            }
        });
        seen(&sender, number).assert_exactly(&name, 0..sent.end);
    }
}

/// With `forwarding = "none"` the router knows its members, and no data moves.
#[test]
fn tracking_alone() {
    let site = Site::new(Datapath::Plain, 2);
    let config = site.config("forwarding = \"none\"\n", "");
    let igmpd = site.start_with(&config);
    site.join(&igmpd, 1, GROUP);
    let router = Tap::open(&site.router, "wan0");
    let mut sender = site.send_to(GROUP);
    let sent = sender.send_many(20);
    let last = sent.end - 1;
    router.wait_for("the data at the router", |frame| {
        frame.payload().is_some_and(|payload| payload.sequence == last)
    });
    // The router's own stack gets it all, as if there were no router here.
    router
        .arrivals(sender.stream(), sender.source(), GROUP)
        .assert_exactly("the router", sent);
    for number in [1, 2] {
        assert_eq!(site.station(number).saw(&sender).count(), 0);
    }
    for statistics in igmpd.all_statistics().interface {
        assert!(
            statistics.dropped.values().all(|&count| count == 0),
            "{statistics:?}"
        );
        assert_eq!(statistics.forwarded_packets, 0, "{statistics:?}");
    }
    assert_eq!(igmpd.routes(), []);
}

/// Data of the kernel's engine has the same limits as that of XDP: TTL, the interface towards the source, and members.
#[test]
fn the_kernel_refuses_as_well() {
    let site = Site::new(Datapath::Kernel, 2);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    site.join(&igmpd, 2, GROUP);
    site.assert_delivered(&mut site.send_to(GROUP), 20, &[1, 2]);
    site.assert_delivered(&mut site.send_to(GROUP).ttl(1), 20, &[]);
    // From a network that it does not come from.
    let mut spoofed = tests::stream::Handmade::new(site.station(1).host.namespace(), "eth0");
    for _ in 0..20 {
        let packet = spoofed.next(tests::stream::site::SOURCE, GROUP);
        spoofed.send(&packet);
    }
    site.settle();
    let arrived = site
        .station(2)
        .tap
        .arrivals(spoofed.stream(), tests::stream::site::SOURCE, GROUP);
    assert_eq!(arrived.count(), 0);
    let route = igmpd
        .routes()
        .into_iter()
        .find(|route| route.group_address == GROUP)
        .expect("a route of the group");
    assert_eq!(route.engine, "kernel");
    assert_eq!(route.outgoing_interface, ["lan1", "lan2"]);
    // What the kernel has must be gone with the agent.
    let address = GROUP.to_string();
    let mut igmpd = igmpd;
    assert!(site.router.ip("mroute show").contains(&address));
    igmpd.stop();
    assert_eq!(site.router.ip("mroute show"), "");
}
