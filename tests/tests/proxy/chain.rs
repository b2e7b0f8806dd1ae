//! Two proxies, one behind the other.

use std::time::Duration;

use tests::{Igmpd, PATIENCE, wait_for};

use crate::{
    common::{GROUP, SSM_GROUP},
    scene::{QUICK, SOURCE, Scene, wishes},
};

/// How long a Leave takes: 0.2 s in each proxy and 1 s in FRR, with what a busy machine adds.
const LEAVE: Duration = Duration::from_secs(8);

#[test]
fn before_frr() {
    let mut scene = Scene::new(2, 2, false, QUICK);
    let frr = scene.frr();
    scene.receiver(1).join(GROUP);
    scene.receiver(2).join_source(SSM_GROUP, SOURCE);
    let all = wishes(&[(GROUP, &[]), (SSM_GROUP, &[SOURCE])]);
    frr.wait_wishes("down0", PATIENCE, &all);
    let (any, one) = (scene.stream(GROUP), scene.stream(SSM_GROUP));
    scene.wait_flow(1, &any);
    scene.wait_flow(2, &one);
    // The one in the middle restarts: what is behind it is asked, and told once more.
    scene.agents[0].stop();
    frr.wait_wishes("down0", LEAVE, &wishes(&[]));
    scene.start_again(0);
    frr.wait_wishes("down0", PATIENCE, &all);
    scene.wait_flow(1, &any);
    scene.wait_flow(2, &one);

    scene.receiver(1).leave(GROUP);
    frr.wait_wishes("down0", LEAVE, &wishes(&[(SSM_GROUP, &[SOURCE])]));
    scene.wait_dry(1, &any, LEAVE);
    scene.receiver(2).leave_source(SSM_GROUP, SOURCE);
    frr.wait_wishes("down0", LEAVE, &wishes(&[]));
    scene.wait_dry(2, &one, LEAVE);
}

#[test]
fn before_igmpd() {
    let scene = Scene::new(2, 1, true, QUICK);
    let config = format!("{QUICK}\n[interfaces.src0]\n[interfaces.down0]\nigmp = {{}}\n");
    let upstream = Igmpd::start_on(
        &scene.topology.network,
        &scene.upstream,
        &["src0", "down0"],
        &config,
    );
    scene.receiver(1).join(GROUP);
    scene.receiver(1).join_source(SSM_GROUP, SOURCE);
    upstream.wait_joined("down0", GROUP);
    let only = |sources: &[std::net::Ipv4Addr]| sources == [SOURCE];
    upstream.wait_group("the source", PATIENCE, "down0", SSM_GROUP, |group| {
        let sources: Vec<_> = group.source.iter().map(|source| source.source_address).collect();
        only(&sources)
    });
    let (any, one) = (scene.stream(GROUP), scene.stream(SSM_GROUP));
    scene.wait_flow(1, &any);
    scene.wait_flow(1, &one);
    // It goes on through queries of all three, and nothing is lost or told twice.
    upstream.wait_queries("down0", 4);
    scene.wait_flow(1, &any);
    let monitor = upstream.monitor();
    scene.receiver(1).leave(GROUP);
    scene.receiver(1).leave_source(SSM_GROUP, SOURCE);
    for group in [GROUP, SSM_GROUP] {
        upstream.wait_left("down0", group, LEAVE);
    }
    monitor.wait_for("the leave", PATIENCE, |event| {
        event.event == "group-left" && event.group_address == Some(GROUP)
    });
    scene.wait_dry(1, &any, LEAVE);
    scene.wait_dry(1, &one, LEAVE);
    wait_for("nothing to be joined", PATIENCE, || {
        let joins: Vec<_> = scene.agents.iter().flat_map(Igmpd::joins).collect();
        if joins.is_empty() {
            Ok(())
        } else {
            Err(format!("{joins:?}"))
        }
    });
}
