//! The handlers of keys: a request in, one call of the store, a response out.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response, Result},
};
use bytes::BytesMut;
use domain::{Change, Found, Key, Mismatch, Page, Revision};
use futures_util::StreamExt;
use serde::Serialize;
use tokio::{task::yield_now, time};
use utoipa::ToSchema;

use super::{
    App, bad_request,
    conditions::Conditions,
    etag,
    params::{self, Params, PathKey},
};
use crate::{problem::Problem, store::StoreError};

/// How many keys a listing has at most, and when nobody says how many.
const LISTED: usize = 1000;

/// Where a key is.
const KEY: &str = "/v1/keys/{key}";

/// A listing, as JSON.
#[derive(Serialize, ToSchema)]
pub(super) struct Listing {
    keys: Vec<Item>,
    more: bool,
}

/// A key in a listing, as JSON.
#[derive(Serialize, ToSchema)]
struct Item {
    key: String,
    revision: Revision,
    size: usize,
    #[schema(value_type = Option<u64>)]
    expires_in_ms: Option<u128>,
}

/// Stores the body under the key.
#[utoipa::path(
    put, path = KEY, params(PathKey, params::Put, Conditions),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The value"),
    responses(
        (status = 201, description = "The key is new", headers(("ETag" = String, description = "Its revision"))),
        (status = 200, description = "The value is replaced", headers(("ETag" = String, description = "Its revision"))),
        (status = 412, description = "The condition does not hold; nothing has changed"),
    ),
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    PathKey(key): PathKey,
    Params(params): Params<params::Put>,
    Conditions(condition): Conditions,
    body: Body,
) -> Result<impl IntoResponse> {
    let value = read(body).await?;
    let written = app.store.put(key, &value, params.ttl, condition).await?;
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, etag(written.revision)))
}

/// Answers with the value, at once or, with `after`, as soon as there is one that is newer.
///
/// With `after`, 204 says that nothing has changed, and 404 that the key was removed after `after`: whoever wants to
/// wait for its return asks with `after=0`, which takes a key that is not there for no change.
#[utoipa::path(
    get, path = KEY, params(PathKey, params::Get, Conditions),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>, description = "The value",
            headers(("ETag" = String, description = "Its revision"))),
        (status = 204, description = "Nothing is newer than `after`"),
        (status = 304, description = "`If-None-Match` names its revision",
            headers(("ETag" = String, description = "Its revision"))),
        (status = 404, description = "There is no such key"),
        (status = 412, description = "The key is not at the revision of `If-Match`"),
    ),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    PathKey(key): PathKey,
    Params(params): Params<params::Get>,
    Conditions(condition): Conditions,
) -> Result<Response> {
    let found = match (params.after, params.wait) {
        (None, None) => app.store.get(&key).await?,
        (None, Some(_)) => return Err(bad_request("wait: there is nothing to wait for without after").into()),
        // Boxed: it is four times as large as all the rest, and most requests don't wait.
        (Some(after), wait) => match Box::pin(newer(&app, &key, after, wait)).await? {
            Change::Value(found) => Some(found),
            Change::Removed => None,
            Change::Nothing => return Ok(StatusCode::NO_CONTENT.into_response()),
        },
    };
    let Found { value, revision, .. } = found.ok_or_else(|| no_such_key(&key))?;
    match condition.check(Some(revision)) {
        Ok(()) => Ok((etag(revision), value).into_response()),
        // Who reads with `If-None-Match` has the value already (RFC 9110 §13.1.2).
        Err(Mismatch::IfNoneMatch) => Ok((StatusCode::NOT_MODIFIED, etag(revision)).into_response()),
        Err(mismatch) => Err(StoreError::Mismatch(mismatch).into()),
    }
}

/// Deletes the key.
#[utoipa::path(
    delete, path = KEY, params(PathKey, Conditions),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such key"),
        (status = 412, description = "The condition does not hold; nothing has changed"),
    ),
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PathKey(key): PathKey,
    Params(params::None {}): Params<params::None>,
    Conditions(condition): Conditions,
) -> Result<StatusCode> {
    match app.store.delete(&key, condition).await? {
        Some(_) => Ok(StatusCode::NO_CONTENT),
        None => Err(no_such_key(&key).into()),
    }
}

/// Lists keys, in order.
#[utoipa::path(
    get, path = "/v1/keys", params(params::List),
    responses((status = 200, description = "The first of them", body = Listing)),
)]
pub(super) async fn list(State(app): State<Arc<App>>, Params(params): Params<params::List>) -> Result<Json<Listing>> {
    let limit = params.limit.map_or(LISTED, |limit| limit.get().min(LISTED));
    // This computes more than it waits. Done at once, it would end before the head of the next request is even read, and
    // the limit on requests in flight would never see that there are more than can be served.
    yield_now().await;
    Ok(Json(app.store.list(params.prefix, limit).await?.into()))
}

impl From<Page> for Listing {
    fn from(page: Page) -> Self {
        let keys = page.keys.into_iter().map(|listed| Item {
            key: listed.key.to_string(),
            revision: listed.revision,
            size: listed.size,
            expires_in_ms: listed.expires_in.map(|left| left.as_millis()),
        });
        Self { keys: keys.collect(), more: page.more }
    }
}

/// What changed since `after`; nothing, when the wait or the service comes to its end first.
async fn newer(app: &App, key: &Key, after: Revision, wait: Option<Duration>) -> Result<Change, StoreError> {
    let Some(wait) = wait else {
        return app.store.changed_since(key, after).await;
    };
    tokio::select! {
        change = app.store.changed(key, after) => change,
        () = time::sleep(wait) => Ok(Change::Nothing),
        () = app.phases.draining() => Ok(Change::Nothing),
    }
}

/// Reads a body to its end. The limits around the router say how long it may be and how long it may take.
async fn read(body: Body) -> Result<Bytes> {
    // In one piece from the start: collected as they come, a body's pieces would cost more than what is in them.
    let mut whole = BytesMut::new();
    let mut body = body.into_data_stream();
    while let Some(piece) = body.next().await {
        whole.extend_from_slice(&piece.map_err(|error| bad_request(format!("the body broke off: {error}")))?);
    }
    Ok(whole.freeze())
}

fn no_such_key(key: &Key) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no key {:?}", &**key))
}
