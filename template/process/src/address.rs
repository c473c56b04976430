//! Addresses as people write them: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`.

use std::str::FromStr;

/// `HOST:PORT`; the host is an IP address (`[::1]` for IPv6) or a name, which is resolved when it is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected HOST:PORT, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080";
        if text.parse::<std::net::SocketAddr>().is_ok() {
            return Ok(Self(text.to_owned()));
        }
        let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        let is_name = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        let is_port = port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok();
        // Only digits and dots, yet no IP address: a name server would be asked for nothing.
        let is_broken_ip = host.chars().all(|c| c.is_ascii_digit() || c == '.');
        if is_name && is_port && !is_broken_ip { Ok(Self(text.to_owned())) } else { Err(EXPECTED) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ip_or_name_with_a_port() {
        for good in ["127.0.0.1:0", "[::1]:8080", "localhost:80", "db-1.internal:65535", "0.0.0.0:1"] {
            assert_eq!(good.parse::<Address>().as_ref().map(Address::as_str), Ok(good));
        }
        for bad in
            ["", "8080", ":8080", "localhost", "localhost:", "localhost:65536", "::1:80:", "1.2.3:80", "a b:1", "a:+1"]
        {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }
}
