//! Errors as clients see them: `application/problem+json` (RFC 9457).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
