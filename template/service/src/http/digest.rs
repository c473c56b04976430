//! The digest: over all keys that begin with a prefix, computed off the runtime.

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response, Result},
    routing::get,
};
use serde::Serialize;

use super::params::{self, Params};
use crate::{
    compute::{self, ComputeError, DigestError, Pool},
    problem::{self, Problem},
    store::Store,
};

/// What the handler works with.
#[derive(Debug, Clone)]
struct App {
    store: Store,
    pool: Pool,
}

/// A digest, as JSON.
#[derive(Serialize)]
struct Digest {
    prefix: String,
    keys: usize,
    sha256: String,
}

/// The route, to be merged with the others.
pub fn router(store: Store, pool: Pool) -> Router {
    Router::new()
        .route("/v1/digest", get(digest))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(App { store, pool })
}

/// Hashes keys and values, in key order.
async fn digest(
    State(App { store, pool }): State<App>,
    Params(params::Digest { prefix }): Params<params::Digest>,
) -> Result<Json<Digest>> {
    let compute::Digest { keys, sha256 } = compute::digest(&store, &pool, &prefix).await?;
    Ok(Json(Digest { prefix, keys, sha256 }))
}

impl IntoResponse for DigestError {
    fn into_response(self) -> Response {
        match self {
            Self::Store(error) => error.into_response(),
            Self::Compute(error) => error.into_response(),
        }
    }
}

impl IntoResponse for ComputeError {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        match self {
            Self::Overloaded => {
                ([(header::RETRY_AFTER, "1")], Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)).into_response()
            }
            Self::Panicked => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response(),
        }
    }
}
