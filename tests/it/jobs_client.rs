//! The jobs API as an application uses it: a request with headers, and what came back. Every wait has a deadline.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

use crate::api::GUEST;
use crate::support::server::Server;

/// How long a request may take: longer than the longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Clone, Debug)]
pub(crate) struct Jobs {
    agent: Agent,
    base: String,
    authorization: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Jobs {
    /// As user guest.
    pub(crate) fn of(server: &Server) -> Self {
        Self::under(server, "v1")
    }

    /// As user guest, for paths under another root, such as `api`.
    pub(crate) fn under(server: &Server, root: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .allow_non_standard_methods(true);
        let base = format!("http://{}/{root}", server.management());
        Self { agent: config.build().into(), base, authorization: GUEST.to_owned() }
    }

    /// With another `Authorization` header.
    pub(crate) fn with(&self, authorization: &str) -> Self {
        Self { authorization: authorization.to_owned(), ..self.clone() }
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers.iter().chain(&[("authorization", self.authorization.as_str())]) {
            request = request.header(*name, *value);
        }
        let response = if body.is_empty() && method == "GET" {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body).unwrap())
        };
        let mut response = response.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, body: response.body_mut().read_to_vec().unwrap() }
    }

    pub(crate) fn publish(&self, queue: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.request("POST", &format!("/queues/%2F/{queue}/messages"), headers, body)
    }

    /// Takes messages; `asked` is what stands behind `?`.
    pub(crate) fn take(&self, queue: &str, asked: &str) -> Reply {
        self.request("GET", &format!("/queues/%2F/{queue}/messages?{asked}"), &[], b"")
    }

    pub(crate) fn ack(&self, lease: &str) -> Reply {
        self.request("DELETE", &format!("/leases/{lease}"), &[], b"")
    }

    pub(crate) fn nack(&self, lease: &str, body: &str) -> Reply {
        self.request("POST", &format!("/leases/{lease}/nack"), &[], body.as_bytes())
    }

    pub(crate) fn extend(&self, lease: &str, seconds: u64) -> Reply {
        self.request("PATCH", &format!("/leases/{lease}"), &[], format!("{{\"lease\": {seconds}}}").as_bytes())
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// Status and kind of an error.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    /// The lease of a message that came alone, and its body.
    pub(crate) fn leased(&self) -> (String, String) {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        let lease = self.header("x-leveret-lease").expect("there is a lease").to_owned();
        (lease, String::from_utf8(self.body.clone()).unwrap())
    }
}
