//! The control socket: igmpctl, curl, and the stream of events.

use std::{io::Write, net::Ipv4Addr, os::unix::net::UnixStream, process::Command};

use tests::{
    Igmpd, Lan, Network, PATIENCE, Packet,
    igmpd::{contains_all, igmpctl_path},
    json::{Event, Groups, Interfaces, Statistics},
    packet::{Record, TO_EX},
    process::{Process, bounded, output, run, texts},
    wait_for,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

fn curl(igmpd: &Igmpd, path: &str) -> String {
    run(bounded("curl")
        .args(["--silent", "--show-error", "--fail", "--unix-socket"])
        .arg(&igmpd.paths().socket)
        .arg(format!("http://igmpd{path}")))
}

#[test]
fn curl_reads_what_igmpctl_reads() {
    let lan = Lan::new();
    // Static groups have no timers, so that two answers differ in age alone.
    let igmpd = lan.igmpd("static-group = [{ group = \"239.1.1.1\" }, { group = \"239.1.1.2\" }]");
    igmpd.wait_joined("lan0", GROUP);
    let without_age = |mut groups: Groups| {
        for group in &mut groups.group {
            group.up_time = 0.0;
        }
        groups
    };
    let by_curl: Groups = serde_json::from_str(&curl(&igmpd, "/v1/groups")).expect("groups");
    let by_tool: Groups = igmpd.show(&["show", "groups"]);
    assert_eq!(by_curl.group.len(), 2);
    assert_eq!(without_age(by_curl), without_age(by_tool));
    let interfaces: Interfaces = serde_json::from_str(&curl(&igmpd, "/v1/interfaces")).expect("interfaces");
    assert_eq!(interfaces.interface[0].interface_name, "lan0");
    let statistics: Statistics = serde_json::from_str(&curl(&igmpd, "/v1/statistics")).expect("statistics");
    assert_eq!(statistics.interface[0].interface_name, "lan0");
    // Every reason has its counter, whether it can occur yet or not.
    let reasons: Vec<_> = statistics.interface[0]
        .dropped
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        reasons,
        [
            "checksum",
            "fragment",
            "group",
            "limit",
            "malformed",
            "mtu",
            "no-members",
            "rate",
            "router-alert",
            "rpf",
            "source",
            "ssm-range",
            "too-short",
            "ttl",
            "unknown-type",
            "vlan"
        ]
    );
}

#[test]
fn groups_are_shown_as_asked() {
    let lan = Lan::new();
    let far = lan.network.host("far", [10, 2, 2, 2], &lan.router, "lan1");
    lan.router.address("lan1", [10, 2, 2, 1].into(), 24);
    let near = lan.host(2);
    let igmpd = Igmpd::start_on(
        &lan.network,
        &lan.router,
        &["lan0", "lan1"],
        "[interfaces.lan0]\nigmp = {}\n[interfaces.lan1]\nigmp = {}\n",
    );
    // 9 sorts before 10 as a number, and after it as text.
    let groups = [
        Ipv4Addr::new(224, 0, 1, 24),
        Ipv4Addr::new(239, 1, 1, 9),
        Ipv4Addr::new(239, 1, 1, 10),
    ];
    let _of_near = near.join_all(groups);
    let _of_far = far.join(groups[1]);
    wait_for("four groups", PATIENCE, || {
        let count = igmpd.groups().len();
        if count == 4 {
            Ok(())
        } else {
            Err(format!("{count} groups"))
        }
    });
    let list = |arguments: &[&str]| -> Vec<(String, Ipv4Addr)> {
        let found: Groups = igmpd.show(&[&["show", "groups"], arguments].concat());
        let pairs = found.group.into_iter();
        pairs
            .map(|group| (group.interface_name, group.group_address))
            .collect()
    };
    let lan0 = |group: usize| ("lan0".to_owned(), groups[group]);
    let lan1 = ("lan1".to_owned(), groups[1]);
    assert_eq!(list(&[]), [lan0(0), lan0(1), lan0(2), lan1.clone()]);
    assert_eq!(list(&["--group", "239.1.1.9"]), [lan0(1), lan1.clone()]);
    assert_eq!(list(&["--interface", "lan1"]), [lan1]);
    assert_eq!(list(&["--interface", "lan0", "--group", "239.1.1.10"]), [lan0(2)]);

    // For people: totals first, then the columns, names of well-known groups, no colour into a pipe.
    let (table, _) = texts(&igmpd.control(&["show", "groups"]));
    let first = table.lines().next().unwrap_or_default();
    assert!(first.contains('4'), "{table}");
    let columns = [
        "Interface",
        "Group",
        "Mode",
        "Timer",
        "Sources",
        "Version",
        "Uptime",
        "Last Reporter",
    ];
    assert!(table.lines().any(|line| contains_all(line, &columns)), "{table}");
    assert!(
        table
            .lines()
            .any(|line| contains_all(line, &["224.0.1.24", "microsoft-ds"])),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'), "{table}");
}

/// Starts `igmpctl monitor` and waits until it printed something: events are made until one gets through.
#[track_caller]
fn monitor(lan: &Lan, igmpd: &Igmpd, arguments: &[&str]) -> String {
    let mut command = Command::new(igmpctl_path());
    command.arg("-s").arg(&igmpd.paths().socket).args(arguments);
    let process = Process::start(&lan.router, command, lan.network.path("monitor.log"));
    wait_for("a line of the monitor", PATIENCE, || {
        igmpd.control(&["clear", "groups"]);
        let log = process.log();
        if log.contains("group-left") && log.ends_with('\n') {
            Ok(log)
        } else {
            Err(log)
        }
    })
}

#[test]
fn monitor_prints_a_json_object_a_line() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("");
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
    let text = monitor(&lan, &igmpd, &["-j", "monitor"]);
    let events: Vec<Event> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let left = events
        .iter()
        .find(|event| event.event == "group-left")
        .expect("the clearing");
    assert_eq!(left.interface_name, "lan0");
    assert_eq!(left.group_address, Some(GROUP));
    assert_eq!(left.source_address, None);
    assert_eq!(left.reason.as_deref(), Some("clear"));
    // As in 2026-11-22T10:00:00.123456Z.
    let shape: String = left
        .time
        .chars()
        .map(|char| if char.is_ascii_digit() { '0' } else { char })
        .collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000000Z");
}

