//! Exactly the networks with members, within the state of group and source (RFC 9776 §6.3).

use std::net::Ipv4Addr;

use tests::{
    Igmpd, PATIENCE,
    filter::Mode,
    json::FilterMode,
    stream::{
        Datapath, Sender, Site,
        site::{OTHER_SOURCE, SOURCE, accept_redirects},
    },
};

use crate::common::GROUP;

/// Packets in one go.
const PACKETS: u64 = 50;

fn other_source(site: &Site, group: Ipv4Addr) -> Sender {
    Sender::on(site.sender.namespace(), OTHER_SOURCE, group)
}

/// Waits until the router has exactly these sources of a group, each with whether it is wanted.
#[track_caller]
fn wait_sources(
    igmpd: &Igmpd,
    number: usize,
    group: Ipv4Addr,
    mode: FilterMode,
    sources: &[(Ipv4Addr, bool)],
) {
    let what = format!("{mode:?} {sources:?} on lan{number}");
    igmpd.wait_group(&what, PATIENCE, &format!("lan{number}"), group, |found| {
        let found_sources = found
            .source
            .iter()
            .map(|source| (source.source_address, source.forwarding));
        found.filter_mode == mode && found_sources.eq(sources.iter().copied())
    });
}

on_datapaths!(any_source: native Native, plain Plain, generic Generic, kernel Kernel);

fn any_source(datapath: Datapath) {
    let site = Site::new(datapath, 4);
    let igmpd = site.start();
    let mut sender = site.send_to(GROUP);
    site.assert_delivered(&mut sender, PACKETS, &[]);
    for members in [&[1][..], &[1, 3], &[1, 3, 4]] {
        let newest = members[members.len() - 1];
        site.join(&igmpd, newest, GROUP);
        site.assert_delivered(&mut sender, PACKETS, members);
    }
    // A group that nobody asked for, whoever is a member of others.
    site.assert_delivered(&mut site.send_to(Ipv4Addr::new(239, 1, 1, 2)), PACKETS, &[]);
    for (leaves, members) in [(3, &[1, 4][..]), (1, &[4]), (4, &[])] {
        site.station(leaves).receiver.leave(GROUP);
        igmpd.wait_left(&format!("lan{leaves}"), GROUP, PATIENCE);
        site.assert_delivered(&mut sender, PACKETS, members);
    }
}

on_datapaths!(two_sources: native Native, plain Plain, generic Generic, kernel Kernel);

fn two_sources(datapath: Datapath) {
    let site = Site::new(datapath, 3);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    site.join(&igmpd, 2, GROUP);
    let (one, other) = (site.send_to(GROUP), other_source(&site, GROUP));
    let mut senders = [one, other];
    // One after the other first, so that both are known where packets of unknown sources are queued, then both at once.
    for sender in &mut senders {
        site.assert_delivered(sender, PACKETS, &[1, 2]);
    }
    let from: Vec<u64> = senders.iter().map(|sender| sender.sent().end).collect();
    let streams = senders.map(|sender| sender.start(1_000));
    for stream in &streams {
        stream.wait_more(500);
    }
    let senders = streams.map(tests::stream::Stream::stop);
    site.settle();
    for (sender, from) in senders.iter().zip(from) {
        assert!(sender.sent().end >= from + 500);
        for number in [1, 2] {
            site.station(number)
                .got(sender)
                .assert_exactly(&format!("lan{number}"), sender.sent());
        }
        assert_eq!(site.station(3).saw(sender).count(), 0);
    }
}

// RFC 4607 keeps 232.0.0.0/8 for sources alone; RFC 9776 filters sources in every group.
on_datapaths!(source_specific: native Native, plain Plain, generic Generic, kernel Kernel);

