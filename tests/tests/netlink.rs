//! What igmpd learns from the kernel through netlink, held against what `ip` and `ethtool` did to it.

use std::{process::Command, sync::Arc};

use igmp_user::netlink::{self, Link, Snapshot};
use tests::{Namespace, Network, PATIENCE, process};
use tokio::{sync::watch::Receiver, time::timeout};

/// Runs a future inside a namespace, on a runtime like igmpd's. Other namespaces can be entered meanwhile.
#[track_caller]
fn inside<T: Send>(namespace: &Namespace, work: impl AsyncFnOnce() -> T + Send) -> T {
    namespace.enter(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(work())
    })
}

/// Waits until the state that is followed is as it should be, without any other reason to look than its change.
async fn until<T, U>(what: &str, states: &mut Receiver<Arc<T>>, wanted: impl Fn(&T) -> Option<U>) -> U {
    let mut found = None;
    let waiting = states.wait_for(|state| {
        found = wanted(state);
        found.is_some()
    });
    match timeout(PATIENCE, waiting).await {
        Ok(state) => drop(state.expect("the kernel is followed as long as somebody looks")),
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
    found.expect("what was waited for")
}

fn link<'a>(snapshot: &'a Snapshot, name: &str) -> &'a Link {
    snapshot
        .by_name(name)
        .unwrap_or_else(|| panic!("{name} in {snapshot:?}"))
}

fn ethtool(namespace: &Namespace, arguments: &str) {
    process::run(
        Command::new("ip")
            .args(["netns", "exec", namespace.name(), "ethtool"])
            .args(arguments.split_whitespace()),
    );
}

// veth_xdp_xmit of drivers/net/veth.c: what is redirected to a veth needs the NAPI of its peer, which GRO or an XDP
// program switches on.
#[test]
fn a_veth_is_a_redirect_target_while_its_peer_has_gro() {
    let network = Network::new();
    let router = network.namespace("router");
    let host = network.namespace("host");
    network.link(&router, "lan0", &host, "eth0");
    network.link(&router, "lan1", &host, "eth1");
    inside(&router, async || {
        let mut interfaces = netlink::watch().await.expect("the interfaces");
        let first = interfaces.borrow_and_update().clone();
        assert_eq!(link(&first, "lan0").kind.as_deref(), Some("veth"));
        assert_eq!(link(&first, "lo").kind, None);
        assert!(!link(&first, "lan0").redirect_target);
        let is_target = |snapshot: &Snapshot, wanted: bool| {
            (link(snapshot, "lan0").redirect_target == wanted).then_some(())
        };
        ethtool(&host, "-K eth0 gro on");
        until("a redirect target", &mut interfaces, |now| is_target(now, true)).await;
        assert!(
            !link(&interfaces.borrow(), "lan1").redirect_target,
            "eth1 was not touched"
        );
        ethtool(&host, "-K eth0 gro off");
        until("none", &mut interfaces, |now| is_target(now, false)).await;
    });
}
