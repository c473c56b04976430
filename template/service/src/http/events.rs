//! The stream of events, as server-sent events.

use std::{sync::Arc, time::Duration};

use axum::{
    Error, Extension,
    extract::State,
    response::sse::{self, KeepAlive, Sse},
};
use domain::{Event, Revision};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{
    App,
    params::{self, Params},
};
use crate::net::OpenEnded;

/// How often a stream without events shows that it is alive. Proxies take a minute of silence for the end.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The data of `put`, `delete` and `expire`.
#[derive(Serialize)]
struct Changed<'a> {
    key: &'a str,
    revision: Revision,
}

/// The data of `lagged`: how many events the reader was too slow for, whatever their keys.
#[derive(Serialize)]
struct Lagged {
    missed: u64,
}

/// Streams what happens from now on to keys that begin with the prefix, until the drain.
#[utoipa::path(
    get, path = "/v1/events", params(params::Events),
    responses((
        status = 200, content_type = "text/event-stream", body = String,
        description = "Events `put`, `delete` and `expire` with data `{\"key\":\"k\",\"revision\":7}`; \
            who reads too slowly gets `lagged` with `{\"missed\":12}`",
    )),
)]
pub(super) async fn stream(
    State(app): State<Arc<App>>,
    Params(params::Events { prefix }): Params<params::Events>,
) -> (Extension<OpenEnded>, Sse<impl Stream<Item = Result<sse::Event, Error>>>) {
    // Subscribed before the response head is sent: whoever has seen the head misses nothing.
    let events = stream::unfold((app.store.subscribe(), prefix), |(mut events, prefix)| async {
        let event = next(&mut events, &prefix).await?;
        Some((event, (events, prefix)))
    });
    let events = events.take_until(async move { app.phases.draining().await });
    (Extension(OpenEnded), Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The next event for this reader; `None` at the end.
///
/// The channel keeps a bounded number of events. A slow reader is told how many it missed, and goes on with the oldest
/// that is left.
async fn next(events: &mut broadcast::Receiver<Event>, prefix: &str) -> Option<Result<sse::Event, Error>> {
    loop {
        match events.recv().await {
            Ok(event) if event.key.starts_with(prefix) => {
                let data = Changed { key: &event.key, revision: event.revision };
                return Some(sse::Event::default().event(event.kind.name()).json_data(data));
            }
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => {
                return Some(sse::Event::default().event("lagged").json_data(Lagged { missed }));
            }
            Err(RecvError::Closed) => return None,
        }
    }
}
