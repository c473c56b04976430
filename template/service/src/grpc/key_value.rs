//! `kv.v1.KeyValue`: a message in, one call of the store, a message out.

use std::{convert::identity, time::Duration};

use domain::{Condition, Event, EventKind, Key};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use prost::{Message, length_delimiter_len};
use tokio::sync::broadcast::{self, error::RecvError};
use tonic::{Request, Response, Result, Status, async_trait};

use super::{
    calls::open_ended,
    v1::{
        DeleteRequest, DeleteResponse, GetRequest, GetResponse, ListRequest, ListResponse, Listed, PutRequest,
        PutResponse, WatchRequest, WatchResponse, key_value_server, watch_response::Kind,
    },
};
use crate::{lifecycle::Phases, store::Store};

/// How many keys a list has at most, and when nobody says how many.
const LISTED: usize = 1000;

/// Answers from the store.
#[derive(Debug)]
pub(super) struct KeyValue {
    /// Has the keys.
    store: Store,
    /// Where the service stands.
    phases: Phases,
    /// The largest message that is taken, and as far as it is up to us, sent.
    max_bytes: usize,
}

impl KeyValue {
    pub(super) fn new(store: Store, phases: Phases, max_bytes: usize) -> Self {
        Self { store, phases, max_bytes }
    }
}

#[async_trait]
impl key_value_server::KeyValue for KeyValue {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>> {
        let key = key(&request.get_ref().key)?;
        let found = self.store.get(&key).await?.ok_or_else(no_such_key)?;
        let ttl_ms = found.expires_in.map(milliseconds);
        Ok(Response::new(GetResponse { value: found.value, revision: found.revision, ttl_ms }))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>> {
        let PutRequest { key: name, value, ttl_ms } = request.into_inner();
        if ttl_ms == Some(0) {
            return Err(Status::invalid_argument("ttl_ms: must be more than zero"));
        }
        let ttl = ttl_ms.map(Duration::from_millis);
        let written = self.store.put(key(&name)?, &value, ttl, Condition::default()).await?;
        Ok(Response::new(PutResponse { revision: written.revision, created: written.created }))
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Result<Response<DeleteResponse>> {
        let key = key(&request.get_ref().key)?;
        let revision = self.store.delete(&key, Condition::default()).await?.ok_or_else(no_such_key)?;
        Ok(Response::new(DeleteResponse { revision }))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>> {
        let ListRequest { prefix, limit } = request.into_inner();
        let limit = match limit as usize {
            0 => LISTED,
            limit => limit.min(LISTED),
        };
        let page = self.store.list(prefix, limit).await?;
        let keys = page.keys.into_iter().map(|listed| Listed {
            key: listed.key.to_string(),
            revision: listed.revision,
            size: listed.size as u64,
            ttl_ms: listed.expires_in.map(milliseconds),
        });
        Ok(Response::new(fit(keys, page.more, self.max_bytes)))
    }

    type WatchStream = BoxStream<'static, Result<WatchResponse>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>> {
        let WatchRequest { prefix } = request.into_inner();
        // Subscribed before the response head is sent: whoever has seen the head misses nothing.
        let events = stream::unfold((self.store.subscribe(), prefix), |(mut events, prefix)| async {
            let event = next(&mut events, &prefix).await;
            Some((event, (events, prefix)))
        });
        Ok(open_ended(Response::new(events.boxed()), &self.phases))
    }
}

/// The next event for this reader.
///
/// The channel keeps a bounded number of events. A slow reader is told how many it missed, and goes on with the oldest
/// that is left.
async fn next(events: &mut broadcast::Receiver<Event>, prefix: &str) -> Result<WatchResponse> {
    loop {
        let event = match events.recv().await {
            Ok(event) if event.key.starts_with(prefix) => {
                let kind = match event.kind {
                    EventKind::Put => Kind::Put,
                    EventKind::Delete => Kind::Delete,
                    EventKind::Expire => Kind::Expire,
                };
                WatchResponse { kind: kind.into(), key: event.key.to_string(), revision: event.revision, missed: 0 }
            }
            Ok(_) => continue,
            Err(RecvError::Lagged(missed)) => {
                WatchResponse { kind: Kind::Lagged.into(), missed, ..WatchResponse::default() }
            }
            Err(RecvError::Closed) => return Err(Status::unavailable("the service is stopping")),
        };
        return Ok(event);
    }
}

/// The first keys that fit into a message, one of them at least.
fn fit(keys: impl Iterator<Item = Listed>, more: bool, max_bytes: usize) -> ListResponse {
    let mut list = ListResponse { keys: Vec::new(), more };
    // A field that has a length begins with its number and that; `more` takes two bytes.
    let mut bytes = 2;
    for listed in keys {
        let length = listed.encoded_len();
        bytes += 1 + length_delimiter_len(length) + length;
        if bytes > max_bytes && !list.keys.is_empty() {
            list.more = true;
            break;
        }
        list.keys.push(listed);
    }
    list
}

fn key(name: &str) -> Result<Key> {
    Key::try_from(name).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// The key is not repeated: it may be longer than what fits into a response head.
fn no_such_key() -> Status {
    Status::not_found("there is no such key")
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).map_or(u64::MAX, identity)
}
