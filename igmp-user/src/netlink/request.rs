//! Requests whose messages rtnetlink does not know.

use std::fmt::Debug;

use futures_util::StreamExt;
use rtnetlink::{
    Error,
    packet_core::{
        NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
        NetlinkPayload, NetlinkSerializable,
    },
    proto::{ConnectionHandle, new_connection},
    sys::SocketAddr,
};

use super::NetlinkError;

/// Opens a socket for messages of the type `T`, which a task of its own serves until the last handle is gone.
pub(super) fn connect<T>(protocol: isize) -> Result<ConnectionHandle<T>, NetlinkError>
where
    T: NetlinkSerializable + NetlinkDeserializable + Debug + Unpin + Send + 'static,
{
    let (connection, handle, _) = new_connection(protocol)?;
    tokio::spawn(connection);
    Ok(handle)
}

/// Asks the kernel for one thing.
pub(super) async fn get<T: Debug>(handle: &ConnectionHandle<T>, request: T) -> Result<Vec<T>, Error> {
    answers(handle, request, NLM_F_REQUEST).await
}

/// Asks the kernel for all things of a kind.
pub(super) async fn dump<T: Debug>(handle: &ConnectionHandle<T>, request: T) -> Result<Vec<T>, Error> {
    // In some dumps the kernel forgets NLM_F_MULTI (genlmsg_iput), so the first answer would pass for the only one.
    // Where an acknowledgement is asked for, answers go on until NLMSG_DONE, which comes in place of it.
    answers(handle, request, NLM_F_REQUEST | NLM_F_DUMP | NLM_F_ACK).await
}

async fn answers<T: Debug>(handle: &ConnectionHandle<T>, request: T, flags: u16) -> Result<Vec<T>, Error> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
    let mut stream = handle
        .request(message, SocketAddr::new(0, 0))
        .map_err(|_| Error::RequestFailed)?;
    let mut answers = Vec::new();
    while let Some(answer) = stream.next().await {
        match answer.payload {
            NetlinkPayload::InnerMessage(inner) => answers.push(inner),
            NetlinkPayload::Error(error) => return Err(Error::NetlinkError(error)),
            _ => {}
        }
    }
    Ok(answers)
}
