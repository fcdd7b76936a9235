//! Every kind of link works once, whoever presents it and wherever.

use gatepost_server::attempts;
use gatepost_server::recovery::{LinkPurpose, answer_requests};
use gatepost_testkit::{Answer, Node, TestApp, on_each_db};
use tokio::task::JoinSet;

use super::letters::{
    confirm_token, newest, present, reset, reset_token, undo_token, verified, verify_token,
};

/// A new link of this purpose, for an account of its own. A new purpose needs an arm here.
async fn token(app: &TestApp, purpose: LinkPurpose, round: u8) -> String {
    let name = format!("user-of-{}-{round}", purpose.name().replace('_', "-"));
    match purpose {
        LinkPurpose::VerifyEmail => {
            let user = app.user(&name).await;
            verify_token(app, &user.email).await
        }
        LinkPurpose::ResetPassword => {
            let user = verified(app, &name).await;
            reset_token(app, &user.email).await
        }
        LinkPurpose::ConfirmEmail => {
            let user = verified(app, &name).await;
            confirm_token(app, &user, &format!("{name}@example.org")).await
        }
        LinkPurpose::UndoEmail => {
            let user = verified(app, &name).await;
            confirm_token(app, &user, &format!("{name}@example.org")).await;
            undo_token(app, &user.email).await
        }
        LinkPurpose::SecureAccount => {
            let user = verified(app, &name).await;
            for _ in 0..6 {
                app.login(&name, "another password").await;
            }
            attempts::alert(app.db(), app.app.operator_act()).await.unwrap();
            answer_requests(&app.app).await.unwrap();
            newest(app, &user.email, "too_many_failures").await.token()
        }
    }
}

async fn redeem(node: &Node, purpose: LinkPurpose, token: &str, contender: usize) -> Answer {
    match purpose {
        LinkPurpose::ResetPassword => {
            reset(node, token, &format!("CANARY boats of {contender} harbours")).await
        }
        LinkPurpose::VerifyEmail
        | LinkPurpose::ConfirmEmail
        | LinkPurpose::UndoEmail
        | LinkPurpose::SecureAccount => present(node, &purpose.page()[1..], token).await,
    }
}

on_each_db! {
    async fn rel_19_of_parallel_uses_of_any_link_one_wins(app: TestApp) {
        let nodes = [(*app).clone(), app.second_node().await];
        for purpose in LinkPurpose::ALL {
            for round in 0..2 {
                let token = token(&app, *purpose, round).await;
                let mut racing = JoinSet::new();
                for contender in 0..8 {
                    let (node, token) = (nodes[contender % 2].clone(), token.clone());
                    racing.spawn(async move { redeem(&node, *purpose, &token, contender).await });
                }
                let answers = racing.join_all().await;
                let won = answers.iter().filter(|answer| answer.status == 204).count();
                assert_eq!(won, 1, "{}", purpose.name());
                for answer in answers.iter().filter(|answer| answer.status != 204) {
                    answer.assert_refused(400, "invalid_token");
                }
            }
        }
    }
}
