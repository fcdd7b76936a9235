//! Every problem type there is, in one table.

use std::fmt;

use http::StatusCode;

/// Makes the enum and its rows from one list, so that neither can forget the other.
macro_rules! problem_types {
    ($( $variant:ident $status:ident $code:literal $title:literal $doc:literal )*) => {
        /// What went wrong, as the client reads it: a stable code, a status, a title and a paragraph of
        /// documentation.
        ///
        /// The codes are part of the HTTP contract. A code that is answered with two statuses has two variants
        /// that share it.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum ProblemType {
            $( #[doc = concat!("`", $code, "`: ", $doc)] $variant, )*
        }

        impl ProblemType {
            /// All of them, in the order of their statuses.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            const fn row(self) -> Row {
                match self {
                    $( Self::$variant => Row {
                        status: StatusCode::$status,
                        code: $code,
                        title: $title,
                        doc: $doc,
                        uri: concat!("/docs/problems#", $code),
                    }, )*
                }
            }
        }
    };
}

struct Row {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    doc: &'static str,
    uri: &'static str,
}

impl ProblemType {
    /// The status that goes with it.
    pub const fn status(self) -> StatusCode {
        self.row().status
    }

    /// The stable slug that clients switch on.
    pub const fn code(self) -> &'static str {
        self.row().code
    }

    /// A short summary that never changes between occurrences (RFC 9457, section 3.1.3).
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    /// One paragraph for the documentation page.
    pub const fn doc(self) -> &'static str {
        self.row().doc
    }

    /// The `type` member: a relative reference to the paragraph on the server's own documentation page.
    ///
    /// RFC 9457, section 3.1.1, asks for a reference that starts with a `/` when it is relative, so that it means
    /// the same on every page. Clients compare it (or better, `code`); they need not fetch it.
    pub const fn uri(self) -> &'static str {
        self.row().uri
    }
}

impl fmt::Display for ProblemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

