//! Routes that come later.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tower::{Service, ServiceExt as _};

/// A place for routes that are not there yet when a server begins to listen. Clones are the same place.
#[derive(Clone, Default)]
pub struct Mount(Arc<OnceLock<Router>>);

impl Mount {
    /// Serves `routes` from now on. The first ones that are mounted stay.
    pub fn set(&self, routes: Router) {
        let _ = self.0.set(routes);
    }

    /// `own`, and behind it whatever is mounted.
    pub fn behind(&self, own: Router) -> Router {
        own.fallback_service(self.clone())
    }
}

impl Service<Request<Body>> for Mount {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.0.get() {
            Some(routes) => Box::pin(routes.clone().oneshot(request)),
            None => Box::pin(async {
                let what = "this server serves nothing here; see /healthz and /metrics\n";
                Ok((StatusCode::NOT_FOUND, what).into_response())
            }),
        }
    }
}
