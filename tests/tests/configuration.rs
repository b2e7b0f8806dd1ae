//! The configuration: what is wrong is said with its place, and what was right stays in force.

use std::{net::Ipv4Addr, process::Output};

use nix::sys::signal::Signal;
use tests::{
    Igmpd, Lan, PATIENCE,
    igmpd::{Paths, contains_all, igmpd_path, is_left_behind},
    lan::QUICK,
    process::{bounded, output, texts},
    wait_for,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

/// What is wrong, the line (the first two say where files are), the key, and the text.
const WRONG: [(&str, usize, &str, &str); 9] = [
    (
        "an unknown key",
        5,
        "querry-interval",
        "[igmp]\nversion = 3\nquerry-interval = 60\n",
    ),
    ("an unknown table", 3, "igpm", "[igpm]\nversion = 3\n"),
    ("a wrong type", 4, "version", "[igmp]\nversion = \"three\"\n"),
    ("a value out of range", 4, "version", "[igmp]\nversion = 4\n"),
    (
        "a Robustness Variable of zero",
        5,
        "robustness-variable",
        "[interfaces.lan0.igmp]\nversion = 3\nrobustness-variable = 0\n",
    ),
    (
        "an interface named twice",
        5,
        "lan0",
        "[interfaces.lan0]\nigmp = {}\n[interfaces.lan0]\nigmp = {}\n",
    ),
    (
        "a static group that is none",
        4,
        "static-group",
        "[interfaces.lan0.igmp]\nstatic-group = [{ group = \"10.0.0.1\" }]\n",
    ),
    (
        "two upstream interfaces",
        6,
        "proxy-upstream",
        "[interfaces.wan0]\nproxy-upstream = true\n[interfaces.wan1]\nproxy-upstream = true\n",
    ),
    ("no TOML at all", 3, "", "[interfaces.lan0\n"),
];

#[track_caller]
fn check(lan: &Lan, paths: &Paths, arguments: &[&str]) -> Output {
    let mut command = bounded(igmpd_path());
    command.arg("--config").arg(&paths.config).args(arguments);
    lan.router.enter(|| output(&mut command))
}

/// The error names file and line, and the key.
#[track_caller]
fn assert_names_the_place(what: &str, text: &str, paths: &Paths, line: usize, key: &str) {
    let place = format!("{}:{line}", paths.config.display());
    assert!(
        text.contains(&place) && text.contains(key),
        "{what} should be placed at {place}, {key}: {text}"
    );
}

#[test]
fn errors_name_file_line_and_key() {
    let lan = Lan::new();
    let paths = Paths::new(&lan.network);
    for (what, line, key, text) in WRONG {
        paths.configure(text);
        let found = check(&lan, &paths, &["--check"]);
        let (_, error) = texts(&found);
        assert_eq!(found.status.code(), Some(1), "{what}: {error}");
        assert_names_the_place(what, &error, &paths, line, key);
    }
}

#[test]
fn nothing_is_attached_with_a_wrong_configuration() {
    let lan = Lan::new();
    let paths = Paths::new(&lan.network);
    paths.configure("[interfaces.lan0]\nigmp = {}\n[igmp]\nversion = 4\n");
    let found = check(&lan, &paths, &[]);
    let (_, error) = texts(&found);
    assert_eq!(found.status.code(), Some(1), "{error}");
    assert_names_the_place("a value out of range", &error, &paths, 6, "version");
    assert!(!lan.router.has_xdp("lan0"));
    assert!(!paths.socket.exists());
    assert!(!is_left_behind(&paths.pins));
}

#[test]
fn a_right_configuration_passes_the_check_and_starts_nothing() {
    let lan = Lan::new();
    let paths = Paths::new(&lan.network);
    // An interface that does not exist yet is not an error.
    paths.configure("[interfaces.lan0]\nigmp = {}\n[interfaces.later0]\nigmp = {}\n");
    let found = check(&lan, &paths, &["--check"]);
    assert_eq!(found.status.code(), Some(0), "{:?}", texts(&found));
    assert!(!lan.router.has_xdp("lan0"));
    assert!(!paths.socket.exists());
}

#[test]
fn a_file_that_is_not_there() {
    let lan = Lan::new();
    let paths = Paths::new(&lan.network);
    let found = check(&lan, &paths, &["--check"]);
    let (_, error) = texts(&found);
    assert_eq!(found.status.code(), Some(1), "{error}");
    assert!(error.contains(&paths.config.display().to_string()), "{error}");
}

/// A second interface of the router, with a host of its own.
fn second_link(lan: &Lan) -> tests::Host {
    let host = lan.network.host("far", [10, 2, 2, 2], &lan.router, "lan1");
    lan.router.address("lan1", [10, 2, 2, 1].into(), 24);
    host
}

fn config(interval: u32, interfaces: &[&str]) -> String {
    let tables = interfaces
        .iter()
        .map(|name| format!("[interfaces.{name}]\nigmp = {{}}\n"));
    let keys = QUICK.replace("query-interval = 2", &format!("query-interval = {interval}"));
    format!("{keys}{}", tables.collect::<String>())
}

/// Reloads by signal or by tool.
fn changes_come_into_force_and_memberships_stay(reload: impl Fn(&mut Igmpd)) {
    let lan = Lan::new();
    let (near, far) = (lan.host(2), second_link(&lan));
    let mut igmpd = lan.igmpd_with(&config(2, &["lan0"]));
    let monitor = igmpd.monitor();
    let _of_near = near.join(GROUP);
    let _of_far = far.join(GROUP);
    let joined = igmpd.wait_joined("lan0", GROUP);
    assert!(!lan.router.has_xdp("lan1"));

    // An interface more.
    igmpd.paths().configure(&config(2, &["lan0", "lan1"]));
    reload(&mut igmpd);
    igmpd.wait_up(&["lan0", "lan1"]);
    igmpd.wait_joined("lan1", GROUP);

    // Another interval.
    igmpd.paths().configure(&config(3, &["lan0", "lan1"]));
    reload(&mut igmpd);
    for interface in ["lan0", "lan1"] {
        wait_for("the interval to change", PATIENCE, || {
            let igmp = igmpd.igmp(interface);
            // Numbers of seconds that are whole are exact.
            if igmp.query_interval == 3.0 {
                Ok(())
            } else {
                Err(format!("{igmp:?}"))
            }
        });
    }

    // An interface less.
    igmpd.paths().configure(&config(3, &["lan0"]));
    reload(&mut igmpd);
    wait_for("lan1 to be released", PATIENCE, || {
        let names: Vec<_> = igmpd
            .interfaces()
            .into_iter()
            .map(|found| found.interface_name)
            .collect();
        if names == ["lan0"] && !lan.router.has_xdp("lan1") {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    });
    assert_eq!(igmpd.group("lan1", GROUP), None);

    let group = igmpd
        .group("lan0", GROUP)
        .expect("a membership that no change touched");
    assert!(group.up_time > joined.up_time, "{group:?}");
    assert_eq!(
        monitor.count(|event| event.event == "group-left" && event.interface_name == "lan0"),
        0
    );
}

#[test]
fn reload_by_signal() {
    changes_come_into_force_and_memberships_stay(|igmpd| igmpd.process().signal(Signal::SIGHUP));
}

#[test]
fn reload_by_tool() {
    changes_come_into_force_and_memberships_stay(|igmpd| {
        let output = igmpd.control(&["reload"]);
        assert!(output.status.success(), "{:?}", texts(&output));
    });
}

#[test]
fn a_wrong_file_leaves_the_old_configuration_in_force() {
    let lan = Lan::new();
    let host = lan.host(2);
    let mut igmpd = lan.igmpd_with(&config(2, &["lan0"]));
    let monitor = igmpd.monitor();
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
    igmpd
        .paths()
        .configure("[interfaces.lan0.igmp]\nquery-interval = 9\nversion = 4\n");

    let output = igmpd.control(&["reload"]);
    let (_, error) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_names_the_place("a value out of range", &error, igmpd.paths(), 5, "version");

    let place = format!("{}:5", igmpd.paths().config.display());
    let logged = || {
        let log = igmpd.log();
        log.lines()
            .filter(|line| contains_all(line, &[&place, "version"]))
            .count()
    };
    let before = logged();
    igmpd.process().signal(Signal::SIGHUP);
    wait_for("the log to name the place", PATIENCE, || {
        let log = igmpd.log();
        let count = log
            .lines()
            .filter(|line| contains_all(line, &[&place, "version"]))
            .count();
        if count > before { Ok(()) } else { Err(log) }
    });

    igmpd.wait_queries("lan0", 2);
    let interval = igmpd.igmp("lan0").query_interval;
    assert!((interval - 2.0).abs() < f64::EPSILON, "{interval}");
    assert!(igmpd.group("lan0", GROUP).is_some());
    assert_eq!(monitor.count(|event| event.event == "group-left"), 0);
}
