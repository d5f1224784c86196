//! Connects many workers, several at a time, spread over the brokers.

use std::future::Future;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::error::PerfError;
use super::uri::AmqpUri;

/// How many connect at a time: brokers have a bound for sockets that wait to be accepted.
const AT_ONCE: usize = 64;

/// Makes so many connections and returns them in order. `connect` gets the worker's number and its broker.
pub(super) async fn connect_all<T, F>(
    count: u16,
    uris: &[Arc<AmqpUri>],
    connect: impl Fn(u16, Arc<AmqpUri>) -> Result<F, PerfError>,
) -> Result<Vec<T>, PerfError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, PerfError>> + Send + 'static,
{
    let mut connecting = JoinSet::new();
    let mut connected = Vec::with_capacity(usize::from(count));
    for (number, uri) in (0..count).zip(uris.iter().cycle()) {
        if connecting.len() >= AT_ONCE
            && let Some(one) = connecting.join_next().await
        {
            connected.push(one.map_err(PerfError::Worker)??);
        }
        let one = connect(number, Arc::clone(uri))?;
        connecting.spawn(async move { one.await.map(|one| (number, one)) });
    }
    while let Some(one) = connecting.join_next().await {
        connected.push(one.map_err(PerfError::Worker)??);
    }
    connected.sort_unstable_by_key(|(number, _)| *number);
    Ok(connected.into_iter().map(|(_, one)| one).collect())
}
