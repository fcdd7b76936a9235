//! The actions of a walk: which request each is, and what the model says to it.

use gatepost_testkit::Answer;
use http::Method;
use serde_json::json;

use crate::model::Verdict;
use crate::step::{Action, Caller, Choice, Code, Door, Pick, Step};
use crate::things::{Kind, Purpose, Shown};
use crate::world::{HOMES, World, nonsense, nth};

pub(crate) const AUTH: &str = "/api/v1/auth";
pub(crate) const TOTP: &str = "/api/v1/users/me/2fa/totp";
pub(crate) const CONFIRM: &str = "/api/v1/users/me/2fa/totp/confirm";
pub(crate) const CODES: &str = "/api/v1/users/me/2fa/recovery-codes";
const ME: &str = "/api/v1/users/me";

/// Every operation that wants something in its body.
const FORMS: [(Method, &str); 17] = [
    (Method::POST, "/api/v1/auth/register"),
    (Method::POST, "/api/v1/auth/login"),
    (Method::POST, "/api/v1/auth/login/second-factor"),
    (Method::POST, "/api/v1/auth/step-up"),
    (Method::POST, "/api/v1/auth/refresh"),
    (Method::POST, "/api/v1/auth/forgot-password"),
    (Method::POST, "/api/v1/auth/resend-verification"),
    (Method::POST, "/api/v1/auth/reset-password"),
    (Method::POST, "/api/v1/auth/verify-email"),
    (Method::POST, "/api/v1/auth/confirm-email"),
    (Method::POST, "/api/v1/auth/undo-email"),
    (Method::POST, "/api/v1/auth/secure-account"),
    (Method::POST, "/api/v1/auth/accept-invitation"),
    (Method::POST, "/oauth/token"),
    (Method::PUT, "/api/v1/users/me/password"),
    (Method::POST, "/api/v1/users/me/email"),
    (Method::POST, CONFIRM),
];

/// Asserts that an answer is what the model says, by and large: done, refused, or a challenge.
#[track_caller]
fn agree(step: &Step, verdict: Verdict, answer: &Answer) {
    let found = match answer.status {
        200..=204 => "done",
        400..=499 if answer.code() == "mfa_required" => "a challenge",
        400..=499 => "refused",
        _ => "broken",
    };
    let expected = match verdict {
        Verdict::Done | Verdict::Session(_) => "done",
        Verdict::Challenge(_) => "a challenge",
        Verdict::Refused | Verdict::Theft => "refused",
    };
    assert_eq!(found, expected, "{step:?} answered {}: {}", answer.status, answer.text());
}

