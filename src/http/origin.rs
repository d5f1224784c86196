//! Requests that a browser sends for a page of another origin (RFC 6454). A browser that knows a password sends it along
//! whoever made the page, so such a page must not change anything here unless its origin is allowed. Programs send no
//! `Origin`, and are not concerned.

use std::borrow::Cow;

use axum::extract::Request;
use axum::response::Response;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, StatusCode};

use super::error::ApiError;

/// What a browser says of where a request comes from, with and without `Origin` (W3C Fetch Metadata).
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Seconds for which a browser may remember what is allowed (RabbitMQ's default).
const MAX_AGE: HeaderValue = HeaderValue::from_static("1800");

/// An origin that is allowed, and what its browser asked for.
#[derive(Debug)]
pub(super) struct AllowedOrigin {
    origin: HeaderValue,
    /// Where it asks before it sends a request: its method, and headers that are to go with it. Both are granted: what is
    /// not there for them is refused when the request comes.
    method: Option<HeaderValue>,
    headers: Option<HeaderValue>,
}

/// Lets a request pass, or not. `allowed` are the origins as configured.
///
/// # Errors
/// 403 where a page of another origin would change something.
pub(super) fn check(request: &Request, allowed: &[String]) -> Result<Option<AllowedOrigin>, ApiError> {
    let headers = request.headers();
    let mut origins = headers.get_all(ORIGIN).iter();
    let origin = origins.next();
    let several = origins.next().is_some();
    if let Some(origin) = origin
        && !several
        && is_allowed(origin, allowed)
    {
        let method = headers.get(ACCESS_CONTROL_REQUEST_METHOD).cloned();
        let headers = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        return Ok(Some(AllowedOrigin { origin: origin.clone(), method, headers }));
    }
    let foreign = match origin {
        Some(origin) => several || !is_own(origin, headers),
        None => says_foreign(headers),
    };
    if foreign && changes_something(request) {
        return Err(refused(origin));
    }
    Ok(None)
}

impl AllowedOrigin {
    /// Tells the browser that the page may see the answer.
    pub(super) fn tell(self, response: &mut Response) {
        let names: Vec<&str> = response.headers().keys().map(hyper::header::HeaderName::as_str).collect();
        let names = HeaderValue::try_from(names.join(", "));
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(VARY, HeaderValue::from_static("origin"));
        if let Ok(names) = names {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
        if let Some(method) = self.method {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        if let Some(wanted) = self.headers {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
    }
}

fn is_allowed(origin: &HeaderValue, allowed: &[String]) -> bool {
    let origin = origin.as_bytes();
    allowed.iter().any(|allowed| allowed == "*" || allowed.as_bytes().eq_ignore_ascii_case(origin))
}

/// Whether it is where the request goes. The scheme does not count: TLS may end in front of the broker.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return false };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    authority.is_some_and(|authority| authority.as_bytes().eq_ignore_ascii_case(host.as_bytes()))
}

/// Pictures, scripts and forms of other pages come without an origin when they only get something.
fn says_foreign(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site" || site == "same-site")
}

/// Whoever takes a message changes the queue, though it be with GET.
fn changes_something(request: &Request) -> bool {
    let path = request.uri().path();
    let takes = path.starts_with("/v1/queues/") && path.ends_with("/messages");
    match *request.method() {
        Method::OPTIONS => false,
        Method::GET | Method::HEAD => takes,
        _ => true,
    }
}

fn refused(origin: Option<&HeaderValue>) -> ApiError {
    let origin = origin.map_or(Cow::Borrowed("another site"), |origin| String::from_utf8_lossy(origin.as_bytes()));
    let shown: String = origin.chars().filter(|c| !c.is_control()).take(100).collect();
    let reason = format!(
        "a page of {shown} must not change anything here; management.cors.allow_origins.1 = ORIGIN would let it"
    );
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", reason)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const OWN: (&str, &str) = ("host", "broker:15672");

    fn passes(method: &str, path: &str, headers: &[(&str, &str)], allowed: &[&str]) -> bool {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let allowed: Vec<String> = allowed.iter().map(|origin| (*origin).to_owned()).collect();
        check(&request.body(Body::empty()).unwrap(), &allowed).is_ok()
    }

    #[test]
    fn programs_send_no_origin_and_may_do_anything() {
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            assert!(passes(method, "/api/queues/%2F/q", &[OWN], &[]));
            assert!(passes(method, "/v1/queues/%2F/q/messages", &[OWN], &[]));
        }
    }

    #[test]
    fn a_page_of_another_origin_may_look_and_not_touch() {
        for origin in
            ["http://evil", "http://broker", "http://broker:80", "http://broker:15672.evil", "null", "broker:15672"]
        {
            let headers = [OWN, ("origin", origin)];
            assert!(passes("GET", "/api/queues/%2F/q", &headers, &[]), "{origin}");
            assert!(passes("OPTIONS", "/api/queues/%2F/q", &headers, &[]), "{origin}");
            for method in ["PUT", "POST", "DELETE", "PATCH", "MADE-UP"] {
                assert!(!passes(method, "/api/queues/%2F/q", &headers, &[]), "{method} for {origin}");
            }
            assert!(!passes("GET", "/v1/queues/%2F/q/messages", &headers, &[]), "taking is touching, for {origin}");
        }
    }

    #[test]
    fn a_page_of_the_broker_s_own_origin_may_do_anything_also_behind_tls() {
        for origin in ["http://broker:15672", "https://BROKER:15672"] {
            assert!(passes("POST", "/api/queues/%2F/q/get", &[OWN, ("origin", origin)], &[]));
        }
        assert!(!passes("POST", "/api/queues/%2F/q/get", &[("origin", "http://broker:15672")], &[]), "to no host");
    }

    #[test]
    fn an_allowed_origin_may_do_anything() {
        let headers = [OWN, ("origin", "https://Console.example")];
        for allowed in [&["https://console.example"][..], &["https://other", "*"]] {
            assert!(passes("DELETE", "/api/queues/%2F/q", &headers, allowed));
        }
        assert!(!passes("DELETE", "/api/queues/%2F/q", &headers, &["http://console.example"]), "another scheme");
        let twice = [OWN, ("origin", "https://console.example"), ("origin", "https://evil")];
        assert!(!passes("DELETE", "/api/queues/%2F/q", &twice, &["https://console.example"]), "which of them?");
    }

    #[test]
    fn a_picture_on_another_page_takes_no_message() {
        for (site, may) in [("cross-site", false), ("same-site", false), ("same-origin", true), ("none", true)] {
            let headers = [OWN, ("sec-fetch-site", site)];
            assert_eq!(passes("GET", "/v1/queues/%2F/q/messages", &headers, &[]), may, "{site}");
            assert!(passes("GET", "/api/queues", &headers, &[]), "{site}");
        }
    }
}
