//! The console: a page for people, served by every master. Static files in the binary, without a build step and without
//! anything from elsewhere; all that it shows and does goes through `/api/v1`.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;

/// A page runs nothing but what comes from here. Bytes of files come from and go to datanodes, which are other servers.
const POLICY: &str = "default-src 'self'; connect-src 'self' http: https:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Path, content type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("/console/", HTML, include_str!("static/index.html")),
    ("/console/style.css", CSS, include_str!("static/style.css")),
    ("/console/icon.svg", SVG, include_str!("static/icon.svg")),
    ("/console/app.js", SCRIPT, include_str!("static/app.js")),
    ("/console/page.js", SCRIPT, include_str!("static/page.js")),
    ("/console/server.js", SCRIPT, include_str!("static/server.js")),
    ("/console/overview.js", SCRIPT, include_str!("static/overview.js")),
    ("/console/nodes.js", SCRIPT, include_str!("static/nodes.js")),
    ("/console/files.js", SCRIPT, include_str!("static/files.js")),
    ("/console/work.js", SCRIPT, include_str!("static/work.js")),
];

pub(crate) fn routes() -> Router {
    let start = Router::new()
        .route("/", get(async || Redirect::temporary("/console/")))
        .route("/console", get(async || Redirect::temporary("/console/")));
    FILES.iter().fold(start, |router, &(path, kind, content)| {
        router.route(path, get(move || async move { file(kind, content) }))
    })
}

fn file(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // After an upgrade nobody looks at half of the old one.
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_from_elsewhere() {
        for (path, _, content) in FILES {
            for elsewhere in ["src=\"http", "href=\"http", "url(http", "from \"http", "@import"] {
                assert!(!content.contains(elsewhere), "{path} has {elsewhere}");
            }
        }
    }

    #[test]
    fn every_script_that_is_named_is_served() {
        for (path, _, content) in FILES {
            let named = content
                .split("from \"./")
                .skip(1)
                .chain(content.split("import \"./").skip(1));
            for rest in named {
                let name = rest.split('"').next().unwrap();
                let wanted = format!("/console/{name}");
                assert!(FILES.iter().any(|(path, ..)| *path == wanted), "{path}: {wanted}");
            }
        }
    }
}
