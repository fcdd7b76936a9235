//! What happens next, in a walk. A step names secrets by their place among all that were ever seen, the newest first, so
//! that it can be taken in any state; what it means there is for [`World`](crate::world::World) to find out.

use std::time::Duration;

use proptest::prelude::*;

use crate::things::{DAY, Kind, MINUTE, Purpose};

/// A place among things of one sort, counted back from the newest.
pub(crate) type Pick = usize;

/// How a secret is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    /// The one that fits; if there is none any more, the one that did.
    Right,
    /// Any that was ever seen: spent, replaced or somebody else's.
    Any(Pick),
    /// None.
    Empty,
}

/// Who calls an operation that wants somebody signed in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller {
    /// Whoever the client's cookie says.
    Cookie,
    /// A session that lives, with its newest access token.
    Living(Pick),
    /// Any session, with the access token that it got so many times ago.
    Any(Pick, Pick),
}

/// What is shown as a second factor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Code {
    /// What an authenticator shows so many steps from now: of the account in question or of another one.
    Totp(Choice, i64),
    /// A recovery code: one that is good, or any.
    Recovery(Choice),
}

/// A new password.
#[derive(Clone, Copy, Debug)]
pub(crate) enum New {
    Fresh,
    /// One that the account has, or had.
    Former(Pick),
    Weak,
}

/// Which door a password is shown at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    Api(Kind),
    Form,
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    Wait(Duration),
    Login(Door, Pick, Choice),
    SecondStep {
        challenge: Choice,
        totp: bool,
        code: Code,
    },
    StepUpWithPassword(Caller, Choice),
    StepUpWithCode {
        caller: Caller,
        totp: bool,
        code: Code,
    },
    Refresh(Pick, Pick),
    Logout(Caller),
    LogoutByRefresh(Pick, Pick),
    Register(Pick),
    Forgot(Pick),
    Resend(Pick),
    Present(Purpose, Choice, New),
    ChangeEmail(Caller, Pick),
    ChangePassword(Caller, Choice, New),
    Enrol(Caller),
    ConfirmFactor(Caller, Code),
    RemoveFactor(Caller),
    ReplaceCodes(Caller),
    Invite,
    Accept(Choice, New),
    Guess(Pick),
    /// A form without a field, at the door of this number.
    Nothing(Caller, Pick),
    Delete(Caller),
}

/// What an account is at the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    pub(crate) verified: bool,
    pub(crate) factor: bool,
}

/// An action, and which client takes it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) by: Pick,
    pub(crate) action: Action,
}

/// A walk: what the three accounts are, and what happens then.
pub(crate) fn walks() -> impl Strategy<Value = ([Beginning; 3], Vec<Step>)> {
    let account =
        (any::<bool>(), any::<bool>()).prop_map(|(verified, factor)| Beginning { verified, factor });
    let one = step().prop_map(|step| vec![step]).boxed();
    let scenes = prop::collection::vec(prop_oneof![5 => one, 2 => interrupted()], 15..80);
    (prop::array::uniform3(account), scenes.prop_map(|scenes| scenes.concat()))
}

fn step() -> impl Strategy<Value = Step> {
    (client(), action()).prop_map(|(by, action)| Step { by, action })
}

fn client() -> impl Strategy<Value = Pick> {
    0_usize..4
}

/// A flow of two steps as it should be, but something else may happen in between.
fn interrupted() -> impl Strategy<Value = Vec<Step>> {
    let code = prop_oneof![Just(Code::Totp(Choice::Right, 0)), Just(Code::Recovery(Choice::Right))];
    let sign_in = (door(), pick(), code).prop_map(|(door, who, code)| {
        let totp = matches!(code, Code::Totp(..));
        (Action::Login(door, who, Choice::Right), Action::SecondStep { challenge: Choice::Right, totp, code })
    });
    let reset = (pick(), new())
        .prop_map(|(who, new)| (Action::Forgot(who), Action::Present(Purpose::Reset, Choice::Right, new)));
    let change = (caller(), pick(), any::<bool>()).prop_map(|(caller, address, undo)| {
        let purpose = if undo { Purpose::Undo } else { Purpose::Confirm };
        (Action::ChangeEmail(caller, address), Action::Present(purpose, Choice::Right, New::Fresh))
    });
    let factor = caller().prop_map(|caller| {
        (Action::Enrol(caller), Action::ConfirmFactor(caller, Code::Totp(Choice::Right, 0)))
    });
    let flow = prop_oneof![4 => sign_in, 2 => reset, 2 => change, 1 => factor].boxed();
    (client(), flow, prop::collection::vec(step(), 0..3)).prop_map(|(by, (first, last), mut between)| {
        between.insert(0, Step { by, action: first });
        between.push(Step { by, action: last });
        between
    })
}

