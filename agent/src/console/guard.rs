//! Who may talk to the console. Binding to loopback alone does not keep out a web page that the till's
//! own browser has open elsewhere: it can rebind its name to 127.0.0.1 and read, or post a form across.

use super::ConsoleState;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{Ipv4Addr, Ipv6Addr};

const SECURITY_HEADERS: [(header::HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not `no-referrer`: browsers then send `Origin: null` with our own forms, which is refused below.
    (header::REFERRER_POLICY, "same-origin"),
    // Idle browsers must not hold the few connections there are.
    (header::CONNECTION, "close"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Refuses foreign hosts and cross-site changes; adds the security headers to every answer.
pub(super) async fn guard(State(state): State<ConsoleState>, request: Request, next: Next) -> Response {
    let verdict = check_host(request.headers(), &state.allowed_hosts)
        .and_then(|host| check_origin(request.method(), request.headers(), host));
    let mut response = match verdict {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

type Refusal = (StatusCode, &'static str);

/// A name can be made to point at this machine by whoever owns it; an IP address cannot. So addresses
/// and `localhost` may pass, and other names only if the config lists them.
fn check_host<'h>(headers: &'h HeaderMap, allowed: &[String]) -> Result<&'h str, Refusal> {
    const REFUSAL: Refusal = (
        StatusCode::MISDIRECTED_REQUEST,
        "This name is not known to the console. Use the machine's IP address, or add the name to `allowed_hosts` in the console section of the config.\n",
    );
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(REFUSAL) };
    let host = host.to_str().map_err(|_| REFUSAL)?;
    let name = without_port(host);
    let is_known = name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok()
        || is_bracketed_ipv6(name)
        || allowed.iter().any(|known| known.eq_ignore_ascii_case(name));
    if is_known { Ok(host) } else { Err(REFUSAL) }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_bracketed_ipv6(name: &str) -> bool {
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
}

/// Browsers say where a change comes from. Who says nothing is no browser (`curl`, our command line)
/// and cannot be led astray by a page.
fn check_origin(method: &Method, headers: &HeaderMap, host: &str) -> Result<(), Refusal> {
    const REFUSAL: Refusal = (
        StatusCode::FORBIDDEN,
        "This request came from another site. Open the console itself and try again.\n",
    );
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    if let Some(site) = headers.get("sec-fetch-site")
        && site != "same-origin"
        && site != "none"
    {
        return Err(REFUSAL);
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    // The scheme may differ from ours where a proxy adds TLS; the place may not.
    let place = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, place)| place);
    if place.is_some_and(|place| place.eq_ignore_ascii_case(host)) { Ok(()) } else { Err(REFUSAL) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(value))])
    }

    #[test]
    fn only_addresses_localhost_and_listed_names_pass() {
        let allowed = ["till-1.lan".to_owned()];
        for good in
            ["127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]:8080", "192.168.1.9", "Till-1.lan:1"]
        {
            assert!(check_host(&host(good), &allowed).is_ok(), "{good}");
        }
        for bad in
            ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "", "::1", "[evil]"]
        {
            assert!(check_host(&host(bad), &allowed).is_err(), "{bad}");
        }
        assert!(check_host(&HeaderMap::new(), &allowed).is_err());
        let mut two = host("localhost");
        two.append(header::HOST, HeaderValue::from_static("localhost"));
        assert!(check_host(&two, &allowed).is_err());
    }

    #[test]
    fn changes_from_elsewhere_are_refused() {
        let check = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            check_origin(&Method::POST, &HeaderMap::from_iter(headers), "127.0.0.1:8080").is_ok()
        };
        assert!(check(&[]));
        assert!(check(&[("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")]));
        assert!(!check(&[("origin", "http://127.0.0.1:9999")]), "another port is another site");
        assert!(!check(&[("origin", "null")]));
        assert!(!check(&[("sec-fetch-site", "same-site")]));
        assert!(!check(&[("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "cross-site")]));
        assert!(check_origin(&Method::GET, &HeaderMap::new(), "x").is_ok());
    }
}
