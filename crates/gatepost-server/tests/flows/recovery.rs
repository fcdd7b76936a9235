//! The reference model, as far as it is about links and addresses.

use gatepost_kernel::Timestamp;

use crate::model::{Model, Verdict};
use crate::things::{Account, Kind, Link, Purpose};

impl Model {
    /// The newest link of a purpose is the only one; of those that take an address back, the newest for each address.
    pub(crate) fn mail(&mut self, who: usize, purpose: Purpose, address: &str, now: Timestamp) {
        let replaced = |link: &&mut Link| {
            link.who == who
                && link.purpose == purpose
                && (purpose != Purpose::Undo || link.address == address)
        };
        self.links.iter_mut().filter(replaced).for_each(|it| it.over = true);
        let address = address.to_owned();
        self.links.push(Link { who, purpose, address, made: now, over: false, token: None });
    }

    /// Whether another account may yet take this address back.
    fn is_reserved(&self, address: &str, but: Option<usize>, now: Timestamp) -> bool {
        let takes_back = |link: &Link| {
            link.purpose == Purpose::Undo
                && link.address == address
                && link.works(now)
                && Some(link.who) != but
        };
        self.links.iter().any(takes_back)
    }

    pub(crate) fn is_free(&self, address: &str, but: Option<usize>, now: Timestamp) -> bool {
        self.holder(address).is_none_or(|holder| Some(holder) == but) && !self.is_reserved(address, but, now)
    }

    fn forget_links(&mut self, who: usize, which: impl Fn(&Link) -> bool) {
        self.links.iter_mut().filter(|it| it.who == who && which(it)).for_each(|it| it.over = true);
    }

    /// Everybody hears the same; the mailbox of an account gets a link.
    pub(crate) fn forgot(&mut self, address: &str, now: Timestamp) -> Verdict {
        if let Some(who) = self.holder(address) {
            self.mail(who, Purpose::Reset, address, now);
        }
        Verdict::Done
    }

    pub(crate) fn resend(&mut self, address: &str, now: Timestamp) -> Verdict {
        if let Some(who) = self.holder(address).filter(|who| !self.accounts[*who].verified) {
            self.mail(who, Purpose::Verify, address, now);
        }
        Verdict::Done
    }

    /// Many have failed to guess a password.
    pub(crate) fn alarm(&mut self, address: &str, now: Timestamp) {
        if let Some(who) = self.holder(address) {
            self.mail(who, Purpose::Secure, address, now);
        }
    }

    pub(crate) fn change_email(&mut self, session: usize, new: &str, now: Timestamp) -> Verdict {
        if !self.is_fresh(session, now) {
            return Verdict::Refused;
        }
        let who = self.sessions[session].who;
        let (present, verified) = (self.accounts[who].address.clone(), self.accounts[who].verified);
        if verified {
            self.mail(who, Purpose::Undo, &present, now);
        }
        self.mail(who, Purpose::Confirm, new, now);
        Verdict::Done
    }

    /// Somebody presents a link at the door of this purpose; at that of a reset with a password that is good or not.
    pub(crate) fn present(
        &mut self,
        purpose: Purpose,
        token: &str,
        password: Option<&str>,
        now: Timestamp,
    ) -> Verdict {
        let is_it = |link: &Link| link.purpose == purpose && link.token.as_deref() == Some(token);
        let Some(number) = self.links.iter().position(|link| is_it(link) && link.works(now)) else {
            return Verdict::Refused;
        };
        let Link { who, ref address, made, .. } = self.links[number];
        let address = address.clone();
        let done = match purpose {
            Purpose::Verify => {
                self.forget_links(who, |it| it.purpose == Purpose::Confirm);
                self.accounts[who].verified = true;
                true
            }
            Purpose::Reset => self.reset(who, password),
            Purpose::Confirm => {
                let free = self.is_free(&address, Some(who), now);
                if free {
                    self.forget_links(who, |it| it.purpose != Purpose::Undo);
                }
                self.move_to(who, &address, free)
            }
            Purpose::Undo => {
                let free = self.holder(&address).is_none_or(|holder| holder == who);
                if free {
                    self.forget_links(who, |it| it.purpose == Purpose::Undo && it.made >= made);
                    self.lock(who, &address, now);
                }
                self.move_to(who, &address, free)
            }
            Purpose::Secure => {
                self.lock(who, &address, now);
                true
            }
        };
        if !done {
            return Verdict::Refused;
        }
        self.links[number].over = true;
        Verdict::Done
    }

    /// Nobody who is in stays in, and a link to set another password is mailed.
    fn lock(&mut self, who: usize, address: &str, now: Timestamp) {
        self.accounts[who].password = None;
        self.end_everything(who);
        self.forget_links(who, |it| it.purpose != Purpose::Undo);
        self.mail(who, Purpose::Reset, address, now);
    }

    fn reset(&mut self, who: usize, password: Option<&str>) -> bool {
        let Account { verified, ref former, .. } = self.accounts[who];
        let was_used = |new: &str| verified && former.iter().any(|it| it == new);
        let Some(new) = password.filter(|new| !was_used(new)) else { return false };
        if !verified {
            // Whatever is there may be somebody's who does not read this mailbox.
            self.accounts[who].verified = true;
            self.accounts[who].former.clear();
            self.forget_factor(who);
            self.forget_links(who, |_| true);
        }
        self.end_everything(who);
        self.forget_links(who, |it| it.purpose != Purpose::Undo);
        self.set_password(who, new);
        true
    }

    fn move_to(&mut self, who: usize, address: &str, free: bool) -> bool {
        if free {
            address.clone_into(&mut self.accounts[who].address);
            self.accounts[who].verified = true;
        }
        free
    }

    pub(crate) fn accept(&mut self, token: &str, password: Option<&str>, now: Timestamp) -> Verdict {
        let works = |at: &usize| {
            let invitation = &self.invitations[*at];
            !invitation.over && invitation.token == token && now < invitation.expires
        };
        let Some(number) = (0..self.invitations.len()).find(works) else { return Verdict::Refused };
        let address = self.invitations[number].address.clone();
        let Some(password) = password.filter(|_| self.is_free(&address, None, now)) else {
            return Verdict::Refused;
        };
        self.invitations[number].over = true;
        let who = self.join(&address, true);
        self.set_password(who, password);
        self.open(who, Kind::Tokens, None, now)
    }

    /// A new account without a password.
    pub(crate) fn join(&mut self, address: &str, verified: bool) -> usize {
        self.accounts.push(Account {
            address: address.to_owned(),
            verified,
            password: None,
            former: Vec::new(),
            factor: None,
            recovery_codes: Vec::new(),
            deleted: false,
        });
        self.accounts.len() - 1
    }
}
