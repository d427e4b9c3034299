//! Pages of other servers.
//!
//! A browser sends what a page of whatever server asks it to send, from wherever the browser is. It says where the page is
//! from, though: a request that changes something, and comes from a page of another server, is refused,
//! unless the page knows the id of the cluster: then it is the console of a master, which sends bytes to a datanode.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::Gateway;
use crate::query::Query;

/// Refuses what would change something for a page of another server.
pub(crate) async fn same_origin(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    let foreign = is_foreign_change(request.method(), request.headers());
    if foreign && !knows_cluster(&gateway, request.uri().query()).await {
        let why = "this request comes from a page of another server, and is not carried out\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    next.run(request).await
}

/// Whether a request has the id of the cluster in it, which a page learns from a master only.
pub(crate) async fn knows_cluster(gateway: &Gateway, query: Option<&str>) -> bool {
    let query = Query::parse(query);
    let Some(named) = query.text("cluster") else {
        return false;
    };
    let fs = gateway.users.file_system(None);
    let info = fs.server_info().await;
    info.is_ok_and(|info| info.cluster.to_string() == named)
}

fn is_foreign_change(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let harmless = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    !harmless && headers.contains_key(ORIGIN) && text(ORIGIN).and_then(host_of) != text(HOST)
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
            is_foreign_change(&method, &headers)
        };
        assert!(!foreign(Method::PUT, None), "no browser");
        assert!(!foreign(Method::PUT, Some("http://here:9870")));
        for origin in ["http://there:9870", "http://here:9871", "null", ""] {
            assert!(foreign(Method::POST, Some(origin)), "{origin}");
            assert!(!foreign(Method::GET, Some(origin)), "{origin}");
        }
    }
}
