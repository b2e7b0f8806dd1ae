//! FRR's pimd as the upstream router: querier, rendezvous point, and next to the source.

use std::{net::Ipv4Addr, time::Duration};

use nix::sys::signal::Signal;
use tests::{Frr, PATIENCE, stream::Stream, wait_for};

use crate::{
    common::{GROUP, SSM_GROUP},
    scene::{QUICK, SOURCE, Scene, wishes},
};

const V2_GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 2);
const V1_GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 3);
/// How long a Leave takes through the proxy and FRR, 0.2 s and 1 s, with what a busy machine adds.
const LEAVE: Duration = Duration::from_secs(6);
/// How long it takes where nobody says so: the Group Membership Interval of the proxy, 6 s, before that.
const TIMEOUT: Duration = Duration::from_secs(12);

#[test]
fn hosts_of_all_versions() {
    let scene = Scene::new(1, 3, false, QUICK);
    let frr = scene.frr();
    scene.stations[1].host.force_version(2);
    scene.stations[2].host.force_version(1);
    scene.receiver(1).join(GROUP);
    scene.receiver(1).join_source(SSM_GROUP, SOURCE);
    scene.receiver(2).join(V2_GROUP);
    scene.receiver(3).join(V1_GROUP);
    let all = [
        (GROUP, &[][..]),
        (SSM_GROUP, &[SOURCE]),
        (V2_GROUP, &[]),
        (V1_GROUP, &[]),
    ];
    frr.wait_wishes("down0", PATIENCE, &wishes(&all));
    let agent = &scene.agents[0];
    wait_for("the querier to be shown", PATIENCE, || {
        let joins = agent.joins();
        let querier = Some(Ipv4Addr::new(10, 0, 0, 1));
        let is_right = |join: &tests::json::Join| {
            join.protocol == "igmp-proxy"
                && join.state == "joined"
                && join.source_address == "*"
                && join.interface_name.as_deref() == Some("wan0")
                && join.upstream_neighbor == querier
        };
        let groups: Vec<Ipv4Addr> = joins.iter().map(|join| join.group_address).collect();
        if groups == [SSM_GROUP, GROUP, V2_GROUP, V1_GROUP] && joins.iter().all(is_right) {
            Ok(())
        } else {
            Err(format!("{joins:?}"))
        }
    });

    let members = [(1, GROUP), (1, SSM_GROUP), (2, V2_GROUP), (3, V1_GROUP)];
    let streams: Vec<(usize, Stream)> = members
        .iter()
        .map(|&(number, group)| (number, scene.stream(group)))
        .collect();
    for (member, stream) in &streams {
        scene.wait_flow(*member, stream);
        for other in (1..=3).filter(|other| other != member) {
            let seen = scene.stations[other - 1]
                .tap
                .arrivals(stream.stream(), SOURCE, stream.group());
            assert_eq!(seen.count(), 0, "{} on lan{other}", stream.group());
        }
    }

    scene.receiver(1).leave(GROUP);
    scene.receiver(1).leave_source(SSM_GROUP, SOURCE);
    scene.receiver(2).leave(V2_GROUP);
    frr.wait_wishes("down0", LEAVE, &wishes(&[(V1_GROUP, &[])]));
    scene.receiver(3).leave(V1_GROUP);
    frr.wait_wishes("down0", TIMEOUT, &wishes(&[]));
    for (member, stream) in &streams {
        scene.wait_dry(*member, stream, LEAVE);
    }
    assert_eq!(scene.agents[0].joins(), []);
}

/// A scene with a member of each kind on the one network, whose data flows.
fn flowing() -> (Scene, Frr, [Stream; 2]) {
    let scene = Scene::new(1, 1, false, QUICK);
    let frr = scene.frr();
    scene.receiver(1).join(GROUP);
    scene.receiver(1).join_source(SSM_GROUP, SOURCE);
    let streams = [scene.stream(GROUP), scene.stream(SSM_GROUP)];
    assert_flowing(&scene, &frr, &streams);
    (scene, frr, streams)
}

