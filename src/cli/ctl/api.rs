//! The management API as commands use it: one request, one answer, and what went wrong in words and an exit code.

use std::{io, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1,
    header::{AUTHORIZATION, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use thiserror::Error;
use tokio::{net::TcpStream, time::timeout};

/// Which broker, as whom.
#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// Where the broker's management API is
    #[arg(long, global = true, value_name = "URL", default_value = "http://127.0.0.1:15672")]
    url: Uri,
    /// User to log in as
    #[arg(long, global = true, value_name = "NAME", env = "RABBITMQ_DEFAULT_USER", default_value = "guest")]
    user: String,
    /// The user's password
    #[arg(
        long,
        global = true,
        value_name = "TEXT",
        env = "RABBITMQ_DEFAULT_PASS",
        default_value = "guest",
        hide_env_values = true
    )]
    password: String,
    /// Virtual host of what the command is about
    #[arg(long, short = 'p', global = true, value_name = "VHOST", default_value = "/")]
    pub(super) vhost: String,
    /// How long the broker may take, in seconds
    #[arg(long, short = 't', global = true, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

/// Why a command could not be done.
#[derive(Debug, Error)]
pub(in crate::cli) enum ApiError {
    /// The URL is not one of a broker.
    #[error("{0} is no address of a management API; write it as http://HOST:PORT")]
    Url(Uri),
    /// A column that the list does not have.
    #[error("there is no column {column}; there are: {known}")]
    Column {
        /// As asked for.
        column: String,
        /// Those there are.
        known: String,
    },
    /// What the command is about is not there.
    #[error("No such {0} was found")]
    NotFound(&'static str),
    /// Nobody listens, or the connection broke.
    #[error(
        "cannot reach the broker at {url}: {source}\nIs it running, with its management API on (management.tcp.port)? \
         Another address: --url http://HOST:PORT"
    )]
    Connect {
        /// Where.
        url: Uri,
        /// What the system says.
        source: io::Error,
    },
    /// What came back is not HTTP.
    #[error("the broker at {url} does not answer as a management API does: {source}")]
    Http {
        /// Where.
        url: Uri,
        /// What is wrong.
        source: hyper::Error,
    },
    /// Not let in, or not allowed to.
    #[error("the broker does not let user '{user}' do this: {reason}\nAnother user: --user NAME --password TEXT")]
    Unauthorised {
        /// Who.
        user: String,
        /// The broker's words.
        reason: String,
    },
    /// The broker refused it.
    #[error("{0}")]
    Refused(String),
    /// It took too long.
    #[error("the broker did not answer within {0} s; more time: --timeout SECONDS")]
    Timeout(u64),
    /// No runtime.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
}

impl ApiError {
    /// The exit code that goes with it (sysexits.h).
    pub(in crate::cli) const fn code(&self) -> u8 {
        const USAGE: u8 = 64;
        const DATA: u8 = 65;
        const UNAVAILABLE: u8 = 69;
        const TEMPORARY: u8 = 75;
        match self {
            Self::Url(_) | Self::Column { .. } | Self::NotFound(_) => USAGE,
            Self::Refused(_) => DATA,
            Self::Connect { .. } | Self::Http { .. } | Self::Unauthorised { .. } | Self::Runtime(_) => UNAVAILABLE,
            Self::Timeout(_) => TEMPORARY,
        }
    }
}

/// What goes with a request.
#[derive(Clone, Copy, Debug, Default)]
struct Sent<'a> {
    /// Why.
    reason: Option<&'a str>,
    /// What of.
    body: Option<&'a Value>,
}

impl Target {
    /// What is at the path, which is encoded.
    pub(super) fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.request(Method::GET, path, Sent::default(), "object")
    }

    /// Deletes what is at the path; `what`: the word for it when it is not there.
    pub(super) fn delete(&self, path: &str, reason: Option<&str>, what: &'static str) -> Result<(), ApiError> {
        self.request(Method::DELETE, path, Sent { reason, body: None }, what).map(drop)
    }

    /// Puts something to the path.
    pub(super) fn put(&self, path: &str, body: &Value, what: &'static str) -> Result<(), ApiError> {
        self.request(Method::PUT, path, Sent { reason: None, body: Some(body) }, what).map(drop)
    }

    /// Posts something to the path; what comes back.
    pub(super) fn post(&self, path: &str, body: &Value, what: &'static str) -> Result<Value, ApiError> {
        self.request(Method::POST, path, Sent { reason: None, body: Some(body) }, what)
    }

    fn request(&self, method: Method, path: &str, sent: Sent<'_>, what: &'static str) -> Result<Value, ApiError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ApiError::Runtime)?;
        let patience = Duration::from_secs(self.timeout);
        // Timers want the runtime when they are made.
        let answered = runtime.block_on(async { timeout(patience, self.exchange(method, path, sent)).await });
        let (status, body) = answered.map_err(|_| ApiError::Timeout(self.timeout))??;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let said = body.get("reason").map(|said| said.as_str().map_or_else(|| said.to_string(), str::to_owned));
        let said = said.unwrap_or_else(|| status.to_string());
        Err(match status {
            StatusCode::NOT_FOUND => ApiError::NotFound(what),
            StatusCode::UNAUTHORIZED => ApiError::Unauthorised { user: self.user.clone(), reason: said },
            _ => ApiError::Refused(said),
        })
    }

    async fn exchange(&self, method: Method, path: &str, sent: Sent<'_>) -> Result<(StatusCode, Bytes), ApiError> {
        let host = self.url.host().filter(|_| self.url.scheme_str() == Some("http"));
        let host = host.ok_or_else(|| ApiError::Url(self.url.clone()))?;
        let port = self.url.port_u16().unwrap_or(80);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let connect = |source| ApiError::Connect { url: self.url.clone(), source };
        let socket = TcpStream::connect((bare, port)).await.map_err(connect)?;
        let http = |source| ApiError::Http { url: self.url.clone(), source };
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(http)?;
        let credentials = STANDARD.encode(format!("{}:{}", self.user, self.password));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api{path}"))
            .header(HOST, format!("{host}:{port}"))
            .header(AUTHORIZATION, format!("Basic {credentials}"));
        if let Some(reason) = sent.reason {
            request = request.header("x-reason", reason);
        }
        let request = request
            .body(Full::new(sent.body.map(|body| Bytes::from(body.to_string())).unwrap_or_default()))
            .map_err(|_| ApiError::Refused("the request cannot be written as HTTP: plain text only".to_owned()))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(http)?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(http)?;
            Ok((status, body.to_bytes()))
        };
        tokio::pin!(connection, answer);
        let mut ended = false;
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                result = &mut connection, if !ended => {
                    ended = true;
                    // What came before the end is still to be read; an error shows there, too.
                    drop(result);
                }
            }
        }
    }
}
