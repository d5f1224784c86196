//! The management API as a script uses it: a request, a status, JSON. Every wait has a deadline.

use std::time::Duration;

use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::support::server::Server;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// `guest:guest`, as HTTP Basic has it.
pub(crate) const GUEST: &str = "Basic Z3Vlc3Q6Z3Vlc3Q=";

/// The API of a server, as user guest.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    agent: Agent,
    base: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The header `location`.
    pub(crate) location: Option<String>,
    /// The header `retry-after`.
    pub(crate) retry_after: Option<String>,
    /// `Null` when there is no body.
    pub(crate) body: Value,
}

impl Api {
    pub(crate) fn of(server: &Server) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        Self { agent: config.build().into(), base: format!("http://{}/api", server.management()) }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        reply(self.agent.get(self.uri(path)).header("authorization", GUEST).call())
    }

    /// A request with another `Authorization` header, or none.
    pub(crate) fn get_as(&self, authorization: Option<&str>, path: &str) -> Response<Body> {
        let mut request = self.agent.get(self.uri(path));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        request.call().expect("the server answers")
    }

    pub(crate) fn put(&self, path: &str, body: &str) -> Reply {
        reply(self.agent.put(self.uri(path)).header("authorization", GUEST).send(body))
    }

    pub(crate) fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Reply {
        reply(self.agent.post(self.uri(path)).header("authorization", GUEST).send(body.as_ref()))
    }

    pub(crate) fn patch(&self, path: &str, body: &str) -> Reply {
        reply(self.agent.patch(self.uri(path)).header("authorization", GUEST).send(body))
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        reply(self.agent.delete(self.uri(path)).header("authorization", GUEST).call())
    }

    /// As `delete`, with a reason.
    pub(crate) fn delete_because(&self, reason: &str, path: &str) -> Reply {
        reply(self.agent.delete(self.uri(path)).header("authorization", GUEST).header("x-reason", reason).call())
    }

    /// Asks until the answer is as wanted.
    pub(crate) fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let Reply { status, body, .. } = self.get(path);
            if status == 200 && wanted(&body) {
                return body;
            }
            assert!(std::time::Instant::now() < deadline, "{path} stays {body}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl Reply {
    /// Status and, where the body is an error, its two texts.
    pub(crate) fn error(&self) -> (u16, &str, &Value) {
        (self.status, self.body["error"].as_str().unwrap_or_default(), &self.body["reason"])
    }
}

fn reply(response: Result<Response<Body>, ureq::Error>) -> Reply {
    let mut response = response.expect("the server answers");
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (location, retry_after) = (header("location"), header("retry-after"));
    let status: StatusCode = response.status();
    let body = response.body_mut().read_to_vec().expect("the body can be read");
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("the body is JSON") };
    Reply { status: status.as_u16(), location, retry_after, body }
}