#[test]
fn monitor_prints_a_line_for_people() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("");
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
    let text = monitor(&lan, &igmpd, &["monitor"]);
    let line = text
        .lines()
        .find(|line| line.contains("group-left"))
        .expect("the clearing");
    assert!(contains_all(line, &["lan0", "239.1.1.1", "clear"]), "{line}");
}

#[test]
fn errors_go_to_standard_error() {
    let network = Network::new();
    let socket = network.path("nobody.sock");
    let mut command = bounded(igmpctl_path());
    command.arg("-s").arg(&socket).args(["-j", "show", "groups"]);
    let found = output(&mut command);
    let (text, error) = texts(&found);
    assert_eq!(found.status.code(), Some(1), "{error}");
    assert_eq!(text, "");
    assert!(error.contains(&socket.display().to_string()), "{error}");
}

// Whoever subscribes to events and does not read them must not hold up the agent, nor fill its memory.
#[test]
fn a_subscriber_that_does_not_read() {
    let lan = Lan::new();
    let station = lan.station("station");
    let igmpd = lan.igmpd_with("[interfaces.lan0]\nigmp = {}\n");
    let mut idle = UnixStream::connect(&igmpd.paths().socket).expect("igmpd accepts connections");
    idle.write_all(b"GET /v1/monitor HTTP/1.0\r\nHost: igmpd\r\n\r\n")
        .expect("igmpd reads requests");
    // Enough lines to fill every buffer on the way.
    let groups: Vec<_> = (0..20_000)
        .map(|number| Ipv4Addr::from_bits(0xef00_0000 + number))
        .collect();
    for groups in groups.chunks(183) {
        let records: Vec<_> = groups
            .iter()
            .map(|group| Record::new(TO_EX, *group, &[]))
            .collect();
        station.raw.send(&Packet::v3_report([10, 1, 1, 66], &records));
    }
    wait_for("all groups", PATIENCE, || {
        let count = igmpd.igmp("lan0").groups_count;
        if count == 20_000 {
            Ok(())
        } else {
            Err(format!("{count} groups"))
        }
    });
    // Another subscriber gets what happens now.
    let monitor = igmpd.monitor();
    station.raw.send(&Packet::v3_report(
        [10, 1, 1, 66],
        &[Record::new(TO_EX, GROUP, &[])],
    ));
    monitor.wait_for("the join", PATIENCE, |event| event.group_address == Some(GROUP));
}
