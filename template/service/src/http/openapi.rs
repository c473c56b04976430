//! The description of the routes (OpenAPI), for people, generators and gateways: `GET /openapi.json`.
//!
//! It is made by utoipa, which has the same keepers and releases as the adapter that registers a route and its
//! description in one line: neither can be without the other. Each handler describes itself; what they all have in
//! common is added here.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{self, ContentBuilder, Ref, RefOr, ResponseBuilder, path::Operation},
};

/// What is not said by a handler.
#[derive(OpenApi)]
#[openapi(info(title = "Key-value store", description = "Keys with revisions, expiry and watching."), paths(serve))]
pub(super) struct Description;

/// An error: `application/problem+json` (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it is here for its schema; `problem::Problem` is what is sent")]
struct Problem {
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What the status means.
    #[schema(example = "Not Found")]
    title: String,
    /// What went wrong this time.
    detail: String,
}

/// How any request may be refused.
const REFUSALS: [(&str, &str); 7] = [
    ("400", "A parameter, a header or the body can't be understood"),
    ("408", "The body took too long"),
    ("413", "The body is too large"),
    ("415", "The body is encoded"),
    ("500", "The service made a mistake"),
    ("503", "The service is overloaded: `Retry-After` says when to come back"),
    ("504", "The service did not answer in time"),
];

/// Adds to every operation how it may be refused, and to every refusal how it looks.
pub(super) fn complete(mut description: openapi::OpenApi) -> openapi::OpenApi {
    for path in description.paths.paths.values_mut() {
        let others = [&mut path.post, &mut path.patch, &mut path.head, &mut path.options];
        for operation in [&mut path.get, &mut path.put, &mut path.delete].into_iter().chain(others).flatten() {
            complete_operation(operation);
        }
    }
    // Left empty, it would say that there is one without a name.
    description.info.license = None;
    let schemas = &mut description.components.get_or_insert_default().schemas;
    schemas.insert(Problem::name().into_owned(), Problem::schema());
    description
}

fn complete_operation(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for (status, meaning) in REFUSALS {
        let refusal = || RefOr::T(ResponseBuilder::new().description(meaning).build());
        responses.entry(status.to_owned()).or_insert_with(refusal);
    }
    for (status, response) in responses.iter_mut() {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
        {
            let schema = Some(Ref::from_schema_name(Problem::name()));
            let content = ContentBuilder::new().schema(schema).build();
            response.content.insert("application/problem+json".to_owned(), content.into());
        }
    }
}

/// The description of these routes.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "This document", body = Object)))]
pub(super) async fn serve(State(description): State<Arc<openapi::OpenApi>>) -> Response {
    Json(&*description).into_response()
}
