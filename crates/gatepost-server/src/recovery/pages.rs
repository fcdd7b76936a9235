//! The pages behind mailed links: one template, one script.
//!
//! The token rides in the fragment, which no browser sends. The script takes it out of the address and posts it when
//! somebody presses the button, so a mail scanner that opens every link uses none up (`REC-04`). A link that is pasted over
//! the address of an open page begins that page anew. Nothing of a request is written into a page.

use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::http::PageNonce;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

/// What is different from page to page. All of it is ours: nothing needs to be escaped.
struct Page {
    title: &'static str,
    intro: &'static str,
    /// Where the form goes.
    action: &'static str,
    /// Whether the token of the link goes with it.
    token: bool,
    fields: &'static [Field],
    button: &'static str,
    done: &'static str,
    /// What is said of a link that does not work. Nobody learns why it does not, so it names what may be the cause and what
    /// helps.
    dead: &'static str,
}

/// What somebody types. The names are those of the operation.
enum Field {
    Email,
    NewPassword {
        name: &'static str,
    },
    /// It may be left empty: the script sends no empty fields.
    Optional {
        name: &'static str,
        label: &'static str,
        autocomplete: &'static str,
    },
}

impl Field {
    fn html(&self) -> String {
        match self {
            Self::Email => "    <label for=\"email\">E-mail address</label>\n    \
                <input id=\"email\" name=\"email\" type=\"email\" autocomplete=\"email\" maxlength=\"254\" required autofocus>\n"
                .to_owned(),
            Self::Optional { name, label, autocomplete } => format!(
                "    <label for=\"{name}\">{label} (optional)</label>\n    \
                <input id=\"{name}\" name=\"{name}\" autocomplete=\"{autocomplete}\" maxlength=\"100\">\n"
            ),
            Self::NewPassword { name } => format!(
                "    <label for=\"password\">New password</label>\n    \
                <input id=\"password\" name=\"{name}\" type=\"password\" autocomplete=\"new-password\" minlength=\"12\" \
                required autofocus aria-describedby=\"hint\">\n    \
                <p id=\"hint\" class=\"hint\">At least 12 characters; a few unrelated words are easy to remember and hard to \
                guess.</p>\n"
            ),
        }
    }
}

const VERIFY_EMAIL: Page = Page {
    title: "Verify your address",
    intro: "Press the button to confirm that this address is yours.",
    action: "/api/v1/auth/verify-email",
    token: true,
    fields: &[],
    button: "Verify the address",
    done: "The address is verified. You can close this page.",
    dead: "This link does not work. It may have been used already: then there is nothing to do. It ends after 24 hours, and when \
           a newer one is sent or the password changes. If the address is not verified yet, ask for a new link where you sign in.",
};

const ACCEPT_INVITATION: Page = Page {
    title: "Accept your invitation",
    intro: "Choose a password, and your account is made.",
    action: "/api/v1/auth/accept-invitation",
    token: true,
    fields: &[
        Field::NewPassword { name: "password" },
        Field::Optional { name: "username", label: "Username", autocomplete: "username" },
        Field::Optional { name: "first_name", label: "First name", autocomplete: "given-name" },
        Field::Optional { name: "last_name", label: "Last name", autocomplete: "family-name" },
    ],
    button: "Make the account",
    done: "Your account is ready. Sign in with your address and the password.",
    dead: "This link does not work. It may have been used already: then you have an account, and can sign in. It ends after three \
           days, and when a newer one is sent. Whoever invited you can do so again.",
};

const FORGOT_PASSWORD: Page = Page {
    title: "Forgot your password?",
    intro: "Type the address of your account. A link to set a new password goes there.",
    action: "/api/v1/auth/forgot-password",
    token: false,
    fields: &[Field::Email],
    button: "Send the link",
    done: "If there is an account with this address, a mail is on its way. It may take a minute. Look among the spam, too.",
    // There is no link here.
    dead: "",
};

const RESET_PASSWORD: Page = Page {
    title: "Set a new password",
    intro: "All your devices will be signed out.",
    action: "/api/v1/auth/reset-password",
    token: true,
    fields: &[Field::NewPassword { name: "new_password" }],
    button: "Set the password",
    done: "The password is set. Sign in with it.",
    dead: "This link does not work. It may have been used already, or a newer one was sent. It ends after 30 minutes, and when the \
           password or the address changes. Ask for a new one at /forgot-password.",
};

const CONFIRM_EMAIL: Page = Page {
    title: "Confirm your new address",
    intro: "Press the button to use this address for your account from now on.",
    action: "/api/v1/auth/confirm-email",
    token: true,
    fields: &[],
    button: "Use this address",
    done: "The account has this address now. You can close this page.",
    dead: "This link does not work. It may have been used already: then the account has this address. It ends after 24 hours, and \
           when you ask for another change, set a new password or verify your present address. Sign in and ask for the change \
           again.",
};

const UNDO_EMAIL: Page = Page {
    title: "Take the change of address back",
    intro: "Your account gets its former address back. All devices will be signed out, and the present password and all API keys \
            will not work any more: a link to set a new password comes by mail.",
    action: "/api/v1/auth/undo-email",
    token: true,
    fields: &[],
    button: "Take the change back",
    done: "The account has its former address again. Look into your mailbox: the link there sets a new password.",
    dead: "This link does not work. It may have been used already: then a link to set a new password is in your mailbox. It ends \
           after seven days, and when an older address is restored. If you cannot sign in, tell whoever runs this service.",
};

const SECURE_ACCOUNT: Page = Page {
    title: "It was not you?",
    intro: "Press the button to sign all devices out. The present password and all API keys will not work any more: a link to set \
            a new password comes by mail.",
    action: "/api/v1/auth/secure-account",
    token: true,
    fields: &[],
    button: "Sign everybody out",
    done: "All devices are signed out. Look into your mailbox: the link there sets a new password.",
    dead: "This link does not work. It may have been used already: then a link to set a new password is in your mailbox. It ends \
           after 24 hours, and when the password was set with a link or the address changes. To be sure, set a new password: \
           /forgot-password sends a link.",
};

pub(super) fn routes() -> OpenApiRouter<App> {
    let pages = Router::new()
        .route("/accept-invitation", get(async |State(app): State<App>| ACCEPT_INVITATION.answer(&app)))
        .route("/verify-email", get(async |State(app): State<App>| VERIFY_EMAIL.answer(&app)))
        .route("/forgot-password", get(async |State(app): State<App>| FORGOT_PASSWORD.answer(&app)))
        .route("/reset-password", get(async |State(app): State<App>| RESET_PASSWORD.answer(&app)))
        .route("/confirm-email", get(async |State(app): State<App>| CONFIRM_EMAIL.answer(&app)))
        .route("/undo-email", get(async |State(app): State<App>| UNDO_EMAIL.answer(&app)))
        .route("/secure-account", get(async |State(app): State<App>| SECURE_ACCOUNT.answer(&app)))
        .route("/account-links.css", get(style));
    pages.into()
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

impl Page {
    fn answer(&self, app: &App) -> Response {
        let nonce = PageNonce::generate(&app.random);
        let fields: String = self.fields.iter().map(Field::html).collect();
        let page = TEMPLATE
            .replace("{title}", self.title)
            .replace("{intro}", self.intro)
            .replace("{action}", self.action)
            .replace("{token}", if self.token { "yes" } else { "no" })
            .replace("{fields}", &fields)
            .replace("{button}", self.button)
            .replace("{done}", self.done)
            .replace("{dead}", self.dead)
            .replace("{nonce}", nonce.as_str());
        (nonce, Html(page)).into_response()
    }
}
