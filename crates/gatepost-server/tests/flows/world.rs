//! The server and the model of it, side by side.

use std::collections::BTreeMap;
use std::time::Duration;

use gatepost_kernel::Timestamp;
use gatepost_testkit::{Answer, Browser, Call, TestApp};
use http::header::COOKIE;
use http::{HeaderName, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::actions::name;
use crate::model::{Model, Verdict};
use crate::rows::{Fact, Rows, line};
use crate::step::{Action, Beginning, Caller, Choice, Code, New, Pick, Step};
use crate::things::{Client, Kind, Link, Purpose};

pub(crate) const ADA: usize = 0;
pub(crate) const EVE: usize = 2;
/// Eve has an account and a mailbox of her own and a browser, and knows nothing else that is secret. She has seen every
/// challenge, and everything that is spent.
const EVES_BROWSER: usize = 3;
/// The clients: two programs and two browsers. All but Eve's show any secret that was ever seen.
pub(crate) const PROGRAMS: [bool; 4] = [true, false, true, false];

pub(crate) const HOMES: [&str; 3] = ["ada@example.com", "bob@example.com", "eve@example.com"];
/// Addresses that accounts move to, in the order of those who may: everybody's but Eve's, and Eve's.
pub(crate) const MOVES: [&[&str]; 2] = [
    &["ada.new@example.org", "ada@example.com", "bob@example.com", "bob.new@example.org"],
    &["eve.new@example.org", "eve@example.com", "ada@example.com"],
];
pub(crate) const GUEST: &str = "guest@example.net";

const ME: &str = "/api/v1/users/me";
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// How often steps of one name were taken, and how often each came to something.
pub(crate) type Tally = BTreeMap<&'static str, (u64, u64)>;

pub(crate) struct World<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) model: Model,
    /// The ids of the accounts, in the order of the model's.
    pub(crate) ids: Vec<Uuid>,
    /// The cookies of each client.
    jars: Vec<Option<Browser>>,
    pre: Vec<Option<String>>,
    /// Every recovery code that was ever shown, and whose it was.
    pub(crate) recovery_codes: Vec<(usize, String)>,
    /// Every password that an account ever had.
    pub(crate) passwords: Vec<(usize, String)>,
    /// How many passwords were made up.
    made_up: usize,
    facts: Vec<Fact>,
    pub(crate) tally: Tally,
    pub(crate) requests: u64,
}

/// The newest but so many.
pub(crate) fn nth<T>(things: &[T], back: Pick) -> Option<usize> {
    things.len().checked_sub(1).map(|last| last - back % things.len())
}

/// A secret of the right shape that nobody has.
pub(crate) fn nonsense(prefix: &str) -> String {
    format!("{prefix}{}", "A".repeat(43))
}

