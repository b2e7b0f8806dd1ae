//! The control socket, with a stand-in for the agent.

use std::{
    io::{Read, Write},
    net::Ipv4Addr,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use tempfile::TempDir;
use tokio::sync::{broadcast, mpsc, watch};

use super::*;
use crate::api::{
    FilterMode, Group, Join, JoinProtocol, JoinState, MonitorEvent, MonitorEventKind, MonitorReason, Route,
    RouteEngine, Seconds,
};

/// A server whose agent answers from a table.
struct Fixture {
    directory: TempDir,
    handle: Handle,
    stop: watch::Sender<bool>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

fn group(interface: &str, address: Ipv4Addr) -> Group {
    Group {
        interface_name: interface.to_owned(),
        group_address: address,
        filter_mode: FilterMode::Exclude,
        expire: Some(Seconds::new(1.5)),
        up_time: Seconds::new(2.0),
        last_reporter: None,
        compatibility_mode: 3,
        is_static: false,
        source: Vec::new(),
    }
}

/// The address with this number in 239.0.0.0/8.
fn numbered(index: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(239, 0, 0, 0).to_bits() + index)
}

/// How many routes the stand-in has for each group: that of any source, and then those of single sources.
const ROUTES_OF_A_GROUP: u32 = 3;

/// Where a route stands in the table.
fn position(place: u32) -> RoutePosition {
    let source = place % ROUTES_OF_A_GROUP;
    RoutePosition {
        group: numbered(place / ROUTES_OF_A_GROUP),
        source: (source > 0).then(|| Ipv4Addr::new(192, 0, 2, source as u8)),
    }
}

/// The inverse of [`position`].
fn place(position: RoutePosition) -> u32 {
    let group = position.group.to_bits() - numbered(0).to_bits();
    let source = position.source.map_or(0, |source| u32::from(source.octets()[3]));
    group * ROUTES_OF_A_GROUP + source
}

fn route(position: RoutePosition) -> Route {
    Route {
        source_address: position.source,
        group_address: position.group,
        incoming_interface: None,
        outgoing_interface: Vec::new(),
        packets: 1,
        bytes: 1_400,
        up_time: Seconds::new(2.0),
        engine: RouteEngine::Xdp,
    }
}

fn join(position: RoutePosition) -> Join {
    Join {
        protocol: JoinProtocol::Pim,
        source_address: position.source,
        group_address: position.group,
        interface_name: None,
        upstream_neighbor: None,
        state: JoinState::Pending,
        up_time: Seconds::new(2.0),
        filter_mode: None,
        source_list: None,
    }
}

/// Answers as the agent would, from `count` groups on lan0 and as many routes and joins, in pages of 100.
fn answer(request: Request, count: u32) {
    let refuse = |filter: &Filter| match &filter.interface {
        Some(name) if name != "lan0" => Err(RequestError::NoSuchInterface(name.clone())),
        _ => Ok(()),
    };
    match request {
        Request::Groups { filter, from, reply } => {
            let first = from.map_or(0, |from| from.group.to_bits() - numbered(0).to_bits());
            let end = (first + 100).min(count);
            let page = refuse(&filter).map(|()| Page {
                groups: (first..end).map(|index| group("lan0", numbered(index))).collect(),
                next: (end < count).then(|| Position {
                    interface: "lan0".to_owned(),
                    group: numbered(end),
                }),
            });
            reply.send(page).expect("the handler waits");
        }
        Request::Routes { filter, from, reply } => {
            let first = from.map_or(0, place);
            let end = (first + 100).min(count);
            let page = refuse(&filter).map(|()| RoutePage {
                routes: (first..end).map(|place| route(position(place))).collect(),
                next: (end < count).then(|| position(end)),
            });
            reply.send(page).expect("the handler waits");
        }
        Request::Joins { filter, from, reply } => {
            let first = from.map_or(0, place);
            let end = (first + 100).min(count);
            let page = refuse(&filter).map(|()| JoinPage {
                joins: (first..end).map(|place| join(position(place))).collect(),
                next: (end < count).then(|| position(end)),
            });
            reply.send(page).expect("the handler waits");
        }
        Request::Interfaces(reply) => reply.send(api::Interfaces::default()).expect("the handler waits"),
        Request::Neighbors(reply) => reply.send(api::Neighbors::default()).expect("the handler waits"),
        Request::Statistics(reply) => reply.send(api::Statistics::default()).expect("the handler waits"),
        Request::ClearGroups { filter, reply } => {
            let cleared = refuse(&filter).map(|()| api::Cleared { groups_cleared: 7 });
            reply.send(cleared).expect("the handler waits");
        }
        Request::Reload(reply) => {
            let error = RequestError::BadConfiguration("igmpd.toml:1: version: wrong".to_owned());
            reply.send(Err(error)).expect("the handler waits");
        }
    }
}

impl Fixture {
    fn new(count: u32) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = ControlSocket::bind(&directory.path().join("igmpd.sock")).expect("binds");
        let (requests, mut received) = mpsc::channel(REQUEST_BACKLOG);
        let (monitor, _) = broadcast::channel(4);
        let (stop, stopping) = watch::channel(false);
        let handle = Handle { requests, monitor };
        let server = tokio::spawn(serve(socket, handle.clone(), stopping));
        tokio::spawn(async move {
            while let Some(request) = received.recv().await {
                answer(request, count);
            }
        });
        Self {
            directory,
            handle,
            stop,
            server,
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("igmpd.sock")
    }

    /// Asks as curl would, and returns the status and the body.
    async fn ask(&self, request: &str) -> (u16, String) {
        let socket = self.socket();
        let request = format!("{request} HTTP/1.1\r\nHost: igmpd\r\nConnection: close\r\n\r\n");
        tokio::task::spawn_blocking(move || exchange(&socket, &request))
            .await
            .expect("the client does not panic")
    }
}

fn exchange(socket: &Path, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).expect("connects");
    stream.write_all(request.as_bytes()).expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head[9..12].parse().expect("a status");
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunk(body)
    } else {
        body.to_owned()
    };
    (status, body)
}