fn source_specific(datapath: Datapath) {
    let site = Site::new(datapath, 4);
    let igmpd = site.start();
    for group in [Ipv4Addr::new(232, 1, 1, 1), GROUP] {
        site.station(1).receiver.join_source(group, SOURCE);
        site.station(2).receiver.join_source(group, OTHER_SOURCE);
        site.station(3).receiver.join_source(group, SOURCE);
        site.station(3).receiver.join_source(group, OTHER_SOURCE);
        wait_sources(&igmpd, 1, group, FilterMode::Include, &[(SOURCE, true)]);
        wait_sources(&igmpd, 2, group, FilterMode::Include, &[(OTHER_SOURCE, true)]);
        let both = [(SOURCE, true), (OTHER_SOURCE, true)];
        wait_sources(&igmpd, 3, group, FilterMode::Include, &both);
        let (mut one, mut other) = (site.send_to(group), other_source(&site, group));
        site.assert_delivered(&mut one, PACKETS, &[1, 3]);
        site.assert_delivered(&mut other, PACKETS, &[2, 3]);

        // One of two sources goes, and one of one.
        site.station(3).receiver.leave_source(group, SOURCE);
        site.station(2).receiver.leave_source(group, OTHER_SOURCE);
        wait_sources(&igmpd, 3, group, FilterMode::Include, &[(OTHER_SOURCE, true)]);
        igmpd.wait_left("lan2", group, PATIENCE);
        site.assert_delivered(&mut one, PACKETS, &[1]);
        site.assert_delivered(&mut other, PACKETS, &[3]);
    }
    // A member of all sources beside members of one.
    site.join(&igmpd, 4, GROUP);
    site.assert_delivered(&mut site.send_to(GROUP), PACKETS, &[1, 4]);
    site.assert_delivered(&mut other_source(&site, GROUP), PACKETS, &[3, 4]);
}

on_datapaths!(excluded_sources: native Native, plain Plain, generic Generic, kernel Kernel);

fn excluded_sources(datapath: Datapath) {
    let site = Site::new(datapath, 4);
    let igmpd = site.start();
    let exclude = |number: usize, sources: &[Ipv4Addr]| {
        let receiver = &site.station(number).receiver;
        receiver.filter(GROUP, Mode::Exclude, sources);
    };
    for number in [1, 2, 3] {
        site.join(&igmpd, number, GROUP);
    }
    exclude(1, &[SOURCE]);
    exclude(3, &[SOURCE, OTHER_SOURCE]);
    wait_sources(&igmpd, 1, GROUP, FilterMode::Exclude, &[(SOURCE, false)]);
    let neither = [(SOURCE, false), (OTHER_SOURCE, false)];
    wait_sources(&igmpd, 3, GROUP, FilterMode::Exclude, &neither);
    let (mut one, mut other) = (site.send_to(GROUP), other_source(&site, GROUP));
    site.assert_delivered(&mut one, PACKETS, &[2]);
    site.assert_delivered(&mut other, PACKETS, &[1, 2]);

    // The last any-source member goes: (*,G) is left to lists of excluded sources.
    site.station(2).receiver.leave(GROUP);
    igmpd.wait_left("lan2", GROUP, PATIENCE);
    site.assert_delivered(&mut one, PACKETS, &[]);
    site.assert_delivered(&mut other, PACKETS, &[1]);

    // The list changes to the other source.
    exclude(1, &[OTHER_SOURCE]);
    wait_sources(
        &igmpd,
        1,
        GROUP,
        FilterMode::Exclude,
        &[(SOURCE, true), (OTHER_SOURCE, false)],
    );
    site.assert_delivered(&mut one, PACKETS, &[1]);
    site.assert_delivered(&mut other, PACKETS, &[]);

    // And from a list of excluded sources to one of included ones.
    let receiver = &site.station(3).receiver;
    receiver.filter(GROUP, Mode::Include, &[OTHER_SOURCE]);
    wait_sources(&igmpd, 3, GROUP, FilterMode::Include, &[(OTHER_SOURCE, true)]);
    site.assert_delivered(&mut one, PACKETS, &[1]);
    site.assert_delivered(&mut other, PACKETS, &[3]);
}

// RFC 1112 §6.4 maps 32 groups to one Ethernet address: to a network card both groups are the same.
on_datapaths!(groups_of_one_mac_address: native Native, plain Plain, generic Generic);

fn groups_of_one_mac_address(datapath: Datapath) {
    let groups = [[224, 1, 1, 1], [225, 1, 1, 1], [239, 129, 1, 1]].map(Ipv4Addr::from);
    let site = Site::new(datapath, 4);
    let igmpd = site.start();
    site.join(&igmpd, 1, groups[0]);
    site.join(&igmpd, 2, groups[1]);
    site.join(&igmpd, 3, groups[0]);
    site.join(&igmpd, 3, groups[1]);
    let members = [&[1, 3][..], &[2, 3], &[]];
    for (group, members) in groups.into_iter().zip(members) {
        site.assert_delivered(&mut site.send_to(group), PACKETS, members);
    }
}

on_datapaths!(members_of_all_versions: native Native, plain Plain);

