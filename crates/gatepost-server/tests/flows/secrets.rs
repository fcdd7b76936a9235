//! The secrets of a walk: which a step means, and whether Eve knows it.

use crate::codes;
use crate::step::{Choice, Code, New, Pick};
use crate::things::{Link, Purpose};
use crate::world::{ADA, EVE, MOVES, PROGRAMS, World, nonsense, nth};

impl World<'_> {
    /// A password for this account.
    pub(crate) fn password(&self, by: usize, who: Option<usize>, choice: Choice) -> String {
        let accounts = &self.model.accounts;
        let found = match choice {
            Choice::Right => who.and_then(|who| Some((who, accounts[who].password.clone()?))),
            Choice::Any(pick) => nth(&self.passwords, pick).map(|at| self.passwords[at].clone()),
            Choice::Empty => None,
        };
        let is_spent = |(who, text): &(usize, String)| accounts[*who].password.as_ref() != Some(text);
        let found = found.filter(|it| Self::may_know(by, it.0) || is_spent(it));
        let wrong = if let Choice::Empty = choice { "" } else { "not the password of anybody" };
        found.map_or_else(|| wrong.to_owned(), |(_, text)| text)
    }

    /// The new password, and what the model is to think of it: a weak one is none.
    pub(crate) fn new_one(&mut self, by: usize, who: Option<usize>, new: New) -> (String, Option<String>) {
        let former = who.filter(|who| Self::may_know(by, *who)).map(|who| &self.model.accounts[who].former);
        let text = match new {
            New::Fresh => self.new_password(),
            New::Former(pick) => match former.and_then(|former| Some(former[nth(former, pick)?].clone())) {
                Some(text) => text,
                None => self.new_password(),
            },
            New::Weak => return ("password1234".to_owned(), None),
        };
        (text.clone(), Some(text))
    }

    /// A code for this account.
    pub(crate) fn code(&self, by: usize, who: Option<usize>, code: Code) -> String {
        let who = who.filter(|who| Self::may_know(by, *who));
        let other =
            |pick: Pick| Some(pick % self.model.accounts.len()).filter(|who| Self::may_know(by, *who));
        let found = match code {
            Code::Totp(choice, shift) => {
                let of = match choice {
                    Choice::Right => who,
                    Choice::Any(pick) => other(pick),
                    Choice::Empty => None,
                };
                let factor = of.and_then(|who| self.model.accounts[who].factor.as_ref());
                factor.map(|factor| codes::code(&factor.secret, codes::step(self.now()) + shift))
            }
            Code::Recovery(Choice::Right) => {
                who.and_then(|who| self.model.accounts[who].recovery_codes.first().cloned())
            }
            Code::Recovery(Choice::Any(pick)) => {
                let (of, code) =
                    nth(&self.recovery_codes, pick).map(|at| self.recovery_codes[at].clone()).unzip();
                let known = of.is_some_and(|of| {
                    Self::may_know(by, of)
                        || !self.model.accounts[of].recovery_codes.contains(code.as_ref().unwrap())
                });
                code.filter(|_| known)
            }
            Code::Recovery(Choice::Empty) => None,
        };
        found.unwrap_or_default()
    }

    /// A challenge: one that this client can answer, or any. Eve has seen them all.
    pub(crate) fn challenge(&self, by: usize, choice: Choice) -> Option<usize> {
        let challenges = &self.model.challenges;
        match choice {
            Choice::Right if PROGRAMS[by] => {
                let of_programs = |open: bool| {
                    challenges.iter().rposition(|it| it.browser.is_none() && (!open || !it.over))
                };
                of_programs(true).or_else(|| of_programs(false))
            }
            Choice::Right => self.model.clients[by].challenge,
            Choice::Any(pick) => nth(challenges, pick),
            Choice::Empty => None,
        }
    }

    /// The token of a link: one that works at this door, or any.
    pub(crate) fn link(&self, by: usize, purpose: Purpose, choice: Choice) -> (Option<usize>, String) {
        let links = &self.model.links;
        let now = self.now();
        let works = |link: &&Link| link.purpose == purpose && link.works(now) && link.token.is_some();
        let found = match choice {
            Choice::Right => {
                let did = |link: &&Link| link.purpose == purpose && link.token.is_some();
                links.iter().rev().find(works).or_else(|| links.iter().rev().find(did))
            }
            Choice::Any(pick) => nth(links, pick).map(|at| &links[at]),
            Choice::Empty => return (None, String::new()),
        };
        let known = |link: &&Link| Self::may_know(by, owner_of(&link.address)) || !link.works(now);
        let found = found.filter(known).and_then(|link| Some((link.who, link.token.clone()?)));
        found.map_or_else(|| (None, nonsense("gpl_")), |(who, token)| (Some(who), token))
    }
}

/// Who reads a mailbox.
fn owner_of(address: &str) -> usize {
    if MOVES[1][..2].contains(&address) { EVE } else { ADA }
}
