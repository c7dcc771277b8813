//! The routing table, written down while it is registered. `GET /openapi.json` is made from it, so that no route can exist
//! without standing there.

use std::cell::RefCell;
use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::{Resource, web};

use super::error;

/// Every path with its methods.
#[derive(Default)]
pub(super) struct Table(RefCell<BTreeMap<&'static str, &'static [&'static str]>>);

impl Table {
    /// A path that answers other methods with 405 and `Allow` (RFC 9110 section 15.5.6, bar H01).
    pub(super) fn resource(
        &self,
        path: &'static str,
        methods: &'static [&'static str],
    ) -> Resource {
        self.0.borrow_mut().insert(path, methods);
        web::resource(path)
            .route(web::method(Method::OPTIONS).to(move || async move { error::options(methods) }))
            .default_service(web::to(move || async move {
                error::method_not_allowed(methods)
            }))
    }

    /// The paths so far.
    pub(super) fn paths(&self) -> Vec<&'static str> {
        self.0.borrow().keys().copied().collect()
    }

    /// What was registered.
    pub(super) fn into_paths(self) -> BTreeMap<&'static str, &'static [&'static str]> {
        self.0.into_inner()
    }
}
