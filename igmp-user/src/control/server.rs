//! The paths and what they answer.

use std::{io, net::Ipv4Addr};

use axum::{
    Router,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use igmp_wire::abi::ABI_VERSION;
use serde::Deserialize;
use tokio::sync::{oneshot, watch};

use super::{
    ControlSocket, Filter, Handle, JoinPage, Page, Request, RequestError, RoutePage,
    body::{self, Stopping},
    paged::Paged,
};
use crate::api::{ErrorBody, Version};

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    handle: Handle,
    stopping: watch::Receiver<bool>,
}

/// Serves the control socket until `stopping` becomes true, and removes it then.
///
/// # Errors
///
/// Where the socket cannot be listened on any more.
pub async fn serve(
    mut socket: ControlSocket,
    handle: Handle,
    stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let Some(listener) = socket.take_listener() else {
        return Err(io::Error::other("the control socket is served already"));
    };
    let mut stop = stopping.clone();
    let paths = Router::new()
        .route("/v1/groups", get(groups))
        .route("/v1/routes", get(routes))
        .route("/v1/joins", get(joins))
        .route("/v1/interfaces", get(interfaces))
        .route("/v1/neighbors", get(neighbors))
        .route("/v1/statistics", get(statistics))
        .route("/v1/monitor", get(monitor))
        .route("/v1/version", get(version))
        .route("/v1/clear-groups", post(clear_groups))
        .route("/v1/reload", post(reload))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Shared { handle, stopping });
    axum::serve(listener, paths)
        .with_graceful_shutdown(async move {
            // A sender that is gone means the same.
            let _ = stop.wait_for(|stopping| *stopping).await;
        })
        .await
}

/// An answer that is an error.
struct Failed(StatusCode, String);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let Self(status, error) = self;
        (status, json(&ErrorBody { error })).into_response()
    }
}

impl From<Stopping> for Failed {
    fn from(stopping: Stopping) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, stopping.to_string())
    }
}

impl From<RequestError> for Failed {
    fn from(error: RequestError) -> Self {
        let status = match error {
            RequestError::NoSuchInterface(_) => StatusCode::NOT_FOUND,
            RequestError::BadConfiguration(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self(status, error.to_string())
    }
}

impl From<QueryRejection> for Failed {
    fn from(rejection: QueryRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

/// `?interface=&group=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    interface: Option<String>,
    group: Option<Ipv4Addr>,
}

impl From<Parameters> for Filter {
    fn from(Parameters { interface, group }: Parameters) -> Self {
        Self { interface, group }
    }
}

type Filtered = Result<Query<Parameters>, QueryRejection>;

async fn groups(State(shared): State<Shared>, query: Filtered) -> Result<Response, Failed> {
    table::<Page>(shared, query).await
}

async fn routes(State(shared): State<Shared>, query: Filtered) -> Result<Response, Failed> {
    table::<RoutePage>(shared, query).await
}

async fn joins(State(shared): State<Shared>, query: Filtered) -> Result<Response, Failed> {
    table::<JoinPage>(shared, query).await
}

/// A table that the agent hands over in pages. The first one is fetched before the answer begins: until then it can be
/// an error.
async fn table<P: Paged>(shared: Shared, query: Filtered) -> Result<Response, Failed> {
    let Query(parameters) = query?;
    let filter = parameters.into();
    let requests = shared.handle.requests;
    let first = body::page::<P>(&requests, &filter, None).await??;
    Ok(of_type("application/json", body::table(requests, filter, first)))
}

async fn interfaces(State(shared): State<Shared>) -> Result<Response, Failed> {
    Ok(json(&ask(&shared, Request::Interfaces).await?))
}

async fn neighbors(State(shared): State<Shared>) -> Result<Response, Failed> {
    Ok(json(&ask(&shared, Request::Neighbors).await?))
}

async fn statistics(State(shared): State<Shared>) -> Result<Response, Failed> {
    Ok(json(&ask(&shared, Request::Statistics).await?))
}

async fn monitor(State(shared): State<Shared>) -> Response {
    let body = body::monitor(shared.handle.monitor.subscribe(), shared.stopping);
    of_type("application/x-ndjson", body)
}

async fn version() -> Response {
    json(&Version {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        abi_version: ABI_VERSION,
    })
}

async fn clear_groups(State(shared): State<Shared>, query: Filtered) -> Result<Response, Failed> {
    let Query(parameters) = query?;
    let filter = parameters.into();
    let cleared = ask(&shared, |reply| Request::ClearGroups { filter, reply }).await??;
    Ok(json(&cleared))
}

async fn reload(State(shared): State<Shared>) -> Result<Response, Failed> {
    Ok(json(&ask(&shared, Request::Reload).await??))
}

async fn no_such_path(uri: Uri) -> Failed {
    Failed(StatusCode::NOT_FOUND, format!("there is no {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Failed {
    Failed(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} does not take {method}", uri.path()),
    )
}

/// Asks the agent and waits for its answer.
async fn ask<T>(shared: &Shared, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Stopping> {
    let (reply, answer) = oneshot::channel();
    shared
        .handle
        .requests
        .send(request(reply))
        .await
        .map_err(|_| Stopping)?;
    answer.await.map_err(|_| Stopping)
}

fn json<T: serde::Serialize>(value: &T) -> Response {
    of_type("application/json", body::document(value))
}

fn of_type(content_type: &'static str, body: Body) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}