problem_types! {
    MalformedBody BAD_REQUEST "malformed_body" "The body cannot be read"
        "The body is not the JSON that it claims to be: a syntax error, invalid UTF-8, an unpaired surrogate, a member that occurs twice, more than 32 levels of nesting, text after the end, or nothing at all."
    InvalidRequest BAD_REQUEST "invalid_request" "The request cannot be read"
        "Something outside the body is malformed or contradicts itself: a query that is not percent-encoded UTF-8, or credentials that were sent in more than one way."
    InvalidLink BAD_REQUEST "invalid_token" "The link or code is not valid"
        "The token from a mail is unknown, was used already, or has expired. Ask for a new one."
    OauthStateMismatch BAD_REQUEST "oauth_state_mismatch" "The sign-in does not belong to this browser"
        "The `state` that the identity provider sent back does not match the one that this browser started with. Start the sign-in again."

    AuthenticationRequired UNAUTHORIZED "authentication_required" "Sign in first"
        "The operation needs a caller, and the request carried no credentials."
    InvalidCredentials UNAUTHORIZED "invalid_credentials" "The credentials are not right"
        "No account matches this identifier and password. The answer is the same whether the account exists or not."
    MfaRequired UNAUTHORIZED "mfa_required" "A second factor is needed"
        "The password was right and the account has a second factor. Send `challenge` with a code of one of the `methods`."
    InvalidCode UNAUTHORIZED "invalid_code" "The code is not right"
        "The one-time or recovery code does not match, or was used already."
    ChallengeExpired UNAUTHORIZED "challenge_expired" "The challenge has expired"
        "The sign-in took too long between its two steps, or was tried too often. Start again with the password."
    InvalidRefreshToken UNAUTHORIZED "invalid_refresh_token" "The refresh token is not valid"
        "The refresh token is unknown, was used already, was revoked, or has expired. Sign in again."
    InsufficientUserAuthentication UNAUTHORIZED "insufficient_user_authentication" "Confirm that it is you"
        "The operation needs a recent proof of identity in this session (RFC 9470). Use the step-up operation and try again."
    InvalidAccessToken UNAUTHORIZED "invalid_token" "The access token is not valid"
        "The bearer token is malformed, expired, revoked or meant for somebody else (RFC 6750, section 3.1)."

    Forbidden FORBIDDEN "forbidden" "This is not allowed"
        "The caller is known and lacks the permission for this operation."
    NotOwner FORBIDDEN "not_owner" "This belongs to somebody else"
        "Only the owner of the object may do this."
    InsufficientScope FORBIDDEN "insufficient_scope" "The token does not reach that far"
        "The token or API key lacks a scope that the operation needs (RFC 6750, section 3.1)."
    InvalidCurrentPassword FORBIDDEN "invalid_current_password" "The current password is not right"
        "Changing a password needs the current one."
    SignupDisabled FORBIDDEN "signup_disabled" "Sign-up is closed"
        "The operator of this server creates the accounts."
    CsrfRejected FORBIDDEN "csrf_rejected" "The request came from another site"
        "A request with the session cookie must come from the server's own pages."
    EmailNotVerified FORBIDDEN "email_not_verified" "The address is not verified"
        "The credentials are right. Open the link in the mail that was sent at sign-up, or ask for another one."
    AwaitingApproval FORBIDDEN "awaiting_approval" "An administrator has yet to approve the account"
        "The credentials are right. A mail is sent when the account may be used."
    GrantExpired FORBIDDEN "grant_expired" "The grant has expired"
        "The caller was granted this model once; the grant has run out."

    NotFound NOT_FOUND "not_found" "Nothing is here"
        "The object or the path does not exist, or the caller may not know that it does."
    ModelNotFound NOT_FOUND "model_not_found" "There is no such model"
        "The model does not exist, or was not granted to the caller."
    MethodNotAllowed METHOD_NOT_ALLOWED "method_not_allowed" "The method does not fit"
        "The path exists and does not answer this method. `Allow` names those that it does."
    RequestTimeout REQUEST_TIMEOUT "request_timeout" "The request took too long to arrive"
        "The whole body must arrive within 15 seconds."

    EmailTaken CONFLICT "email_taken" "The address is in use"
        "Another account has this mail address."
    UsernameTaken CONFLICT "username_taken" "The user name is in use"
        "Another account has this user name."
    PhoneTaken CONFLICT "phone_taken" "The phone number is in use"
        "Another account has this phone number."
    LastAdmin CONFLICT "last_admin" "This is the last administrator"
        "The change would leave nobody who can administer the server."
    LastCredential CONFLICT "last_credential" "This is the last way in"
        "The change would leave the account without any way to sign in."
    LinkRequired CONFLICT "link_required" "Link the accounts first"
        "An account with this address exists. Sign in to it and link the provider from there."
    Conflict CONFLICT "conflict" "The state does not allow it"
        "The object is in a state that rules this operation out."
    VersionMismatch PRECONDITION_FAILED "version_mismatch" "The object has changed"
        "`If-Match` names a version that is no longer current. Read the object again and decide anew."
    BodyTooLarge PAYLOAD_TOO_LARGE "body_too_large" "The body is too large"
        "The body passes the limit of the operation, which is 64 KiB where nothing else is said."
    TooManyRows PAYLOAD_TOO_LARGE "too_many_rows" "Too many rows"
        "One call takes a limited number of rows. Send them in several calls."
    UriTooLong URI_TOO_LONG "uri_too_long" "The request target is too long"
        "The path and the query pass the limit of 8 KiB together."
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "The body has the wrong type"
        "The operation takes `application/json` in UTF-8 where nothing else is said, and never a compressed body."
    UnknownHost MISDIRECTED_REQUEST "unknown_host" "This server has another name"
        "The `Host` of the request is not one that this server answers to."

    ValidationFailed UNPROCESSABLE_ENTITY "validation_failed" "Some fields are not valid"
        "The request is well-formed, and `errors` lists everything that is wrong with it: a pointer to the field, a code, and what is expected."
    IdempotencyMismatch UNPROCESSABLE_ENTITY "idempotency_mismatch" "The key was used for another request"
        "The `Idempotency-Key` came before with a different body. Use a new key for a new request."
    InvalidInput UNPROCESSABLE_ENTITY "invalid_input" "The model cannot take this input"
        "`errors` names the row and the field. Nothing was predicted."

    TooManyAttempts TOO_MANY_REQUESTS "too_many_attempts" "Too many attempts"
        "Too many failed attempts at a secret. Wait for `Retry-After` seconds."
    RateLimited TOO_MANY_REQUESTS "rate_limited" "Too many requests"
        "The caller sends faster than the operation allows. Wait for `Retry-After` seconds."
    QuotaExceeded TOO_MANY_REQUESTS "quota_exceeded" "The quota is used up"
        "The calls that were granted for this period are used up."
    HeadersTooLarge REQUEST_HEADER_FIELDS_TOO_LARGE "headers_too_large" "The request headers are too large"
        "The header lines pass the limit of 16 KiB together. The answer asks the browser to drop its cookies for this server, which are the usual reason."

    Internal INTERNAL_SERVER_ERROR "internal" "Something broke on our side"
        "The server failed. Nothing is known about it here on purpose; `request_id` leads the operator to the log line."
    BackendFailed BAD_GATEWAY "backend_failed" "The model's server failed"
        "The server that runs the model did not give a usable answer."
    ProviderUnavailable BAD_GATEWAY "provider_unavailable" "The identity provider failed"
        "The identity provider did not give a usable answer. Try again, or sign in another way."
    Busy SERVICE_UNAVAILABLE "busy" "The server is busy"
        "The server cannot take the request right now. Try again after `Retry-After` seconds."
    StorageFull SERVICE_UNAVAILABLE "storage_full" "The server's disk is full"
        "Nothing can be written until the operator makes room. Reading still works."
    ModelLoading SERVICE_UNAVAILABLE "model_loading" "The model is being loaded"
        "The model exists and is not ready yet. Try again after `Retry-After` seconds."
    ModelTimeout GATEWAY_TIMEOUT "model_timeout" "The model took too long"
        "The model did not answer within its time limit."
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_type_is_an_error_with_a_slug_a_title_and_a_paragraph() {
        for kind in ProblemType::ALL {
            let status = kind.status();
            assert!(status.is_client_error() || status.is_server_error(), "{kind}");
            assert!(kind.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{kind}");
            assert!(!kind.title().is_empty() && !kind.title().ends_with('.'), "{kind}");
            assert!(kind.doc().ends_with('.'), "{kind}");
            assert_eq!(kind.uri(), format!("/docs/problems#{}", kind.code()));
        }
    }

    #[test]
    fn a_code_and_a_status_name_one_type() {
        let pairs: HashSet<_> = ProblemType::ALL.iter().map(|kind| (kind.code(), kind.status())).collect();
        assert_eq!(pairs.len(), ProblemType::ALL.len());
    }

    #[test]
    fn the_rows_stand_in_the_order_of_their_classes() {
        let firsts: Vec<_> = ProblemType::ALL.iter().map(|kind| kind.status().as_u16() / 100).collect();
        assert!(firsts.is_sorted());
    }
}
