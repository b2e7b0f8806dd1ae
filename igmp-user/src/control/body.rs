//! Answers that are longer than one piece.

use std::sync::Arc;

use axum::body::Body;
use futures_util::stream;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tracing::warn;

use super::{Filter, Request, RequestError, paged::Paged};
use crate::api::MonitorEvent;

/// The agent has stopped.
#[derive(Debug, thiserror::Error)]
#[error("igmpd is stopping")]
pub(super) struct Stopping;

/// The listener did not keep up.
#[derive(Debug, thiserror::Error)]
#[error("{0} events were missed")]
struct Missed(u64);

/// Asks the agent for a part of a table.
pub(super) async fn page<P: Paged>(
    requests: &mpsc::Sender<Request>,
    filter: &Filter,
    from: Option<P::Position>,
) -> Result<Result<P, RequestError>, Stopping> {
    let (reply, answer) = oneshot::channel();
    requests
        .send(P::request(filter.clone(), from, reply))
        .await
        .map_err(|_| Stopping)?;
    answer.await.map_err(|_| Stopping)
}

/// What a stream of pages does next.
enum Step<P: Paged> {
    /// Deliver this page, the first one or a later one.
    Page { page: P, first: bool },
    /// Fetch the page that begins here.
    Fetch(P::Position),
    /// Nothing is left.
    End,
}

/// A table as one JSON document, of which `first` is the beginning. Each page is fetched when the one before it has been
/// sent, so a large table costs neither side much memory, and the agent serves others in between.
pub(super) fn table<P: Paged>(requests: mpsc::Sender<Request>, filter: Filter, first: P) -> Body {
    let begin = Step::Page {
        page: first,
        first: true,
    };
    Body::from_stream(stream::try_unfold(begin, move |step| {
        let requests = requests.clone();
        let filter = filter.clone();
        async move {
            let (page, first) = match step {
                Step::End => return Ok(None),
                Step::Page { page, first } => (page, first),
                // An interface may be removed from the configuration between two pages: then the rest is what there is.
                Step::Fetch(from) => (
                    page(&requests, &filter, Some(from)).await?.unwrap_or_default(),
                    false,
                ),
            };
            Ok::<_, axum::BoxError>(Some(render::<P>(page, first)?))
        }
    }))
}

/// The text of a page, and what comes after it.
fn render<P: Paged>(page: P, first: bool) -> Result<(String, Step<P>), serde_json::Error> {
    let (entries, next) = page.into_parts();
    let mut text = String::new();
    if first {
        text.push_str("{\"");
        text.push_str(P::KEY);
        text.push_str("\":[");
    }
    for (index, entry) in entries.iter().enumerate() {
        if !(first && index == 0) {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(entry)?);
    }
    let next = match next {
        Some(position) => Step::Fetch(position),
        None => {
            text.push_str("]}\n");
            Step::End
        }
    };
    Ok((text, next))
}

/// Events as lines of JSON, until the listener goes or igmpd stops. It ends with an error where the listener is so slow
/// that it missed some.
pub(super) fn monitor(
    events: broadcast::Receiver<Arc<MonitorEvent>>,
    stopping: watch::Receiver<bool>,
) -> Body {
    Body::from_stream(stream::try_unfold(
        (events, stopping),
        |(mut events, mut stopping)| async {
            let event = tokio::select! {
                event = events.recv() => event,
                _ = stopping.wait_for(|stopping| *stopping) => return Ok(None),
            };
            match event {
                Ok(event) => {
                    let mut line = serde_json::to_string(&*event)?;
                    line.push('\n');
                    Ok::<_, axum::BoxError>(Some((line, (events, stopping))))
                }
                Err(broadcast::error::RecvError::Closed) => Ok(None),
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    warn!(count, "a monitor was too slow and was disconnected");
                    Err(Missed(count).into())
                }
            }
        },
    ))
}

/// A whole document, with the newline that terminals like at the end.
pub(super) fn document<T: serde::Serialize>(value: &T) -> Body {
    // Types of the interface have string keys only, so there is nothing that cannot be written as JSON.
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    Body::from(text)
}
