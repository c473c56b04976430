//! Whether a request of HTTP/1.1 says which host it is for: once, and rightly (RFC 9112 §3.2). hyper leaves that to others,
//! and who passes a request on with two of them may mean another than we do.

use axum::http::{HeaderMap, StatusCode, Version, header::HOST};

use crate::problem::Problem;

/// What is wrong with it, if anything.
pub(super) fn check(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    // HTTP/1.0 knows no `Host`, and HTTP/2 has `:authority` for it.
    if version != Version::HTTP_11 {
        return Ok(());
    }
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if host.as_bytes().iter().all(|byte| may_be_in_host(*byte)) => Ok(()),
        _ => Err(Problem::new(StatusCode::BAD_REQUEST, "a request has one Host header, with the host it is for")),
    }
}

/// Whether it may stand in `uri-host [ ":" port ]` (RFC 3986 §3.2.2).
fn may_be_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-:[]_~%!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn is_taken(version: Version, hosts: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        check(version, &headers).is_ok()
    }

    #[test]
    fn a_request_of_http_1_1_has_one_host() {
        for host in ["localhost:8080", "a.example", "[::1]:80", "127.0.0.1", "", "münchen"] {
            assert_eq!(is_taken(Version::HTTP_11, &[host]), host.is_ascii(), "{host:?}");
        }
        for hosts in [&[][..], &["a", "b"], &["a", "a"], &["a b"], &["user@a"], &["a/b"]] {
            assert!(!is_taken(Version::HTTP_11, hosts), "{hosts:?}");
        }
    }

    #[test]
    fn other_versions_need_none() {
        assert!(is_taken(Version::HTTP_10, &[]));
        assert!(is_taken(Version::HTTP_2, &[]));
    }
}
