//! `If-Match` and `If-None-Match` (RFC 9110 §13.1), read as conditions on revisions.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use domain::{Condition, Revision, Revisions};
use utoipa::{
    IntoParams,
    openapi::{
        Object, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::bad_request;
use crate::problem::Problem;

/// The conditions that a request makes.
pub(super) struct Conditions(pub(super) Condition);

impl IntoParams for Conditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = |name, meaning| {
            let schema = Some(Object::with_type(Type::String));
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
            parameter.description(Some(meaning)).schema(schema).build()
        };
        vec![
            header("If-Match", "Only if the key is at one of these revisions; `*` is any"),
            header("If-None-Match", "Only if the key is at none of these revisions; `*` is any"),
        ]
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(Self(Condition {
            // A weak tag never matches here, and always may in `If-None-Match` (RFC 9110 §8.8.3.2).
            if_match: revisions(&parts.headers, &header::IF_MATCH, false)?,
            if_none_match: revisions(&parts.headers, &header::IF_NONE_MATCH, true)?,
        }))
    }
}

/// Reads a header that may come several times. Tags that this service never gave are valid, and match nothing.
fn revisions(headers: &HeaderMap, name: &HeaderName, weak: bool) -> Result<Option<Revisions>, Problem> {
    let mut revisions = None;
    for value in headers.get_all(name) {
        let malformed = || bad_request(format!("{name}: expected * or tags in quotes, separated by commas"));
        let mut rest = value.to_str().map_err(|_| malformed())?.trim();
        if rest == "*" {
            return Ok(Some(Revisions::Any));
        }
        let known = revisions.get_or_insert_with(Vec::new);
        while !rest.is_empty() {
            let (tag, is_weak) = rest.strip_prefix("W/").map_or((rest, false), |tag| (tag, true));
            let (opaque, after) = tag.strip_prefix('"').and_then(|tag| tag.split_once('"')).ok_or_else(malformed)?;
            if weak || !is_weak {
                known.extend(revision(opaque));
            }
            let after = after.trim_start();
            if !after.is_empty() && !after.starts_with(',') {
                return Err(malformed());
            }
            rest = after.trim_start_matches([',', ' ', '\t']);
        }
    }
    Ok(revisions.map(Revisions::OneOf))
}

/// The revision behind a tag, if it is spelt as this service spells it.
fn revision(opaque: &str) -> Option<Revision> {
    opaque.parse().ok().filter(|revision: &Revision| revision.to_string() == opaque)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(values: &[&'static str], weak: bool) -> Option<Option<Revisions>> {
        let name = header::IF_MATCH;
        let headers = values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect();
        revisions(&headers, &name, weak).ok()
    }

    #[test]
    fn lists_may_be_long_spread_and_strange() {
        let one_of = |revisions: &[Revision]| Some(Some(Revisions::OneOf(revisions.to_vec())));
        assert_eq!(read(&[], false), Some(None));
        assert_eq!(read(&["*"], false), Some(Some(Revisions::Any)));
        assert_eq!(read(&["\"7\""], false), one_of(&[7]));
        assert_eq!(read(&["\"7\",\"8\" , \"9\""], false), one_of(&[7, 8, 9]));
        assert_eq!(read(&["\"7\",, ", "\"8\""], false), one_of(&[7, 8]));
        assert_eq!(read(&["\"a,b\", \"07\", \"7\""], false), one_of(&[7]));
    }

    #[test]
    fn weak_tags_match_only_where_the_weak_comparison_holds() {
        assert_eq!(read(&["W/\"7\""], false), Some(Some(Revisions::OneOf(vec![]))));
        assert_eq!(read(&["W/\"7\""], true), Some(Some(Revisions::OneOf(vec![7]))));
    }

    #[test]
    fn anything_else_is_refused() {
        for value in ["7", "\"7", "\"7\" \"8\"", "*, \"7\"", "w/\"7\""] {
            assert_eq!(read(&[value], false), None, "{value}");
        }
    }
}
