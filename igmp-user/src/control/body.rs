//! Answers that are longer than one piece.

use std::sync::Arc;

use axum::body::Body;
use futures_util::stream;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tracing::warn;

use super::{Filter, Page, Position, Request, RequestError};
use crate::api::MonitorEvent;

/// The agent has stopped.
#[derive(Debug, thiserror::Error)]
#[error("igmpd is stopping")]
pub(super) struct Stopping;

/// The listener did not keep up.
#[derive(Debug, thiserror::Error)]
#[error("{0} events were missed")]
struct Missed(u64);

/// Asks the agent for a part of the table of groups.
pub(super) async fn page(
    requests: &mpsc::Sender<Request>,
    filter: &Filter,
    from: Option<Position>,
) -> Result<Result<Page, RequestError>, Stopping> {
    let (reply, answer) = oneshot::channel();
    let request = Request::Groups {
        filter: filter.clone(),
        from,
        reply,
    };
    requests.send(request).await.map_err(|_| Stopping)?;
    answer.await.map_err(|_| Stopping)
}

/// What a stream of groups does next.
enum Step {
    /// Deliver this page, the first one or a later one.
    Page { page: Page, first: bool },
    /// Fetch the page that begins here.
    Fetch(Position),
    /// Nothing is left.
    End,
}

/// The table of groups as one JSON document, of which `first` is the beginning. Each page is fetched when the one before
/// it has been sent, so a large table costs neither side much memory, and the agent serves others in between.
pub(super) fn groups(requests: mpsc::Sender<Request>, filter: Filter, first: Page) -> Body {
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
            let (text, next) = render(&page, first)?;
            Ok::<_, axum::BoxError>(Some((text, next)))
        }
    }))
}

/// The text of a page, and what comes after it.
fn render(page: &Page, first: bool) -> Result<(String, Step), serde_json::Error> {
    let mut text = String::new();
    let mut separator = if first { "{\"group\":[" } else { "," };
    for group in &page.groups {
        text.push_str(separator);
        separator = ",";
        text.push_str(&serde_json::to_string(group)?);
    }
    if first && page.groups.is_empty() {
        text.push_str(separator);
    }
    let next = match &page.next {
        Some(position) => Step::Fetch(position.clone()),
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
