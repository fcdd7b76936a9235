//! The reference model: what must be true of accounts, sessions, challenges and links, told as plainly as possible.
//!
//! Every method is one request. It says what must come of it and changes the model accordingly; nothing in it knows how the
//! server does it. Secrets are known to the model because the walk hands them over once the server has made them.

use std::time::Duration;

use gatepost_kernel::Timestamp;

use crate::codes::{self, Secret};
use crate::things::{Account, Challenge, Client, Factor, Invitation, Kind, Link, MINUTE, Session, Shown};

/// How long a proof of identity is fresh, and how long an authenticator waits for its first code.
const TEN_MINUTES: Duration = Duration::from_secs(600);
/// How many former passwords are refused.
const HISTORY: usize = 5;

/// What must come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing, and nothing has changed.
    Refused,
    /// Nothing, and a session has ended: somebody used a token that was replaced long ago.
    Theft,
    /// It is done.
    Done,
    /// The password was right, and this challenge waits for the second factor.
    Challenge(usize),
    /// This session is signed in, or goes on with new secrets.
    Session(usize),
}

/// Everything that there is.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) accounts: Vec<Account>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) challenges: Vec<Challenge>,
    pub(crate) links: Vec<Link>,
    pub(crate) invitations: Vec<Invitation>,
    pub(crate) clients: Vec<Client>,
}

impl Model {
    /// Who has this address.
    pub(crate) fn holder(&self, address: &str) -> Option<usize> {
        self.accounts.iter().position(|account| !account.deleted && account.address == address)
    }

    pub(crate) fn lives(&self, session: usize, now: Timestamp) -> bool {
        let session = &self.sessions[session];
        !session.ended && now < session.used.plus(session.kind.limits().0) && session.is_within_its_life(now)
    }

    /// Whether the user of a session has shown who they are a short while ago: with the second factor if there is one.
    pub(crate) fn is_fresh(&self, session: usize, now: Timestamp) -> bool {
        let Session { who, proven, second, .. } = self.sessions[session];
        let shown = if self.accounts[who].factor.is_some() { second } else { Some(proven) };
        self.lives(session, now) && shown.is_some_and(|at| now.since(at) <= TEN_MINUTES)
    }

    /// Notes that a cookie was used.
    pub(crate) fn touch(&mut self, session: usize, now: Timestamp) {
        if self.lives(session, now) && self.sessions[session].kind != Kind::Tokens {
            let used = &mut self.sessions[session].used;
            *used = if now.since(*used) >= MINUTE { now } else { *used };
        }
    }

    pub(crate) fn open(
        &mut self,
        who: usize,
        kind: Kind,
        second: Option<Timestamp>,
        now: Timestamp,
    ) -> Verdict {
        self.sessions.push(Session {
            who,
            kind,
            ended: false,
            begun: now,
            used: now,
            proven: now,
            second,
            pending: None,
            refresh: Vec::new(),
            access: Vec::new(),
        });
        Verdict::Session(self.sessions.len() - 1)
    }

    /// The end of everything that the account's credentials have opened so far.
    pub(crate) fn end_everything(&mut self, who: usize) {
        self.sessions.iter_mut().filter(|it| it.who == who).for_each(|it| it.ended = true);
        self.challenges.iter_mut().filter(|it| it.who == who).for_each(|it| it.over = true);
        let dead = |link: &&mut Link| link.who == who && link.purpose.ends_with_the_password();
        self.links.iter_mut().filter(dead).for_each(|it| it.over = true);
    }

    pub(crate) fn set_password(&mut self, who: usize, password: &str) {
        let account = &mut self.accounts[who];
        account.password = Some(password.to_owned());
        account.former.insert(0, password.to_owned());
        account.former.truncate(HISTORY);
    }

    fn has_password(&self, who: usize, typed: &str) -> bool {
        self.accounts[who].password.as_deref() == Some(typed)
    }

    /// The first step of a sign-in. Of a page, which may ask for a cookie, or of anybody.
    pub(crate) fn login(
        &mut self,
        (client, kind, by_form): (usize, Kind, bool),
        (address, password): (&str, &str),
        now: Timestamp,
    ) -> Verdict {
        let is_program = self.clients[client].is_program;
        if is_program && kind != Kind::Tokens {
            return Verdict::Refused;
        }
        let Some(who) = self.holder(address).filter(|who| self.has_password(*who, password)) else {
            return Verdict::Refused;
        };
        if self.accounts[who].factor.is_none() {
            return self.open(who, kind, None, now);
        }
        let number = self.challenges.len();
        let browser = (!is_program && !by_form).then_some(client);
        if browser.is_some() {
            self.clients[client].challenge = Some(number);
        }
        let (expires, token) = (now.plus(5 * MINUTE), String::new());
        self.challenges.push(Challenge { who, kind, browser, expires, failures: 0, over: false, token });
        Verdict::Challenge(number)
    }

    /// The second step: from the client that made the first, in time, once, and with a code that is good.
    pub(crate) fn second_step(
        &mut self,
        (client, challenge): (usize, Option<usize>),
        shown: &Shown,
        now: Timestamp,
    ) -> Verdict {
        let Some(number) = challenge else { return Verdict::Refused };
        let Challenge { who, kind, browser, expires, failures, over, .. } = self.challenges[number];
        let began_it = match browser {
            None => self.clients[client].is_program,
            Some(_) => self.clients[client].challenge == Some(number),
        };
        if over || failures >= 5 || now >= expires || !began_it {
            return Verdict::Refused;
        }
        if !self.is_good(who, shown, now) {
            self.challenges[number].failures += 1;
            return Verdict::Refused;
        }
        self.challenges[number].over = true;
        self.clients[client].challenge = None;
        self.open(who, kind, Some(now), now)
    }

