//! The HTTP interface: routes, and how the store's answers look in HTTP.
//!
//! | call | result |
//! | --- | --- |
//! | `PUT /v1/keys/{key}`, `?ttl=5s`, `If-Match`, `If-None-Match` | 201 new, 200 replaced, with `ETag`; 412 |
//! | `GET /v1/keys/{key}`, `If-Match`, `If-None-Match` | 200 with `ETag`; 304; 404; 412 |
//! | `GET /v1/keys/{key}?after=REV&wait=5s` | 200 when there is something newer; 204; 404 |
//! | `DELETE /v1/keys/{key}`, `If-Match` | 204; 404; 412 |
//! | `GET /v1/keys?prefix=P&limit=N` | keys in order, and whether there are more |
//{% if compute %}
//! | `GET /v1/digest?prefix=P` | one hash over keys and values |
//{% endif %}
//! | `GET /v1/events?prefix=P` | server-sent events |
//! | `GET /openapi.json` | the description of these routes |
//!
//! Whatever goes wrong is a [`Problem`]. Limits and deadlines are not this module's business: they are laid around the
//! router.

mod conditions;
//{% if compute %}
pub mod digest;
//{% endif %}
mod events;
mod keys;
mod openapi;
mod params;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use domain::Revision;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    lifecycle::Phases,
    problem::{self, Problem},
    store::{Store, StoreError},
};

/// What handlers work with. It is shared, not cloned for each request.
#[derive(Debug)]
struct App {
    store: Store,
    phases: Phases,
}

/// The interface: its routes, with their description.
pub fn router(store: Store, phases: Phases) -> Router {
    described(routes(store, phases))
}

/// All routes. Streams and waits end when `phases` say that the drain has begun.
pub fn routes(store: Store, phases: Phases) -> OpenApiRouter {
    // A line for each path: its handlers say by `#[utoipa::path]` where they are and what they do.
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .routes(routes!(keys::list))
        .routes(routes!(keys::get, keys::put, keys::delete))
        .routes(routes!(events::stream))
        .with_state(Arc::new(App { store, phases }))
}

/// Adds the description of `routes`, and answers for what is none.
pub fn described(routes: OpenApiRouter) -> Router {
    let (routes, description) = routes.split_for_parts();
    let description = Arc::new(openapi::complete(description));
    routes
        .route("/openapi.json", get(openapi::serve).with_state(description))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::method_not_allowed)
}

fn bad_request(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

fn etag(revision: Revision) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{revision}\""))]
}

impl IntoResponse for StoreError {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        //{% if measured %}
        if matches!(self, Self::Overloaded) {
            crate::meters::shed("http").add(1);
        }
        //{% endif %}
        match self {
            Self::Overloaded | Self::Stopped => {
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
                ([(header::RETRY_AFTER, "1")], problem).into_response()
            }
            Self::Mismatch(_) => Problem::new(StatusCode::PRECONDITION_FAILED, detail).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_overloaded_says_when_to_come_back() {
        let response = StoreError::Overloaded.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
