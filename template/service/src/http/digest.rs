//! The digest: over all keys that begin with a prefix, computed off the runtime.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response, Result},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::params::{self, Params};
use crate::{
    compute::{self, ComputeError, DigestError, Pool},
    problem::Problem,
    store::Store,
};

/// What the handler works with.
#[derive(Debug, Clone)]
struct App {
    store: Store,
    pool: Pool,
}

/// A digest, as JSON.
#[derive(Serialize, ToSchema)]
struct Digest {
    /// What was asked for.
    prefix: String,
    /// How many keys begin with it.
    keys: usize,
    /// The hash over the bytes of key, value, key, value and so on, in key order; in lower-case hexadecimal.
    sha256: String,
}

/// The route, to be merged with the others.
pub fn routes(store: Store, pool: Pool) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(digest)).with_state(App { store, pool })
}

/// Hashes keys and values, in key order.
#[utoipa::path(
    get, path = "/v1/digest", params(params::Digest),
    responses((status = 200, description = "One hash over all keys that begin with the prefix", body = Digest)),
)]
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
        //{% if measured %}
        if matches!(self, Self::Overloaded) {
            crate::meters::shed("http").add(1);
        }
        //{% endif %}
        match self {
            Self::Overloaded => {
                ([(header::RETRY_AFTER, "1")], Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)).into_response()
            }
            Self::Panicked => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response(),
        }
    }
}