    /// Whether a code is good for this account, once.
    pub(crate) fn is_good(&mut self, who: usize, shown: &Shown, now: Timestamp) -> bool {
        let account = &mut self.accounts[who];
        let Some(factor) = &mut account.factor else { return false };
        if !shown.totp {
            let found = account.recovery_codes.iter().position(|code| *code == shown.code);
            return found.map(|at| account.recovery_codes.remove(at)).is_some();
        }
        let step = step_of(&factor.secret, &shown.code, now).filter(|step| *step > factor.used);
        factor.used = step.unwrap_or(factor.used);
        step.is_some()
    }

    /// A proof in a session that goes on: the password, unless there is a second factor.
    pub(crate) fn step_up(&mut self, session: usize, shown: Result<&str, &Shown>, now: Timestamp) -> Verdict {
        let who = self.sessions[session].who;
        let has_factor = self.accounts[who].factor.is_some();
        let proven = self.lives(session, now)
            && match shown {
                Ok(password) => !has_factor && self.has_password(who, password),
                Err(shown) => self.is_good(who, shown, now),
            };
        if !proven {
            return Verdict::Refused;
        }
        let session = &mut self.sessions[session];
        session.proven = now;
        session.second = if shown.is_err() { Some(now) } else { session.second };
        Verdict::Done
    }

    /// The newest refresh token brings the next one, its parent the same for ten seconds, an older one the end.
    pub(crate) fn refresh(&mut self, session: usize, token: usize, now: Timestamp) -> Verdict {
        let lives = self.lives(session, now);
        let it = &mut self.sessions[session];
        let newest = it.refresh.len() - 1;
        if !lives {
            return Verdict::Refused;
        }
        if token == newest {
            it.used = now;
            return Verdict::Session(session);
        }
        if token + 1 == newest && now.since(it.used) <= Duration::from_secs(10) {
            return Verdict::Session(session);
        }
        it.ended = true;
        Verdict::Theft
    }

    pub(crate) fn change_password(
        &mut self,
        session: usize,
        (current, new): (&str, Option<&str>),
        now: Timestamp,
    ) -> Verdict {
        let Session { who, kind, second, .. } = self.sessions[session];
        let has_factor = self.accounts[who].factor.is_some();
        let may = self.lives(session, now) && (!has_factor || self.is_fresh(session, now));
        let Some(new) = new.filter(|new| !self.accounts[who].former.iter().any(|it| it == new)) else {
            return Verdict::Refused;
        };
        if !may || !self.has_password(who, current) {
            return Verdict::Refused;
        }
        self.end_everything(who);
        self.set_password(who, new);
        self.open(who, kind, second.filter(|_| has_factor), now)
    }

    pub(crate) fn enrol(&mut self, session: usize, now: Timestamp) -> Verdict {
        let has_factor = self.accounts[self.sessions[session].who].factor.is_some();
        if has_factor || !self.is_fresh(session, now) {
            return Verdict::Refused;
        }
        self.sessions[session].pending = Some((Secret::new(), now.plus(TEN_MINUTES)));
        Verdict::Done
    }

    pub(crate) fn confirm_factor(&mut self, session: usize, code: &str, now: Timestamp) -> Verdict {
        let Session { who, kind, ref pending, .. } = self.sessions[session];
        let may = self.is_fresh(session, now) && self.accounts[who].factor.is_none();
        let Some((secret, _)) = pending.clone().filter(|(_, until)| may && now < *until) else {
            return Verdict::Refused;
        };
        let Some(used) = step_of(&secret, code, now) else { return Verdict::Refused };
        self.end_everything(who);
        self.accounts[who].factor = Some(Factor { secret, used });
        self.open(who, kind, Some(now), now)
    }

    pub(crate) fn remove_factor(&mut self, session: usize, now: Timestamp) -> Verdict {
        let who = self.sessions[session].who;
        if self.accounts[who].factor.is_none() || !self.is_fresh(session, now) {
            return Verdict::Refused;
        }
        self.forget_factor(who);
        let others = self.sessions.iter_mut().enumerate().filter(|(at, it)| *at != session && it.who == who);
        others.for_each(|(_, it)| it.ended = true);
        Verdict::Done
    }

    pub(crate) fn forget_factor(&mut self, who: usize) {
        self.accounts[who].factor = None;
        self.accounts[who].recovery_codes.clear();
        self.challenges.iter_mut().filter(|it| it.who == who).for_each(|it| it.over = true);
    }

    /// The walk hands over the new codes.
    pub(crate) fn replace_codes(&mut self, session: usize, now: Timestamp) -> Verdict {
        let has_factor = self.accounts[self.sessions[session].who].factor.is_some();
        if has_factor && self.is_fresh(session, now) { Verdict::Done } else { Verdict::Refused }
    }

    pub(crate) fn delete_account(&mut self, session: usize, now: Timestamp) -> Verdict {
        let who = self.sessions[session].who;
        if !self.is_fresh(session, now) {
            return Verdict::Refused;
        }
        self.end_everything(who);
        self.links.iter_mut().filter(|it| it.who == who).for_each(|it| it.over = true);
        self.accounts[who].deleted = true;
        Verdict::Done
    }
}

/// The newest step around now whose code this is.
fn step_of(secret: &Secret, code: &str, now: Timestamp) -> Option<i64> {
    let now = codes::step(now);
    (now - 1..=now + 1).rev().find(|step| codes::code(secret, *step) == code)
}