/// Undoes the chunked transfer coding (RFC 9112 §7.1).
fn unchunk(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((len, rest)) = body.split_once("\r\n") {
        let len = usize::from_str_radix(len, 16).expect("a length");
        text.push_str(&rest[..len]);
        body = rest[len..].trim_start_matches("\r\n");
    }
    text
}

#[tokio::test]
async fn a_long_table_is_one_document() {
    let fixture = Fixture::new(1_234);
    let (status, body) = fixture.ask("GET /v1/groups").await;
    assert_eq!(status, 200);
    let groups: api::Groups = serde_json::from_str(&body).expect("one document");
    let expected: Vec<Ipv4Addr> = (0..1_234).map(numbered).collect();
    let delivered: Vec<Ipv4Addr> = groups.group.iter().map(|group| group.group_address).collect();
    assert_eq!(delivered, expected);
    assert!(body.ends_with("]}\n"));
}

#[tokio::test]
async fn pages_of_routes_follow_each_other_within_a_group() {
    let fixture = Fixture::new(1_234);
    let (status, body) = fixture.ask("GET /v1/routes").await;
    assert_eq!(status, 200);
    let routes: api::Routes = serde_json::from_str(&body).expect("one document");
    let delivered: Vec<RoutePosition> = routes
        .route
        .iter()
        .map(|route| RoutePosition {
            group: route.group_address,
            source: route.source_address,
        })
        .collect();
    assert_eq!(delivered, (0..1_234).map(position).collect::<Vec<_>>());
    assert!(delivered.is_sorted(), "positions are ordered as the table is");
    assert!(body.ends_with("]}\n"));
}

#[tokio::test]
async fn pages_of_joins_follow_each_other_within_a_group() {
    let fixture = Fixture::new(1_234);
    let (status, body) = fixture.ask("GET /v1/joins").await;
    assert_eq!(status, 200);
    let joins: api::Joins = serde_json::from_str(&body).expect("one document");
    let expected: Vec<Join> = (0..1_234).map(|place| join(position(place))).collect();
    assert_eq!(joins.join, expected);
}

#[tokio::test]
async fn an_empty_table_is_an_empty_list() {
    let fixture = Fixture::new(0);
    for (request, expected) in [
        ("GET /v1/groups", "{\"group\":[]}\n"),
        ("GET /v1/routes", "{\"route\":[]}\n"),
        ("GET /v1/joins", "{\"join\":[]}\n"),
    ] {
        assert_eq!(
            fixture.ask(request).await,
            (200, expected.to_owned()),
            "{request}"
        );
    }
}