fn members_of_all_versions(datapath: Datapath) {
    let site = Site::new(datapath, 4);
    for version in [1, 2, 3] {
        site.station(version.into()).host.force_version(version);
    }
    let igmpd = site.start();
    for number in [1, 2, 3] {
        site.join(&igmpd, number, GROUP);
        let group = igmpd.group(&format!("lan{number}"), GROUP).expect("a member");
        assert_eq!(usize::from(group.compatibility_mode), number);
    }
    let mut sender = site.send_to(GROUP);
    site.assert_delivered(&mut sender, PACKETS, &[1, 2, 3]);
    // Hosts of version 1 go without a word, the others say so.
    for number in [2, 3] {
        site.station(number).receiver.leave(GROUP);
        igmpd.wait_left(&format!("lan{number}"), GROUP, PATIENCE);
    }
    site.assert_delivered(&mut sender, PACKETS, &[1]);
}

/// What the configuration wants is forwarded like what hosts want (RFC 8652 `static-group`).
#[test]
fn static_groups() {
    let site = Site::new(Datapath::Plain, 3);
    let text = format!(
        "igmp = {{ static-group = [{{ group = \"{GROUP}\" }}, {{ group = \"232.1.1.1\", source = \"{SOURCE}\" }}] }}"
    );
    let plain = site.config("", "");
    let config = plain.replacen(
        "[interfaces.lan2]\nigmp = {}",
        &format!("[interfaces.lan2]\n{text}"),
        1,
    );
    assert_ne!(config, plain);
    let igmpd = site.start_with(&config);
    igmpd.wait_joined("lan2", GROUP);
    let specific = Ipv4Addr::new(232, 1, 1, 1);
    // Nobody there has a socket that would get it.
    for (mut sender, count) in [
        (site.send_to(GROUP), PACKETS),
        (other_source(&site, GROUP), PACKETS),
        (site.send_to(specific), PACKETS),
        (other_source(&site, specific), 0),
    ] {
        site.send_settled(&mut sender, PACKETS);
        site.station(2).saw(&sender).assert_exactly("lan2", 0..count);
        assert_eq!(site.station(1).saw(&sender).count(), 0);
    }
    // A host's leave does not end it; another configuration does.
    site.station(2).receiver.join(GROUP);
    site.station(2).receiver.leave(GROUP);
    igmpd.paths().configure(&plain);
    assert!(igmpd.control(&["reload"]).status.success());
    igmpd.wait_left("lan2", GROUP, PATIENCE);
    site.assert_delivered(&mut site.send_to(GROUP), PACKETS, &[]);
}

/// Hosts that frames can be redirected to beside hosts that they cannot, and senders of both kinds.
#[test]
fn hosts_of_both_kinds() {
    let site = Site::new(Datapath::Plain, 4);
    for number in [1, 2] {
        accept_redirects(&site.station(number).host);
    }
    let igmpd = site.start();
    for members in [&[1][..], &[1, 3], &[1, 3, 2]] {
        let newest = members[members.len() - 1];
        site.join(&igmpd, newest, GROUP);
        site.assert_delivered(&mut site.send_to(GROUP), PACKETS, members);
    }
    site.compute_checksums();
    let mut sender = site.send_to(GROUP);
    site.assert_delivered(&mut sender, PACKETS, &[1, 2, 3]);
    site.station(3).receiver.leave(GROUP);
    igmpd.wait_left("lan3", GROUP, PATIENCE);
    site.assert_delivered(&mut sender, PACKETS, &[1, 2]);
}

/// A host among the receivers sends: its own network has the data already.
#[test]
fn data_does_not_go_back() {
    for datapath in [Datapath::Native, Datapath::Plain] {
        let site = Site::new(datapath, 3);
        let igmpd = site.start();
        for number in [1, 2] {
            site.join(&igmpd, number, GROUP);
        }
        let mut sender = Sender::new(&site.station(1).host, GROUP);
        let sent = sender.send_many(PACKETS);
        let mut fence = Sender::new(&site.station(1).host, tests::stream::site::FENCE);
        let last = fence.send_many(3).end - 1;
        for number in [2, 3] {
            site.station(number).wait_fence(&fence, last);
        }
        site.settle();
        site.station(2).got(&sender).assert_exactly("lan2", sent.clone());
        site.station(2).saw(&sender).assert_exactly("lan2", sent);
        assert_eq!(site.station(1).saw(&sender).count(), 0, "{datapath:?}");
        assert_eq!(site.station(3).saw(&sender).count(), 0, "{datapath:?}");
    }
}
