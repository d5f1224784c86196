//! Names in a request's path: each segment is percent-decoded once, after the path is split. And what stands behind `?`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, RawPathParams};
use hyper::http::request::Parts;
use leveret_protocol::ShortString;

use super::error::ApiError;
use super::server::Shared;

/// How paths name the default exchange.
const DEFAULT_EXCHANGE: &str = "amq.default";

/// The variable segments of the path, in order.
#[derive(Debug)]
pub(super) struct Names<const N: usize>(pub(super) [ShortString; N]);

impl<const N: usize> FromRequestParts<Arc<Shared>> for Names<N> {
    type Rejection = ApiError;

    /// No object has a name that is not UTF-8 here, or too long: 404.
    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, ApiError> {
        let raw = RawPathParams::from_request_parts(parts, shared).await.map_err(|_| ApiError::not_found())?;
        let names: Result<Vec<_>, _> = raw.iter().map(|(_, segment)| ShortString::new(segment)).collect();
        let names = names.map_err(|_| ApiError::not_found())?;
        names.try_into().map(Self).map_err(|_| ApiError::not_found())
    }
}

/// The exchange that a segment names.
pub(super) fn exchange(segment: ShortString) -> ShortString {
    if segment == DEFAULT_EXCHANGE { ShortString::default() } else { segment }
}

/// A segment that is longer than a name can be, such as that of a channel.
#[derive(Debug)]
pub(super) struct LongName(pub(super) String);

impl FromRequestParts<Arc<Shared>> for LongName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, ApiError> {
        let raw = RawPathParams::from_request_parts(parts, shared).await.map_err(|_| ApiError::not_found())?;
        raw.iter().next().map(|(_, segment)| Self(segment.to_owned())).ok_or_else(ApiError::not_found)
    }
}

/// What is asked for behind `?`.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeMap<String, String>);

impl Asked {
    /// The value of a parameter, if it is given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether a parameter is `true`.
    pub(super) fn is(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    #[cfg(test)]
    pub(super) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }
}

impl FromRequestParts<Arc<Shared>> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|_| ApiError::bad_request("The query cannot be read"))
    }
}
