//! Following the kernel's IPv4 routes.

use std::sync::Arc;

use futures_util::TryStreamExt;
use rtnetlink::{
    Handle, IpVersion, MulticastGroup, new_connection, new_connection_with_strict_check,
    packet_route::{
        AddressFamily,
        route::{RouteHeader, RouteMessage},
    },
    sys::protocols::NETLINK_ROUTE,
};
use tokio::sync::watch as channel;

use super::{
    NetlinkError, RouteTable,
    error::errno,
    follow::follow,
    hints::Hints,
    routes::{Candidate, is_default_rule},
};

/// The loopback interface, which every network namespace has.
const LOOPBACK: u32 = 1;

/// Reads the IPv4 routes of the table `main` and follows their changes from now on, in a task of its own. The receiver
/// sees every state that lasts, not each one in between.
///
/// # Errors
///
/// [`NetlinkError`] where the first reading fails. Later failures are logged and tried again.
pub async fn watch_routes() -> Result<channel::Receiver<Arc<RouteTable>>, NetlinkError> {
    let mut hints = Hints::default();
    let groups = [
        MulticastGroup::Ipv4Route,
        MulticastGroup::Ipv4Rule,
        // Routes go down with their interface without a notification for each (fib_table_flush).
        MulticastGroup::Link,
    ];
    hints.listen(NETLINK_ROUTE, &groups.map(|group| group as u32))?;
    // Where the kernel has no nexthop objects (before 5.3), it has no such group.
    let _ = hints.listen(NETLINK_ROUTE, &[MulticastGroup::Nexthop as u32]);
    // A kernel that does not know strict checking (before 4.20) dumps all tables.
    let (connection, handle, _) = new_connection_with_strict_check().or_else(|_| new_connection())?;
    tokio::spawn(connection);
    follow("routes", hints, move || dump(handle.clone())).await
}

async fn dump(handle: Handle) -> Result<RouteTable, NetlinkError> {
    // An interface's notification comes before its routes are gone (__dev_notify_flags), but under the lock that this
    // request waits for. What it answers does not matter.
    let _ = handle
        .link()
        .get()
        .match_index(LOOPBACK)
        .execute()
        .try_next()
        .await;
    let ask_always = has_policy_rules(&handle).await?;
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    let mut answers = std::pin::pin!(handle.route().get(message).execute());
    let mut candidates = Vec::new();
    loop {
        match answers.try_next().await {
            Ok(Some(route)) => candidates.extend(Candidate::of_message(&route)),
            Ok(None) => break,
            // No route was ever in the table.
            Err(error) if errno(&error) == Some(libc::ENOENT) => break,
            Err(error) => return Err(NetlinkError::dump("routes")(error)),
        }
    }
    Ok(RouteTable::new(candidates, ask_always))
}

async fn has_policy_rules(handle: &Handle) -> Result<bool, NetlinkError> {
    let rules = handle.rule().get(IpVersion::V4).execute();
    match rules.try_all(async |rule| is_default_rule(&rule)).await {
        Ok(all_are_default) => Ok(!all_are_default),
        // A kernel without CONFIG_IP_MULTIPLE_TABLES.
        Err(error) if matches!(errno(&error), Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT)) => Ok(false),
        Err(error) => Err(NetlinkError::dump("routing rules")(error)),
    }
}
