//! Starting, stopping, being killed, and what stands in the way.

use std::{net::Ipv4Addr, os::unix::fs::PermissionsExt};

use nix::sys::signal::Signal;
use tests::{
    Igmpd, Lan, PATIENCE,
    igmpd::{Paths, contains_all, igmpd_path, is_left_behind},
    lan::QUICK,
    packet::{TO_EX, TO_IN},
    process::{bounded, output, texts},
    wait_for,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

/// The agent ends with success and leaves nothing: no program on the interface, no pins, no socket.
fn a_clean_end(signal: Signal) {
    let lan = Lan::new();
    let host = lan.host(2);
    let mut igmpd = lan.igmpd("");
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
    assert!(lan.router.has_xdp("lan0"));
    let mode = igmpd
        .paths()
        .socket
        .metadata()
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o660);

    igmpd.process().signal(signal);
    let status = igmpd.process().wait(PATIENCE);
    assert!(status.success(), "{status}");
    assert!(!lan.router.has_xdp("lan0"));
    assert!(!igmpd.paths().socket.exists());
    assert!(!is_left_behind(&igmpd.paths().pins));
    assert!(!igmpd.log().contains("panicked at"));
}

#[test]
fn sigterm_leaves_nothing_behind() {
    a_clean_end(Signal::SIGTERM);
}

#[test]
fn sigint_leaves_nothing_behind() {
    a_clean_end(Signal::SIGINT);
}

// Somebody else's program stays, and the operator reads where and what to do. Here it is that of another agent, which
// shares nothing with this one.
#[test]
fn an_xdp_program_of_someone_else() {
    let lan = Lan::new();
    let host = lan.host(2);
    let first = lan.igmpd("");
    let paths = Paths::new(&lan.network);
    paths.configure(&format!("{QUICK}\n[interfaces.lan0]\nigmp = {{}}\n"));
    let second = Igmpd::spawn(&lan.router, paths);
    let line = second.wait_logged(&["lan0", "XDP"]);
    assert!(contains_all(&line, &["program"]), "{line}");
    drop(second);
    let _membership = host.join(GROUP);
    first.wait_joined("lan0", GROUP);
}

// A capability less, and the agent says which. CAP_SYS_ADMIN stands for some of them and goes with them.
#[test]
fn missing_capabilities_are_named() {
    let lan = Lan::new();
    for (drop, name) in [
        ("-bpf,-sys_admin", "CAP_BPF"),
        ("-net_admin", "CAP_NET_ADMIN"),
        ("-net_raw", "CAP_NET_RAW"),
    ] {
        let paths = Paths::new(&lan.network);
        paths.configure("[interfaces.lan0]\nigmp = {}\n");
        let mut command = bounded("setpriv");
        command.args(["--inh-caps", drop, "--bounding-set", drop]);
        command.arg(igmpd_path()).arg("--config").arg(&paths.config);
        let found = lan.router.enter(|| output(&mut command));
        let (_, error) = texts(&found);
        assert_eq!(found.status.code(), Some(1), "{name}: {error}");
        assert!(error.contains(name), "{name}: {error}");
        assert!(!lan.router.has_xdp("lan0"), "{name}");
        assert!(!paths.socket.exists(), "{name}");
        assert!(!is_left_behind(&paths.pins), "{name}");
    }
}

