//! A URL that may hold a secret, in its path as often as in its password: it is never written whole.

use std::{fmt, str::FromStr};

use reqwest::Url;

/// Where the webhook is. Written out, it is only scheme, host and port.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// Why a text is no such URL; it does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an http or https URL with a host, such as https://hooks.example.com/kv")]
pub struct BadUrl;

impl WebhookUrl {
    /// The whole URL.
    pub(super) fn reveal(&self) -> &Url {
        &self.0
    }
}

impl FromStr for WebhookUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let url = Url::parse(text).map_err(|_| BadUrl)?;
        // These two schemes have no URL without a host.
        if matches!(url.scheme(), "http" | "https") { Ok(Self(url)) } else { Err(BadUrl) }
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_secret_is_written() {
        let url: WebhookUrl = "https://user:secret@example.com:8443/secret?secret#secret".parse().unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://example.com:8443 https://example.com:8443");
    }

    #[test]
    fn other_schemes_and_no_host_are_refused() {
        for bad in ["", "example.com", "localhost:80", "ftp://example.com", "http://", "https:", "unix:/run/x", "/x"] {
            assert_eq!(bad.parse::<WebhookUrl>(), Err(BadUrl), "{bad:?}");
        }
    }
}
