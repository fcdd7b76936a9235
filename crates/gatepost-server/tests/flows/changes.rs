//! More actions of a walk: links, and what a session may change.

use gatepost_server::access::USER;
use gatepost_server::accounts::Email;
use gatepost_server::{attempts, recovery, sign_up};
use http::Method;
use serde_json::{Value, json};

use crate::actions::{AUTH, CODES, CONFIRM, TOTP};
use crate::codes;
use crate::model::Verdict;
use crate::step::{Caller, Choice, Code, New, Pick, Step};
use crate::things::{DAY, Invitation, MINUTE, Purpose};
use crate::world::{EVE, GUEST, MOVES, World, nonsense, nth};

impl World<'_> {
    pub(crate) async fn ask(&mut self, step: &Step, path: &str, who: Pick) -> Verdict {
        let now = self.now();
        let address = self.some_address(who);
        let body = json!({ "email": address });
        let call = self.call(step.by, Method::POST, &format!("{AUTH}/{path}")).json(&body);
        let verdict = match path {
            "forgot-password" => self.model.forgot(&address, now),
            _ => self.model.resend(&address, now),
        };
        self.conclude(step, verdict, call).await;
        recovery::answer_requests(&self.app.app).await.unwrap();
        verdict
    }

    pub(crate) async fn present(
        &mut self,
        step: &Step,
        purpose: Purpose,
        (token, new): (Choice, New),
    ) -> Verdict {
        let (by, now) = (step.by, self.now());
        let (who, token) = self.link(by, purpose, token);
        let path = match purpose {
            Purpose::Verify => "verify-email",
            Purpose::Reset => "reset-password",
            Purpose::Confirm => "confirm-email",
            Purpose::Undo => "undo-email",
            Purpose::Secure => "secure-account",
        };
        let call = self.call(by, Method::POST, &format!("{AUTH}/{path}"));
        if purpose != Purpose::Reset {
            let verdict = self.model.present(purpose, &token, None, now);
            return self.conclude(step, verdict, call.json(&json!({ "token": token }))).await;
        }
        let (typed, believed) = self.new_one(by, who, new);
        let verdict = self.model.present(purpose, &token, believed.as_deref(), now);
        let body = json!({ "token": token, "new_password": typed });
        if verdict == Verdict::Done {
            self.passwords.push((who.unwrap(), typed));
        }
        self.conclude(step, verdict, call.json(&body)).await
    }

    pub(crate) async fn change_email(&mut self, step: &Step, caller: Caller, address: Pick) -> Verdict {
        // How often somebody may ask is another case.
        self.app.clock.advance(MINUTE);
        let now = self.now();
        let (session, call) = self.called(step.by, caller, Method::POST, "/api/v1/users/me/email");
        let eves = session.is_some_and(|session| self.model.sessions[session].who == EVE);
        let addresses = MOVES[usize::from(eves)];
        let address = addresses[address % addresses.len()];
        let verdict = session.map_or(Verdict::Refused, |it| self.model.change_email(it, address, now));
        self.conclude(step, verdict, call.json(&json!({ "new_email": address }))).await
    }

    pub(crate) async fn change_password(
        &mut self,
        step: &Step,
        caller: Caller,
        (current, new): (Choice, New),
    ) -> Verdict {
        let (by, now) = (step.by, self.now());
        let (session, call) = self.called(by, caller, Method::PUT, "/api/v1/users/me/password");
        let who = session.map(|session| self.model.sessions[session].who);
        let current = self.password(by, who, current);
        let (typed, believed) = self.new_one(by, who, new);
        let passwords = (&*current, believed.as_deref());
        let verdict = session.map_or(Verdict::Refused, |it| self.model.change_password(it, passwords, now));
        let body = json!({ "current_password": current, "new_password": typed });
        let answer = self.answer(step, verdict, call.json(&body)).await;
        if let Verdict::Session(_) = verdict {
            self.passwords.push((who.unwrap(), typed));
            self.signed_in(by, verdict, &answer.json());
        }
        self.forgive(verdict, "DELETE FROM lockouts").await;
        verdict
    }

    pub(crate) async fn enrol(&mut self, step: &Step, caller: Caller) -> Verdict {
        let now = self.now();
        let (session, call) = self.called(step.by, caller, Method::POST, TOTP);
        let verdict = session.map_or(Verdict::Refused, |it| self.model.enrol(it, now));
        let answer = self.answer(step, verdict, call).await;
        if let (Verdict::Done, Some(session)) = (verdict, session)
            && let Some((secret, _)) = &mut self.model.sessions[session].pending
        {
            *secret = codes::secret(answer.json()["secret"].as_str().unwrap());
        }
        verdict
    }

    pub(crate) async fn confirm_factor(&mut self, step: &Step, caller: Caller, code: Code) -> Verdict {
        let (by, now) = (step.by, self.now());
        let caller = match caller {
            // The newest that waits for a code, if there is one.
            Caller::Living(0) => {
                let waits = self.model.sessions.iter().rev().position(|it| it.pending.is_some() && !it.ended);
                waits.map_or(caller, |pick| Caller::Any(pick, 0))
            }
            Caller::Living(_) | Caller::Any(..) | Caller::Cookie => caller,
        };
        let (session, call) = self.called(by, caller, Method::POST, CONFIRM);
        let who = session.map(|session| self.model.sessions[session].who);
        let pending = session.and_then(|session| self.model.sessions[session].pending.as_ref());
        let typed = match (code, pending) {
            (Code::Totp(Choice::Right, shift), Some((secret, _))) => {
                codes::code(secret, codes::step(now) + shift)
            }
            _ => self.code(by, who, code),
        };
        let verdict = session.map_or(Verdict::Refused, |it| self.model.confirm_factor(it, &typed, now));
        let answer = self.answer(step, verdict, call.json(&json!({ "code": typed }))).await;
        if let (Verdict::Session(_), Some(who)) = (verdict, who) {
            let body = answer.json();
            self.shown_codes(who, &body);
            self.signed_in(by, verdict, &body["auth"]);
        }
        verdict
    }

    pub(crate) fn shown_codes(&mut self, who: usize, body: &Value) {
        let codes = body["recovery_codes"].as_array().unwrap().iter();
        let codes: Vec<String> = codes.map(|code| code.as_str().unwrap().to_owned()).collect();
        self.recovery_codes.extend(codes.iter().map(|code| (who, code.clone())));
        self.model.accounts[who].recovery_codes = codes;
    }

    pub(crate) async fn replace_codes(&mut self, step: &Step, caller: Caller) -> Verdict {
        let now = self.now();
        let (session, call) = self.called(step.by, caller, Method::POST, CODES);
        let verdict = session.map_or(Verdict::Refused, |it| self.model.replace_codes(it, now));
        let answer = self.answer(step, verdict, call).await;
        if let (Verdict::Done, Some(session)) = (verdict, session) {
            self.shown_codes(self.model.sessions[session].who, &answer.json());
        }
        verdict
    }

    /// The operator's doing.
    pub(crate) async fn invite(&mut self) -> Option<Verdict> {
        let (now, guest) = (self.now(), Email::parse(GUEST).unwrap());
        let link = sign_up::invite(&self.app.app, guest, vec![USER.to_owned()]).await;
        assert_eq!(link.is_ok(), self.model.holder(GUEST).is_none());
        if let Ok(link) = link {
            self.model.invitations.iter_mut().for_each(|it| it.over = true);
            let token = link.url.expose().split_once("#token=").unwrap().1.to_owned();
            self.app.is_secret("invitation", &token);
            let (address, expires) = (GUEST.to_owned(), now.plus(3 * DAY));
            self.model.invitations.push(Invitation { address, expires, over: false, token });
        }
        None
    }

    pub(crate) async fn accept(&mut self, step: &Step, (token, new): (Choice, New)) -> Verdict {
        let (by, now) = (step.by, self.now());
        let invitations = &self.model.invitations;
        let pick = match token {
            Choice::Right => Some(0),
            Choice::Any(pick) => Some(pick),
            Choice::Empty => None,
        };
        let number = pick.and_then(|pick| nth(invitations, pick));
        let number = number.filter(|number| Self::may_know(by, 0) || invitations[*number].over);
        let token = number.map_or_else(|| nonsense("gpi_"), |number| invitations[number].token.clone());
        let (typed, believed) = self.new_one(by, None, new);
        let body = json!({ "token": token, "password": typed });
        let call = self.call(by, Method::POST, &format!("{AUTH}/accept-invitation")).json(&body);
        let verdict = self.model.accept(&token, believed.as_deref(), now);
        let answer = self.answer(step, verdict, call).await;
        if let Verdict::Session(number) = verdict {
            self.passwords.push((self.model.sessions[number].who, typed));
            self.signed_in(by, verdict, &answer.json());
        }
        verdict
    }

    /// Somebody guesses until the owner is told.
    pub(crate) async fn guess(&mut self, step: &Step, who: Pick) -> Verdict {
        let address = self.some_address(who);
        let body = json!({ "identifier": address, "password": "not the password of anybody" });
        for _ in 0..6 {
            let call = self.call(step.by, Method::POST, &format!("{AUTH}/login")).json(&body);
            self.conclude(step, Verdict::Refused, call).await;
        }
        self.model.alarm(&address, self.now());
        attempts::alert(self.app.db(), self.app.app.operator_act()).await.unwrap();
        recovery::answer_requests(&self.app.app).await.unwrap();
        for table in ["DELETE FROM lockouts", "DELETE FROM failure_alerts"] {
            self.app.execute(table, &[]).await;
        }
        Verdict::Done
    }
}