#[track_caller]
fn assert_flowing(scene: &Scene, frr: &Frr, streams: &[Stream]) {
    let all = wishes(&[(GROUP, &[]), (SSM_GROUP, &[SOURCE])]);
    frr.wait_wishes("down0", PATIENCE, &all);
    for stream in streams {
        scene.wait_flow(1, stream);
    }
}

#[test]
fn frr_restarts() {
    let (scene, mut frr, streams) = flowing();
    frr.kill();
    frr.start_again(&scene.upstream);
    assert_flowing(&scene, &frr, &streams);
    frr.stop();
    frr.start_again(&scene.upstream);
    assert_flowing(&scene, &frr, &streams);
}

#[test]
fn the_link_changes() {
    let (scene, frr, streams) = flowing();
    let proxy = &scene.proxies[0];
    let wait_link = |status: &str| {
        wait_for(&format!("wan0 to be {status}"), PATIENCE, || {
            let seen = scene.agents[0].interface("wan0").oper_status;
            if seen == status { Ok(()) } else { Err(seen) }
        });
    };
    // FRR forgets what was known on an interface that goes down.
    proxy.ip("link set wan0 down");
    wait_link("down");
    frr.wait_wishes("down0", PATIENCE, &wishes(&[]));
    proxy.ip("link set wan0 up");
    assert_flowing(&scene, &frr, &streams);

    proxy.ip("address flush dev wan0");
    proxy.ip("address add 10.0.0.7/24 dev wan0");
    assert_flowing(&scene, &frr, &streams);
    wait_for("the other address", PATIENCE, || {
        let address = scene.agents[0].interface("wan0").address;
        if address == Some([10, 0, 0, 7].into()) {
            Ok(())
        } else {
            Err(format!("{address:?}"))
        }
    });

    proxy.ip("link delete wan0");
    wait_link("not-present");
    scene
        .topology
        .network
        .link(&scene.upstream, "down0", proxy, "wan0");
    scene.upstream.address("down0", [10, 0, 0, 1].into(), 24);
    proxy.address("wan0", [10, 0, 0, 9].into(), 24);
    assert_flowing(&scene, &frr, &streams);
}

#[test]
fn igmpd_restarts() {
    let (mut scene, frr, streams) = flowing();
    // A clean end leaves everything at once, and the data ends with it.
    scene.agents[0].stop();
    frr.wait_wishes("down0", LEAVE, &wishes(&[]));
    scene.start_again(0);
    assert_flowing(&scene, &frr, &streams);
    // One that is killed leaves nothing, and the data goes on meanwhile.
    scene.agents[0].process().signal(Signal::SIGKILL);
    scene.agents[0].process().wait(PATIENCE);
    assert_flowing(&scene, &frr, &streams);
    scene.start_again(0);
    assert_flowing(&scene, &frr, &streams);
    // It is the new one that keeps it alive: FRR's Group Membership Interval is 2·5 s + 1 s.
    let asked = scene.agents[0].statistics("wan0").received.query_v3;
    wait_for("four queries of FRR", PATIENCE, || {
        let heard = scene.agents[0].statistics("wan0").received.query_v3 - asked;
        if heard >= 4 {
            Ok(())
        } else {
            Err(format!("{heard}"))
        }
    });
    assert_flowing(&scene, &frr, &streams);
}

/// The kernel's multicast routing carries the data, and queries are heard all the same.
#[test]
fn through_the_kernels_routing() {
    let scene = Scene::new(1, 1, false, &format!("forwarding = \"kernel\"\n{QUICK}"));
    let frr = scene.frr();
    scene.receiver(1).join(GROUP);
    scene.receiver(1).join_source(SSM_GROUP, SOURCE);
    let streams = [scene.stream(GROUP), scene.stream(SSM_GROUP)];
    assert_flowing(&scene, &frr, &streams);
    scene.receiver(1).leave(GROUP);
    frr.wait_wishes("down0", LEAVE, &wishes(&[(SSM_GROUP, &[SOURCE])]));
    scene.wait_dry(1, &streams[0], LEAVE);
    scene.wait_flow(1, &streams[1]);
}