#[tokio::test]
async fn errors_are_json_with_their_status() {
    let fixture = Fixture::new(1);
    let cases = [
        (
            "GET /v1/groups?interface=lan9",
            404,
            "igmpd has no interface lan9; `igmpctl show interfaces` lists those it has",
        ),
        ("GET /v1/nothing", 404, "there is no /v1/nothing"),
        (
            "GET /v1/routes?interface=lan9",
            404,
            "igmpd has no interface lan9; `igmpctl show interfaces` lists those it has",
        ),
        ("POST /v1/routes", 405, "/v1/routes does not take POST"),
        ("POST /v1/neighbors", 405, "/v1/neighbors does not take POST"),
        (
            "GET /v1/joins?interface=lan9",
            404,
            "igmpd has no interface lan9; `igmpctl show interfaces` lists those it has",
        ),
        ("GET /v1/reload", 405, "/v1/reload does not take GET"),
        (
            "POST /v1/reload",
            422,
            "igmpd.toml:1: version: wrong\nthe configuration in force stays as it is",
        ),
    ];
    for (request, status, error) in cases {
        let (answered, body) = fixture.ask(request).await;
        let body: api::ErrorBody = serde_json::from_str(&body).expect("an error in JSON");
        assert_eq!((answered, body.error.as_str()), (status, error), "{request}");
    }
    for request in [
        "GET /v1/groups?group=lan0",
        "GET /v1/groups?colour=red",
        "GET /v1/routes?group=lan0",
        "GET /v1/routes?colour=red",
    ] {
        let (status, body) = fixture.ask(request).await;
        assert_eq!(status, 400, "{request}");
        serde_json::from_str::<api::ErrorBody>(&body).expect("an error in JSON");
    }
}

#[tokio::test]
async fn answers_of_one_piece() {
    let fixture = Fixture::new(1);
    let cases = [
        ("GET /v1/interfaces", "{\"interface\":[]}\n"),
        ("GET /v1/neighbors", "{\"neighbor\":[]}\n"),
        ("GET /v1/statistics", "{\"interface\":[],\"resyncs\":0}\n"),
        (
            "POST /v1/clear-groups?interface=lan0&group=239.0.0.1",
            "{\"groups-cleared\":7}\n",
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(
            fixture.ask(request).await,
            (200, expected.to_owned()),
            "{request}"
        );
    }
    let (status, body) = fixture.ask("GET /v1/version").await;
    let version: api::Version = serde_json::from_str(&body).expect("a version");
    assert_eq!(
        (status, version.version.as_str()),
        (200, env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn monitor_streams_events_until_igmpd_stops() {
    let fixture = Fixture::new(1);
    let socket = fixture.socket();
    let client = thread::spawn(move || exchange(&socket, "GET /v1/monitor HTTP/1.1\r\nHost: igmpd\r\n\r\n"));
    while fixture.handle.monitor.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    let event = MonitorEvent {
        time: "2026-11-22T10:00:00.123456Z".to_owned(),
        event: MonitorEventKind::InterfaceUp,
        interface_name: "lan0".to_owned(),
        group_address: None,
        source_address: None,
        reporter: None,
        reason: MonitorReason::Interface,
    };
    fixture
        .handle
        .monitor
        .send(Arc::new(event.clone()))
        .expect("somebody listens");
    // The event is under way once the stream has taken it.
    while !fixture.handle.monitor.is_empty() {
        tokio::task::yield_now().await;
    }
    fixture.stop.send(true).expect("the server runs");
    fixture.server.await.expect("no panic").expect("a clean end");
    let (status, body) = tokio::task::spawn_blocking(move || client.join())
        .await
        .expect("no panic")
        .expect("no panic");
    assert_eq!(status, 200);
    let lines: Vec<MonitorEvent> = body
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect();
    assert_eq!(lines, [event]);
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_group_and_goes_with_the_server() {
    let fixture = Fixture::new(1);
    let path = fixture.socket();
    let mode = std::fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    fixture.stop.send(true).expect("the server runs");
    fixture.server.await.expect("no panic").expect("a clean end");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_in_use_is_left_alone_and_a_dead_one_is_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("igmpd.sock");
    let first = ControlSocket::bind(&path).expect("binds");
    let error = ControlSocket::bind(&path).expect_err("it is in use");
    assert!(matches!(error, SocketError::InUse(_)), "{error}");
    drop(first);
    assert!(!path.exists());

    // As a killed process leaves it: a file to which nobody listens.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    assert!(path.exists());
    let second = ControlSocket::bind(&path).expect("replaces it");
    drop(second);

    std::fs::write(&path, "not a socket").expect("writes");
    let error = ControlSocket::bind(&path).expect_err("it is something else");
    assert!(matches!(error, SocketError::NotASocket(_)), "{error}");
    assert!(path.exists());
}

#[tokio::test]
async fn a_socket_of_somebody_else_is_not_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("igmpd.sock");
    let ours = ControlSocket::bind(&path).expect("binds");
    std::fs::remove_file(&path).expect("removes");
    let theirs = ControlSocket::bind(&path).expect("binds");
    drop(ours);
    assert!(path.exists());
    drop(theirs);
    assert!(!path.exists());
}
