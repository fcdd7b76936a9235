//! `GET /.well-known/jwks.json`: the public keys that verify our tokens (RFC 7517).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};

use crate::app::App;

/// Read the public signing keys
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "jwks_get",
    tag = "system",
    responses((status = 200, content_type = "application/jwk-set+json", description = "A JSON Web Key Set (RFC 7517)")),
)]
pub(super) async fn get(State(app): State<App>) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/jwk-set+json"),
        // Shorter than a key is published before it signs; verifiers may keep it longer than that at their own risk.
        (CACHE_CONTROL, "public, max-age=300"),
        // Public by nature: pages of any origin may verify tokens.
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, app.keys.current().jwks.clone()).into_response()
}