fn pick() -> impl Strategy<Value = Pick> + Clone {
    prop_oneof![4 => Just(0_usize), 3 => 1_usize..4, 1 => 0_usize..1_000]
}

fn choice() -> impl Strategy<Value = Choice> + Clone {
    prop_oneof![12 => Just(Choice::Right), 6 => pick().prop_map(Choice::Any), 1 => Just(Choice::Empty)]
}

fn caller() -> impl Strategy<Value = Caller> + Clone {
    let any = (pick(), 0_usize..3).prop_map(|(session, age)| Caller::Any(session, age));
    prop_oneof![3 => Just(Caller::Cookie), 6 => pick().prop_map(Caller::Living), 1 => any]
}

fn code() -> impl Strategy<Value = Code> + Clone {
    let shift = prop_oneof![4 => Just(0_i64), 3 => Just(1), 1 => -2_i64..3];
    prop_oneof![3 => (choice(), shift).prop_map(|(of, shift)| Code::Totp(of, shift)), 2 => choice().prop_map(Code::Recovery)]
}

/// Mostly the method that belongs to the code.
fn method_and_code() -> impl Strategy<Value = (bool, Code)> + Clone {
    (0_u8..8, code()).prop_map(|(other, code)| (matches!(code, Code::Totp(..)) ^ (other == 7), code))
}

fn new() -> impl Strategy<Value = New> + Clone {
    prop_oneof![6 => Just(New::Fresh), 2 => (0_usize..7).prop_map(New::Former), 1 => Just(New::Weak)]
}

fn door() -> impl Strategy<Value = Door> + Clone {
    let kind = prop_oneof![3 => Just(Kind::Tokens), 3 => Just(Kind::Browser), 1 => Just(Kind::Remembered)];
    prop_oneof![6 => kind.prop_map(Door::Api), 1 => Just(Door::Form)]
}

fn wait() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => Just(Duration::from_secs(10)),
        24 => Just(Duration::from_secs(30)),
        4 => Just(5 * MINUTE),
        4 => Just(10 * MINUTE),
        3 => Just(30 * MINUTE),
        2 => Just(DAY / 2),
        1 => Just(DAY),
        1 => Just(7 * DAY),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let sign_in = prop_oneof![
        10 => (door(), pick(), choice()).prop_map(|(door, who, password)| Action::Login(door, who, password)),
        10 => (choice(), method_and_code())
            .prop_map(|(challenge, (totp, code))| Action::SecondStep { challenge, totp, code }),
        2 => (caller(), choice()).prop_map(|(caller, password)| Action::StepUpWithPassword(caller, password)),
        3 => (caller(), method_and_code())
            .prop_map(|(caller, (totp, code))| Action::StepUpWithCode { caller, totp, code }),
        4 => (pick(), pick()).prop_map(|(session, token)| Action::Refresh(session, token)),
        1 => caller().prop_map(Action::Logout),
        1 => (pick(), pick()).prop_map(|(session, token)| Action::LogoutByRefresh(session, token)),
    ]
    .boxed();
    let purpose = (0..Purpose::ALL.len()).prop_map(|at| Purpose::ALL[at]);
    let links = prop_oneof![
        2 => pick().prop_map(Action::Forgot),
        1 => pick().prop_map(Action::Resend),
        8 => (purpose, choice(), new()).prop_map(|(purpose, token, new)| Action::Present(purpose, token, new)),
        3 => (caller(), pick()).prop_map(|(caller, address)| Action::ChangeEmail(caller, address)),
        1 => Just(Action::Invite),
        1 => (choice(), new()).prop_map(|(token, new)| Action::Accept(token, new)),
        1 => pick().prop_map(Action::Guess),
        1 => pick().prop_map(Action::Register),
    ]
    .boxed();
    let account = prop_oneof![
        12 => caller().prop_map(Action::Enrol),
        12 => (caller(), code()).prop_map(|(caller, code)| Action::ConfirmFactor(caller, code)),
        3 => caller().prop_map(Action::RemoveFactor),
        3 => caller().prop_map(Action::ReplaceCodes),
        4 => (caller(), choice(), new()).prop_map(|(caller, now, new)| Action::ChangePassword(caller, now, new)),
        4 => (caller(), 0_usize..100).prop_map(|(caller, door)| Action::Nothing(caller, door)),
        1 => caller().prop_map(Action::Delete),
    ]
    .boxed();
    prop_oneof![6 => sign_in, 4 => links, 4 => account, 3 => wait().prop_map(Action::Wait)]
}