impl<'a> World<'a> {
    /// Three users who have just registered, and may have verified their addresses and enrolled an authenticator.
    pub(crate) async fn begin(app: &'a TestApp, beginnings: &[Beginning; 3]) -> Self {
        for table in
            ["DELETE FROM users", "DELETE FROM invitations", "DELETE FROM outbox", "DELETE FROM lockouts"]
        {
            app.execute(table, &[]).await;
        }
        let clients = PROGRAMS.map(|is_program| Client { is_program, ..Client::default() });
        let mut world = Self {
            app,
            model: Model { clients: clients.into(), ..Model::default() },
            ids: Vec::new(),
            jars: vec![None; 4],
            pre: vec![None; 4],
            recovery_codes: Vec::new(),
            passwords: Vec::new(),
            made_up: 0,
            facts: Vec::new(),
            tally: Tally::new(),
            requests: 0,
        };
        for (home, Beginning { verified, factor }) in HOMES.into_iter().zip(beginnings) {
            let password = world.new_password();
            let body = json!({ "email": home, "password": password });
            let answer = world.send(app.post("/api/v1/auth/register").json(&body)).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            let who = world.model.join(home, false);
            world.set_password(who, &password);
            world.model.mail(who, Purpose::Verify, home, app.clock.now());
            let opened = world.model.open(who, Kind::Tokens, None, app.clock.now());
            world.signed_in(0, opened, &answer.json());
            world.look("the beginning").await;
            let mut first = Vec::new();
            if *verified {
                first.push(Action::Present(Purpose::Verify, Choice::Right, New::Fresh));
            }
            if *factor {
                let code = Code::Totp(Choice::Right, 0);
                first.extend([
                    Action::Enrol(Caller::Living(0)),
                    Action::ConfirmFactor(Caller::Living(0), code),
                ]);
            }
            for action in first {
                world.take(&Step { by: 0, action }).await;
            }
        }
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    pub(crate) async fn send(&mut self, call: Call) -> Answer {
        self.requests += 1;
        // On the heap, because a walk is deep in the stack already.
        Box::pin(call.send()).await
    }

    pub(crate) fn new_password(&mut self) -> String {
        self.made_up += 1;
        format!("CANARY lighthouse {} above the reef", self.made_up)
    }

    fn set_password(&mut self, who: usize, password: &str) {
        self.model.set_password(who, password);
        self.passwords.push((who, password.to_owned()));
    }

    /// Keeps the secrets that a sign-in answered.
    pub(crate) fn signed_in(&mut self, by: usize, verdict: Verdict, auth: &Value) {
        let Verdict::Session(number) = verdict else { panic!("no session: {verdict:?}") };
        let now = self.now();
        let session = &mut self.model.sessions[number];
        assert!(by != EVES_BROWSER || session.who == EVE, "Eve is signed in as somebody else");
        if self.ids.len() == session.who {
            self.ids.push(auth["user"]["id"].as_str().unwrap().parse().unwrap());
        }
        assert_eq!(auth["user"]["id"], self.ids[session.who].to_string(), "signed in as somebody else");
        if session.kind == Kind::Tokens {
            let life = Duration::from_secs(auth["expires_in"].as_u64().unwrap());
            session.access.push((auth["access_token"].as_str().unwrap().to_owned(), now.plus(life)));
            let refresh = auth["refresh_token"].as_str().unwrap().to_owned();
            if !session.refresh.contains(&refresh) {
                session.refresh.push(refresh);
            }
        } else {
            self.model.clients[by].session = Some(number);
        }
    }

    /// A request of a client: browsers say which page it comes from, and send their cookies.
    pub(crate) fn call(&self, by: usize, method: Method, path: &str) -> Call {
        let call = self.app.call(method, path);
        if PROGRAMS[by] {
            return call;
        }
        let mut cookies: Vec<String> = self.pre[by].iter().map(|value| format!("pre={value}")).collect();
        if let Some(Browser { cookie, csrf }) = &self.jars[by] {
            cookies.push(format!("sid={cookie}; csrf={csrf}"));
        }
        let call = call.header(SITE, "same-origin");
        if cookies.is_empty() { call } else { call.header(COOKIE, &cookies.join("; ")) }
    }

    pub(crate) fn keep_cookies(&mut self, by: usize, answer: &Answer) {
        if PROGRAMS[by] {
            return;
        }
        match (answer.cookie("sid"), answer.cookie("csrf")) {
            (Some(cookie), Some(csrf)) if !cookie.is_empty() => {
                self.jars[by] = Some(Browser { cookie, csrf });
            }
            (Some(_), _) => self.jars[by] = None,
            (None, _) => {}
        }
        if let Some(pre) = answer.cookie("pre") {
            self.pre[by] = Some(pre).filter(|value| !value.is_empty());
        }
    }

    /// Who may be told what Eve may not.
    pub(crate) fn may_know(by: usize, owner: usize) -> bool {
        by != EVES_BROWSER || owner == EVE
    }

    /// The session behind a call, as the model knows it, and the call itself.
    pub(crate) fn called(
        &mut self,
        by: usize,
        who: Caller,
        method: Method,
        path: &str,
    ) -> (Option<usize>, Call) {
        let call = self.call(by, method, path);
        let now = self.now();
        let named = match who {
            Caller::Cookie => return (self.touched(self.model.clients[by].session), call),
            Caller::Living(pick) => {
                let known = |at: &usize| {
                    Self::may_know(by, self.model.sessions[*at].who) && self.model.lives(*at, now)
                };
                let living: Vec<_> = (0..self.model.sessions.len()).filter(known).collect();
                nth(&living, pick).map(|at| (living[at], 0))
            }
            Caller::Any(pick, age) => nth(&self.model.sessions, pick)
                .filter(|session| Self::may_know(by, self.model.sessions[*session].who))
                .map(|session| (session, age)),
        };
        let named = named.and_then(|(session, age)| {
            let access = &self.model.sessions[session].access;
            nth(access, age).map(|at| (session, access[at].clone()))
        });
        let (session, token, expires) = match named {
            Some((session, (token, expires))) => (Some(session), token, expires),
            None => (None, nonsense("none."), now),
        };
        (session.filter(|_| now < expires), call.bearer(&token))
    }

    fn touched(&mut self, session: Option<usize>) -> Option<usize> {
        let now = self.now();
        session.inspect(|session| self.model.touch(*session, now))
    }

    /// Takes a step, and holds what comes of it against the model.
    pub(crate) async fn take(&mut self, step: &Step) {
        // No two things happen at the same time.
        self.app.clock.advance(Duration::from_secs(1));
        let facts = std::mem::take(&mut self.facts);
        let Some(verdict) = Box::pin(self.act(step)).await else {
            self.facts = facts;
            return self.look(&format!("{step:?}")).await;
        };
        let taken = self.tally.entry(name(&step.action)).or_default();
        taken.0 += 1;
        taken.1 += u64::from(!matches!(verdict, Verdict::Refused | Verdict::Theft));
        self.look(&format!("{step:?}")).await;
        if verdict == Verdict::Refused {
            assert_eq!(self.facts, facts, "{step:?} was refused, and something has changed");
        }
        if step.by == EVES_BROWSER {
            let eve = self.ids[EVE];
            // Anybody may ask for a link, which then is in the mailbox of its owner.
            let of_others = |facts: &[Fact]| -> Vec<Fact> {
                let others = facts.iter().filter(|it| it.user != eve && it.table != "mail_links");
                others.cloned().collect()
            };
            assert_eq!(
                of_others(&self.facts),
                of_others(&facts),
                "{step:?} of Eve's changed what is not hers"
            );
        }
    }

    /// Compares the database with the model, and reads the mails.
    async fn look(&mut self, after: &str) {
        let rows = Rows::read(self.app).await;
        let now = self.now();
        let mut expected = Vec::new();
        for (who, account) in self.model.accounts.iter().enumerate().filter(|(_, account)| !account.deleted) {
            let id = self.ids[who];
            let (password, factor) = (account.password.is_some(), account.factor.is_some());
            let codes = i64::try_from(account.recovery_codes.len()).unwrap();
            expected.push((id, line::account(&account.address, account.verified, password, factor, codes)));
        }
        for it in self.model.sessions.iter().filter(|it| !it.ended && it.is_within_its_life(now)) {
            let at = Timestamp::as_micros;
            let line =
                line::session(it.kind.name(), at(it.begun), at(it.used), at(it.proven), it.second.map(at));
            expected.push((self.ids[it.who], line));
        }
        for it in self.model.challenges.iter().filter(|it| !it.over && now < it.expires) {
            expected.push((self.ids[it.who], line::challenge(it.failures.into(), it.expires.as_micros())));
        }
        for it in self.model.links.iter().filter(|it| it.works(now)) {
            expected.push((self.ids[it.who], line::link(it.purpose.name(), &it.address, it.made)));
        }
        expected.sort();
        assert_eq!(rows.lines, expected, "the server and the model disagree after {after}");
        for mail in &rows.mails {
            let is_it = |link: &&mut Link| {
                link.purpose.name().replace('_', "-") == mail.page
                    && link.address == mail.to
                    && link.token.is_none()
                    && link.made == now
            };
            match self.model.links.iter_mut().rev().find(is_it) {
                Some(link) => link.token = Some(mail.token.clone()),
                None => assert_eq!(mail.page, "accept-invitation", "a link to {} that nobody owes", mail.to),
            }
        }
        if rows.owed > 0 {
            // How many mails an address gets is another case.
            self.app.execute("DELETE FROM outbox", &[]).await;
        }
        self.facts = rows.facts;
        self.who_is_signed_in(after).await;
    }

    /// Asks the server who is behind a cookie and a token.
    async fn who_is_signed_in(&mut self, after: &str) {
        let now = self.now();
        let turn = usize::try_from(self.requests).unwrap();
        let by = if turn.is_multiple_of(2) { 1 } else { EVES_BROWSER };
        if self.jars[by].is_some() {
            let session = self.touched(self.model.clients[by].session);
            let call = self.call(by, Method::GET, ME);
            self.is_behind(session, call, after).await;
        }
        if let Some(number) = nth(&self.model.sessions, turn / 2 % 5)
            && let Some((token, expires)) = self.model.sessions[number].access.last().cloned()
        {
            let call = self.app.get(ME).bearer(&token);
            self.is_behind(Some(number).filter(|_| now < expires), call, after).await;
        }
    }

    async fn is_behind(&mut self, session: Option<usize>, call: Call, after: &str) {
        let now = self.now();
        let answer = self.send(call).await;
        let who = session.filter(|session| self.model.lives(*session, now));
        let expected = who.map(|session| self.ids[self.model.sessions[session].who].to_string());
        let found = (answer.status == 200).then(|| answer.json()["id"].as_str().unwrap().to_owned());
        assert_eq!(found, expected, "somebody else is signed in after {after}: {}", answer.text());
    }
}
