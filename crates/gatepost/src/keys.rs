//! `gatepost keys`.

use gatepost_kernel::Timestamp;
use gatepost_server::config::Config;
use gatepost_server::keys::{self, KeyInfo, State};

use crate::cli::Keys as Command;
use crate::context::beside;
use crate::failure::{Failure, REFUSED};
use crate::output;

pub(crate) async fn run(config: Config, command: Command) -> Result<(), Failure> {
    let app = beside(config).await?;
    let act = app.operator_act();
    match command {
        Command::List => print(app.keys.current().infos())?,
        Command::Rotate { now } => {
            let keys = keys::force(&app.db, &app.keys, &app.schedule, &act, now).await?;
            print(&keys)?;
            if let Some(next) = keys.iter().find(|key| key.state == State::Next) {
                output::line(format_args!(
                    "\n{} is published now and signs when the active key is due.",
                    next.kid
                ))?;
            }
        }
        Command::Revoke { kid } => {
            if !keys::revoke(&app.db, &app.keys, &app.schedule, &act, &kid).await? {
                return Err(Failure::new(REFUSED, format!("there is no key {kid} that is in use"))
                    .hint("`gatepost keys list` shows them"));
            }
            output::line(format_args!(
                "{kid} is revoked; running servers refuse its tokens within five seconds"
            ))?;
        }
    }
    app.db.close().await;
    Ok(())
}

fn print(keys: &[KeyInfo]) -> Result<(), Failure> {
    output::line(format_args!("{:<43}  {:<9}  {:<8}  SINCE", "KEY ID", "ALGORITHM", "STATE"))?;
    for key in keys {
        let (algorithm, state) = (key.algorithm.to_string(), key.state.as_str());
        output::line(format_args!("{:<43}  {algorithm:<9}  {state:<8}  {}", key.kid, since(key)))?;
    }
    Ok(())
}

fn since(key: &KeyInfo) -> Timestamp {
    key.ended_at.or(key.retiring_at).or(key.activated_at).unwrap_or(key.created_at)
}
