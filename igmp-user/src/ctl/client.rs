//! Asking igmpd.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::body::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, time::timeout};

use crate::api::ErrorBody;

/// How long an answer may be in coming. igmpd answers within milliseconds, except while it starts.
const PATIENCE: Duration = Duration::from_secs(30);

/// igmpd could not be asked, or said no.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// There is nobody.
    #[error("igmpd does not answer on {path}: {source}; is it running? (`-s` names another socket)")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The answer is not what igmpd would say.
    #[error("the answer of igmpd is unusable: {0}")]
    Answer(#[from] serde_json::Error),
    /// The conversation broke off.
    #[error("igmpd broke off its answer: {0}")]
    Broken(#[from] hyper::Error),
    /// igmpd is there and says nothing.
    #[error("igmpd has not answered for {} seconds", PATIENCE.as_secs())]
    Silent,
    /// igmpd says no.
    #[error("{0}")]
    Refused(String),
}

/// A way to igmpd.
#[derive(Debug)]
pub(super) struct Client {
    socket: PathBuf,
}

/// An answer, in pieces.
#[derive(Debug)]
pub(super) struct Answer(Incoming);

impl Client {
    pub(super) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    /// Asks, and returns the answer as soon as it begins.
    pub(super) async fn ask(&self, method: Method, path: &str) -> Result<Answer, ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| ClientError::Connect {
                path: self.socket.clone(),
                source,
            })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends when the answer is complete; what is wrong with it shows in the answer.
        tokio::spawn(connection);
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method;
        // The paths are made here, of names and addresses that are quoted: they are always usable.
        *request.uri_mut() = path.parse().unwrap_or_default();
        let host = hyper::header::HeaderValue::from_static("igmpd");
        request.headers_mut().insert(hyper::header::HOST, host);
        let response = timeout(PATIENCE, sender.send_request(request))
            .await
            .map_err(|_| ClientError::Silent)??;
        let status = response.status();
        let answer = Answer(response.into_body());
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.whole().await?;
        let said = serde_json::from_slice::<ErrorBody>(&body).map(|body| body.error);
        Err(ClientError::Refused(
            said.unwrap_or_else(|_| format!("igmpd answers {status}")),
        ))
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn read<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<T, ClientError> {
        let body = self.ask(method, path).await?.whole().await?;
        Ok(serde_json::from_slice(&body)?)
    }
}

impl Answer {
    /// The next piece, `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.0.frame().await {
            // Frames that are not data are trailers, and igmpd sends none.
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    async fn whole(self) -> Result<Bytes, ClientError> {
        Ok(self.0.collect().await?.to_bytes())
    }
}
