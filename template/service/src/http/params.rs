//! What requests say in their path and query, read strictly: a misspelt parameter is an error, not a default.

use std::{error::Error as _, num::NonZeroUsize, time::Duration};

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use domain::{Key, Revision};
use percent_encoding::percent_decode_str;
use process::duration;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use utoipa::IntoParams;

use super::bad_request;
use crate::problem::Problem;

/// The key in the path.
#[derive(IntoParams)]
#[into_params(names("key"), parameter_in = Path)]
pub(super) struct PathKey(
    /// Any text but the empty one, percent-encoded.
    #[param(value_type = String)]
    pub(super) Key,
);

impl<S: Send + Sync> FromRequestParts<S> for PathKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|rejection| bad_request(rejection.body_text()))?;
        let key = Key::try_from(text.as_str()).map_err(|error| bad_request(error.to_string()))?;
        Ok(Self(key))
    }
}

/// The parameters in the query, as `T` knows them.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // The decoder behind `Query` would replace what is no UTF-8, and another prefix would be looked for.
        let query = parts.uri.query().unwrap_or_default();
        percent_decode_str(query).decode_utf8().map_err(|_| bad_request("the query is not UTF-8"))?;
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            // Its source names the parameter and what is wrong with it; its own words are about deserializing.
            Err(rejection) => {
                let reason = rejection.source().map_or_else(|| rejection.body_text(), ToString::to_string);
                Err(bad_request(reason))
            }
        }
    }
}

/// No parameters at all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct None {}

/// The parameters of a put.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Put {
    /// The key's time to live; without it, for ever.
    #[serde(default, deserialize_with = "positive")]
    #[param(value_type = Option<String>, example = "5m")]
    pub(super) ttl: Option<Duration>,
}

/// The parameters of a get.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Get {
    /// Answer only with something newer than this.
    pub(super) after: Option<Revision>,
    /// How long to wait for it; without it, not at all.
    #[serde(default, deserialize_with = "positive")]
    #[param(value_type = Option<String>, example = "5s")]
    pub(super) wait: Option<Duration>,
}

/// The parameters of a listing.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// What the keys begin with.
    #[serde(default)]
    pub(super) prefix: String,
    /// How many keys at most; never more than 1000.
    #[param(value_type = Option<u64>, minimum = 1)]
    pub(super) limit: Option<NonZeroUsize>,
}

//{% if compute %}
/// The parameters of a digest.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Digest {
    /// What the keys begin with.
    #[serde(default)]
    pub(super) prefix: String,
}

//{% endif %}
/// The parameters of an event stream.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    /// What the keys begin with.
    #[serde(default)]
    pub(super) prefix: String,
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match duration::parse(&text).map_err(D::Error::custom)? {
        Duration::ZERO => Err(D::Error::custom("must be more than zero")),
        duration => Ok(Some(duration)),
    }
}
