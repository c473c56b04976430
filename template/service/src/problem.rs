//! Errors as clients see them: `application/problem+json` (RFC 9457).

use axum::{
    Json,
    extract::{MatchedPath, Request},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use process::work::Name;
use serde::Serialize;

use crate::limits::{Interface, Refusal};

/// What HTTP says about its requests.
pub const INTERFACE: Interface = Interface { name, refuse, framing: 0 };

/// One error, told to a client.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// The HTTP status, repeated for those who only get to see the body.
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    /// What the status means: the same for every occurrence.
    title: &'static str,
    /// What went wrong this time, in words that help the caller.
    detail: String,
}

impl Problem {
    /// A problem with the title that the status has in HTTP.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, title: status.canonical_reason().unwrap_or("Error"), detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

/// What a router answers where it has no route.
///
/// # Cancel safety
/// It does not wait.
pub async fn no_such_route(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

/// What a router answers where it has one, but not for the method; axum adds `Allow`.
///
/// # Cancel safety
/// It does not wait.
pub async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

fn name(request: &Request) -> Name {
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
    // A method may be any word of the client's, too.
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "PUT" | "DELETE" | "POST" | "PATCH" | "OPTIONS") => known,
        _ => "other",
    };
    ["http ", method, " ", route].concat().into()
}

fn refuse(refusal: Refusal) -> Response {
    let (status, detail) = match refusal {
        Refusal::Overloaded => {
            (StatusCode::SERVICE_UNAVAILABLE, "the service is overloaded; try again soon".to_owned())
        }
        Refusal::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "the service did not answer in time".to_owned()),
        Refusal::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "the service made a mistake".to_owned()),
        Refusal::TooLarge(bytes) => (StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {bytes} bytes")),
        Refusal::TooSlow(time) => (StatusCode::REQUEST_TIMEOUT, format!("a body may take {time:?}")),
        Refusal::Encoded => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "a request body must not be encoded".to_owned()),
    };
    let mut response = Problem::new(status, detail).into_response();
    let hint = match refusal {
        Refusal::Overloaded => Some((header::RETRY_AFTER, "1")),
        Refusal::Encoded => Some((header::ACCEPT_ENCODING, "identity")),
        // Where the rest of a body stands between this request and the next, `net` says that the connection closes.
        Refusal::TooLarge(_) | Refusal::TooSlow(_) | Refusal::TimedOut | Refusal::Panicked => None,
    };
    if let Some((name, value)) = hint {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