impl World<'_> {
    /// Takes the action of a step, and returns what the model says came of it; `None` if it was no request.
    pub(crate) async fn act(&mut self, step: &Step) -> Option<Verdict> {
        let by = step.by;
        Some(match step.action {
            Action::Wait(span) => {
                self.app.clock.advance(span);
                return None;
            }
            Action::Login(door, who, password) => self.login(step, door, (who, password)).await,
            Action::SecondStep { challenge, totp, code } => {
                self.second_step(step, challenge, (totp, code)).await
            }
            Action::StepUpWithPassword(caller, password) => self.step_up(step, caller, Ok(password)).await,
            Action::StepUpWithCode { caller, totp, code } => {
                self.step_up(step, caller, Err((totp, code))).await
            }
            Action::Refresh(session, token) => self.refresh(step, (session, token)).await,
            Action::Logout(caller) => self.logout(step, caller).await,
            Action::LogoutByRefresh(session, token) => {
                let found = self.refresh_token(by, (session, token));
                let token = found.as_ref().map_or_else(|| nonsense("rt1_"), |(_, _, token)| token.clone());
                if let Some((session, ..)) = found {
                    self.model.sessions[session].ended = true;
                }
                // A program, because a browser with a cookie would mean that one.
                let body = json!({ "refresh_token": token });
                let call = self.app.post(&format!("{AUTH}/logout")).json(&body);
                self.conclude(step, Verdict::Done, call).await
            }
            Action::Register(who) => {
                let address = self.some_address(who);
                if self.model.is_free(&address, None, self.now()) {
                    return None;
                }
                let body = json!({ "email": address, "password": self.new_password() });
                let call = self.call(by, Method::POST, &format!("{AUTH}/register")).json(&body);
                self.conclude(step, Verdict::Refused, call).await
            }
            Action::Forgot(who) => self.ask(step, "forgot-password", who).await,
            Action::Resend(who) => self.ask(step, "resend-verification", who).await,
            Action::Present(purpose, token, new) => self.present(step, purpose, (token, new)).await,
            Action::ChangeEmail(caller, address) => self.change_email(step, caller, address).await,
            Action::ChangePassword(caller, now, new) => self.change_password(step, caller, (now, new)).await,
            Action::Enrol(caller) => self.enrol(step, caller).await,
            Action::ConfirmFactor(caller, code) => self.confirm_factor(step, caller, code).await,
            Action::RemoveFactor(caller) => {
                let (session, call) = self.called(by, caller, Method::DELETE, TOTP);
                let now = self.now();
                let verdict = session.map_or(Verdict::Refused, |it| self.model.remove_factor(it, now));
                self.conclude(step, verdict, call).await
            }
            Action::ReplaceCodes(caller) => self.replace_codes(step, caller).await,
            Action::Invite => return self.invite().await,
            Action::Accept(token, new) => self.accept(step, (token, new)).await,
            Action::Guess(who) => self.guess(step, who).await,
            Action::Nothing(caller, door) => {
                let (method, path) = FORMS[door % FORMS.len()].clone();
                // Most doors look at nobody's session.
                let is_private = path.starts_with(ME) || path.ends_with("/step-up");
                let call = if is_private {
                    self.called(by, caller, method, path).1
                } else {
                    self.call(by, method, path)
                };
                let call = if door % 2 == 0 { call } else { call.json(&json!({})) };
                self.conclude(step, Verdict::Refused, call).await
            }
            Action::Delete(caller) => {
                let (session, call) = self.called(by, caller, Method::DELETE, ME);
                let now = self.now();
                let verdict = session.map_or(Verdict::Refused, |it| self.model.delete_account(it, now));
                self.conclude(step, verdict, call).await
            }
        })
    }

    /// Sends a request whose answer holds no secrets.
    pub(crate) async fn conclude(
        &mut self,
        step: &Step,
        verdict: Verdict,
        call: gatepost_testkit::Call,
    ) -> Verdict {
        self.answer(step, verdict, call).await;
        verdict
    }

    pub(crate) async fn answer(
        &mut self,
        step: &Step,
        verdict: Verdict,
        call: gatepost_testkit::Call,
    ) -> Answer {
        let answer = self.send(call).await;
        agree(step, verdict, &answer);
        self.keep_cookies(step.by, &answer);
        answer
    }

    /// Wrong guesses are counted, which is another case: here nobody ever has to wait.
    pub(crate) async fn forgive(&mut self, verdict: Verdict, table: &'static str) {
        if verdict == Verdict::Refused {
            self.app.execute(table, &[]).await;
        }
    }

    async fn login(&mut self, step: &Step, door: Door, (who, password): (Pick, Choice)) -> Verdict {
        let (by, now) = (step.by, self.now());
        let address = self.some_address(who);
        let password = self.password(by, self.model.holder(&address), password);
        let (kind, by_form) = match door {
            Door::Api(kind) => (kind, false),
            Door::Form => (Kind::Tokens, true),
        };
        let call = if by_form {
            let form = [("grant_type", "password"), ("username", &*address), ("password", &*password)];
            self.call(by, Method::POST, "/oauth/token").form(&form)
        } else {
            let session = if kind == Kind::Tokens { "token" } else { "browser" };
            let body = json!({ "identifier": address, "password": password, "session": session, "remember": kind == Kind::Remembered });
            self.call(by, Method::POST, &format!("{AUTH}/login")).json(&body)
        };
        let verdict = self.model.login((by, kind, by_form), (&address, &password), now);
        let answer = self.answer(step, verdict, call).await;
        match verdict {
            Verdict::Challenge(number) => {
                let token = answer.json()["challenge"].as_str().unwrap().to_owned();
                self.model.challenges[number].token = token;
            }
            Verdict::Session(number) => {
                let mut auth = answer.json();
                if by_form {
                    // It does not say whose they are: the next look asks.
                    let who = self.model.sessions[number].who;
                    auth["user"] = json!({ "id": self.ids[who].to_string() });
                }
                self.signed_in(by, verdict, &auth);
            }
            Verdict::Refused | Verdict::Theft | Verdict::Done => {}
        }
        self.forgive(verdict, "DELETE FROM lockouts").await;
        verdict
    }

    async fn second_step(&mut self, step: &Step, challenge: Choice, (totp, code): (bool, Code)) -> Verdict {
        let (by, now) = (step.by, self.now());
        let number = self.challenge(by, challenge);
        let who = number.map(|number| self.model.challenges[number].who);
        let shown = Shown { totp, code: self.code(by, who, code) };
        let token =
            number.map_or_else(|| nonsense("gpc_"), |number| self.model.challenges[number].token.clone());
        let method = if totp { "totp" } else { "recovery_code" };
        let body = json!({ "challenge": token, "method": method, "code": shown.code });
        let call = self.call(by, Method::POST, &format!("{AUTH}/login/second-factor")).json(&body);
        let verdict = self.model.second_step((by, number), &shown, now);
        let answer = self.answer(step, verdict, call).await;
        if let Verdict::Session(_) = verdict {
            self.signed_in(by, verdict, &answer.json());
        }
        self.forgive(verdict, "DELETE FROM second_factor_attempts").await;
        verdict
    }

    async fn step_up(&mut self, step: &Step, caller: Caller, proof: Result<Choice, (bool, Code)>) -> Verdict {
        let (by, now) = (step.by, self.now());
        let (session, call) = self.called(by, caller, Method::POST, &format!("{AUTH}/step-up"));
        let who = session.map(|session| self.model.sessions[session].who);
        let (verdict, body) = match proof {
            Ok(choice) => {
                let password = self.password(by, who, choice);
                let verdict = session.map(|it| self.model.step_up(it, Ok(&password), now));
                (verdict, json!({ "method": "password", "password": password }))
            }
            Err((totp, code)) => {
                let shown = Shown { totp, code: self.code(by, who, code) };
                let verdict = session.map(|it| self.model.step_up(it, Err(&shown), now));
                let method = if totp { "totp" } else { "recovery_code" };
                (verdict, json!({ "method": method, "code": shown.code }))
            }
        };
        let verdict = verdict.unwrap_or(Verdict::Refused);
        self.conclude(step, verdict, call.json(&body)).await;
        let table = if proof.is_ok() { "DELETE FROM lockouts" } else { "DELETE FROM second_factor_attempts" };
        self.forgive(verdict, table).await;
        verdict
    }

    fn refresh_token(&self, by: usize, (session, token): (Pick, Pick)) -> Option<(usize, usize, String)> {
        let session = nth(&self.model.sessions, session)?;
        let of = &self.model.sessions[session];
        let token = nth(&of.refresh, token).filter(|_| Self::may_know(by, of.who))?;
        Some((session, token, of.refresh[token].clone()))
    }

    async fn refresh(&mut self, step: &Step, token: (Pick, Pick)) -> Verdict {
        let (by, now) = (step.by, self.now());
        let found = self.refresh_token(by, token);
        let text = found.as_ref().map_or_else(|| nonsense("rt1_"), |(_, _, token)| token.clone());
        let call =
            self.call(by, Method::POST, &format!("{AUTH}/refresh")).json(&json!({ "refresh_token": text }));
        let verdict =
            found.map_or(Verdict::Refused, |(session, token, _)| self.model.refresh(session, token, now));
        let answer = self.answer(step, verdict, call).await;
        if let Verdict::Session(_) = verdict {
            self.signed_in(by, verdict, &answer.json());
        }
        verdict
    }

    /// A good access token is enough to leave, also of a session that has ended; so is any cookie.
    async fn logout(&mut self, step: &Step, caller: Caller) -> Verdict {
        let by = step.by;
        let path = format!("{AUTH}/logout");
        let (session, call) = match caller {
            // It is looked up, and not used.
            Caller::Cookie => (self.model.clients[by].session, self.call(by, Method::POST, &path)),
            Caller::Living(_) | Caller::Any(..) => self.called(by, caller, Method::POST, &path),
        };
        let Some(session) = session else { return self.conclude(step, Verdict::Refused, call).await };
        self.model.sessions[session].ended = true;
        if let Caller::Cookie = caller {
            self.model.clients[by].session = None;
        }
        self.conclude(step, Verdict::Done, call).await
    }

    /// An address that an account has, had, or could have.
    pub(crate) fn some_address(&self, pick: Pick) -> String {
        let accounts = &self.model.accounts;
        match nth(accounts, pick) {
            Some(who) if pick < 8 => accounts[who].address.clone(),
            Some(_) | None => HOMES[pick % HOMES.len()].to_owned(),
        }
    }
}