#[test]
fn static_groups_need_no_host() {
    let lan = Lan::new();
    let host = lan.host(2);
    let channel = Ipv4Addr::new(232, 1, 1, 1);
    let source = Ipv4Addr::new(192, 0, 2, 7);
    let mut igmpd = lan.igmpd(
        "static-group = [{ group = \"239.1.1.1\" }, { group = \"232.1.1.1\", source = \"192.0.2.7\" }]",
    );
    let group = igmpd.wait_joined("lan0", GROUP);
    assert!(group.is_static, "{group:?}");
    assert_eq!((group.expire, group.last_reporter), (None, None), "{group:?}");
    let group = igmpd.wait_joined("lan0", channel);
    assert!(group.is_static, "{group:?}");
    assert_eq!(group.source.len(), 1, "{group:?}");
    assert_eq!(group.source[0].source_address, source);
    assert_eq!((group.source[0].expire, group.source[0].forwarding), (None, true));

    // They outlast the Group Membership Interval, and a host that joins and leaves.
    let membership = host.join(GROUP);
    igmpd.wait_group("the host", PATIENCE, "lan0", GROUP, |group| {
        group.last_reporter == Some(host.address())
    });
    drop(membership);
    igmpd.wait_group("time to pass", PATIENCE, "lan0", GROUP, |group| {
        group.up_time > 8.0
    });
    assert!(igmpd.group("lan0", channel).is_some());

    // They end with the line in the configuration.
    igmpd
        .paths()
        .configure(&format!("{QUICK}\n[interfaces.lan0]\nigmp = {{}}\n"));
    igmpd.process().signal(Signal::SIGHUP);
    igmpd.wait_left("lan0", channel, PATIENCE);
    igmpd.wait_left("lan0", GROUP, PATIENCE);
}

#[test]
fn clearing_one_group_leaves_the_other() {
    let lan = Lan::new();
    let host = lan.host(2);
    let other = Ipv4Addr::new(239, 1, 1, 2);
    let igmpd = lan.igmpd("");
    let _membership = host.join_all([GROUP, other]);
    igmpd.wait_joined("lan0", GROUP);
    igmpd.wait_joined("lan0", other);
    let monitor = igmpd.monitor();
    let before = igmpd.wait_group("some age", PATIENCE, "lan0", GROUP, |group| group.up_time > 2.0);

    let output = igmpd.control(&["clear", "groups", "--group", &GROUP.to_string()]);
    assert!(output.status.success(), "{:?}", texts(&output));
    let (_, left) = monitor.wait_for("group-left", PATIENCE, |event| event.event == "group-left");
    assert_eq!(
        (left.group_address, left.reason.as_deref()),
        (Some(GROUP), Some("clear"))
    );
    // The host is still a member and is asked, so the group comes back and is young.
    igmpd.wait_group("the group to come back", PATIENCE, "lan0", GROUP, |group| {
        group.up_time < before.up_time
    });
    assert_eq!(monitor.count(|event| event.event == "group-left"), 1);

    // Everything at once.
    let output = igmpd.control(&["clear", "groups"]);
    assert!(output.status.success(), "{:?}", texts(&output));
    wait_for("both groups to be cleared", PATIENCE, || {
        let count =
            monitor.count(|event| event.reason.as_deref() == Some("clear") && event.event == "group-left");
        if count == 3 {
            Ok(())
        } else {
            Err(format!("{count}"))
        }
    });
    igmpd.wait_joined("lan0", GROUP);
    igmpd.wait_joined("lan0", other);
}

// What hosts said while the agent did nothing waits in the kernel.
#[test]
fn an_agent_that_stood_still_catches_up() {
    let lan = Lan::new();
    let host = lan.host(2);
    let station = lan.station("station");
    let other = Ipv4Addr::new(239, 1, 1, 2);
    let mut igmpd = lan.igmpd("");
    igmpd.process().signal(Signal::SIGSTOP);
    let membership = host.join(GROUP);
    let left = host.join(other);
    let wait_sent = |kind: u8| {
        // A record without sources; the host repeats it once, since Robustness is 2.
        let record = [&[kind, 0, 0, 0], &other.octets()[..]].concat();
        wait_for("the host to have said it", PATIENCE, || {
            let sent = station
                .capture
                .matching(|seen| seen.kind() == 0x22 && seen.message.windows(8).any(|bytes| bytes == record));
            if sent.len() >= 2 {
                Ok(())
            } else {
                Err(format!("{sent:?}"))
            }
        });
    };
    wait_sent(TO_EX);
    drop(left);
    wait_sent(TO_IN);
    igmpd.process().signal(Signal::SIGCONT);
    igmpd.wait_joined("lan0", GROUP);
    igmpd.wait_left("lan0", other, PATIENCE);
    drop(membership);
    igmpd.wait_left("lan0", GROUP, PATIENCE);
}
