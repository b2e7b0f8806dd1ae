//! The harness itself, on networks without a router: what it sees is what is there.

use std::net::Ipv4Addr;

use tests::{
    Network, RawSocket,
    filter::Mode,
    stream::{
        Datagram, Payload, Receiver, Sender, Tap,
        datagram::{SENDER_MAC, group_mac},
        site::ethtool,
    },
    wait_for,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 2);

#[test]
fn a_stream_through_a_bridge() {
    let network = Network::new();
    let switch = network.switch("switch");
    let from = switch.host(&network, "from", [10, 0, 0, 2]);
    let member = switch.host(&network, "member", [10, 0, 0, 3]);
    let other = switch.host(&network, "other", [10, 0, 0, 4]);
    let (receiver, idle) = (Receiver::new(&member), Receiver::new(&other));
    let tap = Tap::open(other.namespace(), "eth0");
    receiver.join(GROUP);
    idle.join(OTHER);
    let stream = Sender::new(&from, GROUP).start(2_000);
    stream.wait_more(1_000);
    let sender = stream.stop();
    let (id, source, sent) = (sender.stream(), sender.source(), sender.sent());
    receiver.wait_past(id, source, GROUP, sent.end - 1);
    receiver
        .arrivals(id, source, GROUP)
        .assert_exactly("the member", sent.clone());
    // The bridge floods: the other's interface sees all, and its socket nothing.
    wait_for("the tap to see all", tests::PATIENCE, || {
        let faults = tap.arrivals(id, source, GROUP).faults(sent.clone());
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    });
    assert_eq!(idle.count(), 0);
    // Virtual interfaces leave the checksum to hardware that there is not.
    assert!(tap.all().iter().all(|frame| frame.checksum_pending));
    assert!(
        tap.all()
            .iter()
            .all(|frame| frame.ttl() == 16 && frame.tag.is_none())
    );

    // A hole is noticed: the member does not hear for a while.
    let stream = sender.start(2_000);
    stream.wait_more(100);
    receiver.leave(GROUP);
    let hole = stream.wait_more(100);
    receiver.join(GROUP);
    stream.wait_more(100);
    let sender = stream.stop();
    receiver.wait_past(id, source, GROUP, sender.sent().end - 1);
    let arrivals = receiver.arrivals(id, source, GROUP);
    assert!(arrivals.missing(sender.sent()).contains(&(hole - 1)));
    arrivals.assert_in_order("the member");
}

#[test]
fn filters_of_receivers() {
    let network = Network::new();
    let switch = network.switch("switch");
    let from = switch.host(&network, "from", [10, 0, 0, 2]);
    let source = |last| Ipv4Addr::new(10, 0, 0, last);
    from.namespace().ip("address add 10.0.0.22/24 dev eth0");
    let host = switch.host(&network, "host", [10, 0, 0, 3]);
    let (one, all_but_one) = (Receiver::new(&host), Receiver::new(&host));
    one.join_source(GROUP, source(2));
    all_but_one.join(GROUP);
    all_but_one.filter(GROUP, Mode::Exclude, &[source(2)]);
    for last in [2, 22] {
        let mut sender = Sender::on(from.namespace(), source(last), GROUP);
        let sent = sender.send_many(10);
        let (wants, refuses) = if last == 2 {
            (&one, &all_but_one)
        } else {
            (&all_but_one, &one)
        };
        wants.wait_past(sender.stream(), source(last), GROUP, 9);
        wants
            .arrivals(sender.stream(), source(last), GROUP)
            .assert_exactly("who wants it", sent);
        assert_eq!(refuses.arrivals(sender.stream(), source(last), GROUP).count(), 0);
    }
}

#[test]
fn frames_made_by_hand() {
    let network = Network::new();
    let near = network.namespace("near");
    let host = {
        let near = &near;
        network.host("host", [10, 0, 0, 3], near, "eth0")
    };
    let (receiver, tap) = (Receiver::new(&host), Tap::open(host.namespace(), "eth0"));
    receiver.join(GROUP);
    let raw = RawSocket::open(&near, "eth0");
    let source = Ipv4Addr::new(10, 0, 0, 2);
    let numbered = |sequence| {
        Datagram::new(
            source,
            GROUP,
            Payload {
                stream: 1_000_000,
                sequence,
            },
        )
    };
    let whole = 0..6;
    raw.send_frame(&numbered(0).frame());
    raw.send_frame(&numbered(1).with(|it| it.size = Payload::MIN_LEN).frame());
    raw.send_frame(&numbered(2).with(|it| it.options = vec![1; 8]).frame());
    raw.send_frame(&numbered(3).with(|it| it.padding = 40).frame());
    raw.send_frame(&numbered(4).with(|it| it.ttl = 1).frame());
    for fragment in numbered(5)
        .with(|it| (it.size, it.id) = (3_000, 77))
        .fragments(1_480)
    {
        raw.send_frame(&fragment);
    }
    // And some that no socket gets.
    raw.send_frame(&numbered(6).with(|it| it.checksum_error = 1).frame());
    raw.send_frame(&numbered(7).with(|it| it.header_checksum_error = 1).frame());
    raw.send_frame(&numbered(8).with(|it| it.vlans = vec![7]).frame());
    let tagged = tap.wait_for("the tagged frame", |frame| frame.tag.is_some());
    assert_eq!(tagged.tag, Some(7));
    receiver.wait_past(1_000_000, source, GROUP, 5);
    receiver
        .arrivals(1_000_000, source, GROUP)
        .assert_exactly("the receiver", whole);

    let frames = tap.to(GROUP);
    // Nine packets, one of them in three parts.
    assert_eq!(frames.len(), 11);
    for frame in &frames {
        assert_eq!(frame.destination_mac(), group_mac(GROUP));
        assert_eq!(frame.source_mac(), SENDER_MAC);
        assert!(!frame.checksum_pending);
        let sequence = frame.payload().map(|payload| payload.sequence);
        assert_eq!(frame.is_header_checksum_right(), sequence != Some(7));
        if frame.fragment() == 0 {
            assert_eq!(frame.is_checksum_right(), sequence != Some(6));
        }
    }
    assert_eq!(frames[2].options(), [1; 8]);
    assert_eq!(frames[4].ttl(), 1);
}

#[test]
fn senders_that_compute_checksums() {
    let network = Network::new();
    let near = network.namespace("near");
    let from = network.host("from", [10, 0, 0, 2], &near, "eth0");
    near.address("eth0", [10, 0, 0, 3].into(), 24);
    let tap = Tap::open(&near, "eth0");
    ethtool(from.namespace(), &["-K", "eth0", "tx", "off"]);
    let mut sender = Sender::new(&from, GROUP).ttl(2).size(1_472);
    sender.send();
    let frame = tap.wait_for("the packet", |frame| frame.destination() == GROUP);
    assert!(!frame.checksum_pending && frame.is_checksum_right());
    assert_eq!((frame.ttl(), frame.bytes.len()), (2, 1_514));
}