/// The name of an action, for the tally.
pub(crate) fn name(action: &Action) -> &'static str {
    match action {
        Action::Wait(_) => "wait",
        Action::Login(..) => "login",
        Action::SecondStep { .. } => "second step",
        Action::StepUpWithPassword(..) => "step-up with a password",
        Action::StepUpWithCode { .. } => "step-up with a code",
        Action::Refresh(..) => "refresh",
        Action::Logout(_) => "logout",
        Action::LogoutByRefresh(..) => "logout by refresh token",
        Action::Register(_) => "register",
        Action::Forgot(_) => "forgot password",
        Action::Resend(_) => "resend verification",
        Action::Present(Purpose::Verify, ..) => "verify",
        Action::Present(Purpose::Reset, ..) => "reset",
        Action::Present(Purpose::Confirm, ..) => "confirm address",
        Action::Present(Purpose::Undo, ..) => "undo address",
        Action::Present(Purpose::Secure, ..) => "secure account",
        Action::ChangeEmail(..) => "change address",
        Action::ChangePassword(..) => "change password",
        Action::Enrol(_) => "enrol",
        Action::ConfirmFactor(..) => "confirm factor",
        Action::RemoveFactor(_) => "remove factor",
        Action::ReplaceCodes(_) => "replace codes",
        Action::Invite => "invite",
        Action::Accept(..) => "accept",
        Action::Guess(_) => "guess",
        Action::Nothing(..) => "an empty form",
        Action::Delete(_) => "delete account",
    }
}
