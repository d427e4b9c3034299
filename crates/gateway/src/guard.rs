//! Pages of other servers.
//!
//! A browser sends what a page of whatever server asks it to send, from wherever the browser is. It says where the page is
//! from, though: a request that changes something, and comes from a page of another server, is refused,
//! unless it sends the bytes of a file to a datanode, is from a server that is known to be a master's, and knows the id of the
//! cluster: then it is the console of a master. The id alone proves nothing: whatever page has found a way to read something
//! here has read it.
//!
//! A page is of this server when it was got under a name that this server is known to have: an address, `localhost`, or one of
//! [`Config::names`](crate::Config::names). Any other name may be somebody else's, which has been made to lead here meanwhile
//! (DNS rebinding).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::query::Query;
use crate::{Gateway, Side, api, webhdfs};

/// Refuses what would change something for a page of another server.
pub(crate) async fn same_origin(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    let foreign = is_foreign_change(request.method(), request.headers(), &gateway.names);
    let upload = gateway.side == Side::Datanode && is_upload(&request);
    if foreign && !(upload && is_console(&gateway, request.headers(), request.uri().query()).await) {
        let why = "this request comes from a page of another server, or of this one under a name that it is not known by \
                   (--http-names), and is not carried out";
        return refused(request.uri().path(), why.to_owned());
    }
    next.run(request).await
}

/// As those are told who ask there.
fn refused(path: &str, why: String) -> Response {
    if path.starts_with(webhdfs::PREFIX) {
        return webhdfs::Exception::denied(why).into_response();
    }
    api::Problem::new(StatusCode::FORBIDDEN, "foreign-page", why).into_response()
}

/// Whether a request brings the bytes of a file.
fn is_upload(request: &Request) -> bool {
    request.method() == Method::PUT && request.uri().path().starts_with("/api/v1/files/")
}

/// Whether a request is from the console of a master: from a page of a server of which that is known, which has been told the
/// cluster's id.
pub(crate) async fn is_console(gateway: &Gateway, headers: &HeaderMap, query: Option<&str>) -> bool {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let Some(host) = origin.and_then(host_of) else {
        return false;
    };
    if !knows_cluster(gateway, query).await {
        return false;
    }
    if may_be_masters(host, &gateway.names) {
        return true;
    }
    // One that has become a master since this server was started.
    let group = gateway.users.file_system(None).admin().masters().await;
    group.is_ok_and(|group| {
        let addresses = group.masters.iter().map(|master| master.address.as_str());
        let names: Vec<_> = addresses.map(|address| bare(address).to_owned()).collect();
        is_named(host, &names)
    })
}

/// Whether a request has the id of the cluster in it.
async fn knows_cluster(gateway: &Gateway, query: Option<&str>) -> bool {
    let query = Query::parse(query);
    let Some(named) = query.text("cluster") else {
        return false;
    };
    let fs = gateway.users.file_system(None);
    let info = fs.server_info().await;
    info.is_ok_and(|info| info.cluster.to_string() == named)
}

fn is_foreign_change(method: &Method, headers: &HeaderMap, names: &[String]) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let harmless = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let own = |origin| host_of(origin).is_some_and(|host| Some(host) == text(HOST) && is_known(host, names));
    !harmless && headers.contains_key(ORIGIN) && !text(ORIGIN).is_some_and(own)
}

/// Whether a host, or `host:port`, can only be this server: nobody can make an address lead elsewhere.
fn is_known(host: &str, names: &[String]) -> bool {
    bare(host).parse::<IpAddr>().is_ok() || is_named(host, names)
}

/// Whether another server, `host` or `host:port`, may be a master: it has a name that is known, or an address that nobody has on
/// the Internet.
fn may_be_masters(host: &str, names: &[String]) -> bool {
    bare(host).parse::<IpAddr>().is_ok_and(is_near) || is_named(host, names)
}

fn is_named(host: &str, names: &[String]) -> bool {
    let name = bare(host);
    let is = |known: &String| bare(known).eq_ignore_ascii_case(name);
    name.eq_ignore_ascii_case("localhost") || names.iter().any(is)
}

/// Whether an address is of this machine, or of a network that the Internet does not reach.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            // The last one: what providers and overlay networks share (RFC 6598).
            let [first, second, ..] = four.octets();
            four.is_loopback()
                || four.is_private()
                || four.is_link_local()
                || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(six) => six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local(),
    }
}

/// The host of `host` or `host:port`, without brackets.
fn bare(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        // More than one colon without brackets: an address of IPv6 alone.
        Some((name, port)) if !port.ends_with(']') && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    };
    name.trim_start_matches('[').trim_end_matches(']')
}

/// `host:port` of an origin.
fn host_of(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_servers_change_nothing() {
        let foreign = |method: Method, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "here:9870".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            is_foreign_change(&method, &headers, &["here".to_owned()])
        };
        assert!(!foreign(Method::PUT, None), "no browser");
        assert!(!foreign(Method::PUT, Some("http://here:9870")));
        for origin in ["http://there:9870", "http://here:9871", "null", ""] {
            assert!(foreign(Method::POST, Some(origin)), "{origin}");
            assert!(!foreign(Method::GET, Some(origin)), "{origin}");
        }
        let mut nowhere = HeaderMap::new();
        nowhere.insert(ORIGIN, "null".parse().unwrap());
        assert!(
            is_foreign_change(&Method::POST, &nowhere, &[]),
            "neither says where it is"
        );
    }

    #[test]
    fn a_name_that_leads_here_is_not_enough() {
        let names = ["m1.example".to_owned()];
        for known in [
            "10.0.0.1:9870",
            "[::1]:9870",
            "localhost:9870",
            "M1.example:9870",
            "m1.example",
        ] {
            assert!(is_known(known, &names), "{known}");
        }
        for other in [
            "evil.example:9870",
            "m1.example.evil.example",
            "10.0.0.1.evil.example:9870",
            "",
        ] {
            assert!(!is_known(other, &names), "{other}");
        }
    }

    #[test]
    fn a_page_of_the_internet_is_no_console() {
        let names = [
            "m1.example".to_owned(),
            "[2001:db8::1]".to_owned(),
            "203.0.113.7".to_owned(),
        ];
        for master in [
            "m1.example:9870",
            "localhost:9870",
            "127.0.0.1:9870",
            "10.0.0.1:9870",
            "100.64.3.4:9870",
            "[fd00::1]:9870",
            "[::ffff:10.0.0.1]:9870",
            "[2001:db8::1]:9870",
            "203.0.113.7:9870",
        ] {
            assert!(may_be_masters(master, &names), "{master}");
        }
        for other in [
            "evil.example:9870",
            "203.0.113.8:9870",
            "[2001:db8::2]:9870",
            "100.128.0.1",
            "[::ffff:203.0.113.8]",
            "",
        ] {
            assert!(!may_be_masters(other, &names), "{other}");
        }
    }

    #[test]
    fn only_the_bytes_of_files_are_uploads() {
        let upload = |method: &str, uri: &str| {
            let request = axum::http::Request::builder().method(method).uri(uri);
            is_upload(&request.body(axum::body::Body::empty()).unwrap())
        };
        assert!(upload("PUT", "/api/v1/files/a?cluster=1"));
        assert!(!upload("DELETE", "/api/v1/files/a?cluster=1"));
        assert!(!upload("PUT", "/api/v1/settings/a?cluster=1"));
        assert!(!upload("PUT", "/webhdfs/v1/a?op=MKDIRS&cluster=1"));
    }
}
