//! A plain user with the document in hand sends every write there is, on everything there is: whatever changes is theirs.

use std::collections::{BTreeMap, BTreeSet};

use gatepost_testkit::{Engine, PASSWORD, Persona, Setup, TestApp};
use serde_json::{Map, Value, json};

use crate::api::{Api, Operation};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn az_05_random_writes_of_a_plain_user_change_nothing_but_their_own_rows_on_sqlite() {
    run(Engine::Sqlite, 3_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn az_05_random_writes_of_a_plain_user_change_nothing_but_their_own_rows_on_postgres() {
    run(Engine::Postgres, 1_000).await;
}

/// How many writes lie between two looks at the whole database.
const AT_A_TIME: usize = 100;

async fn run(engine: Engine, writes: usize) {
    let app = TestApp::start(engine, "random writes", Setup::new()).await;
    let api = Api::of(&app).await;
    let operations: Vec<_> = api.operations().into_iter().filter(is_a_write_of_somebody).collect();
    assert!(operations.len() >= 15, "only {} writes", operations.len());
    let tables = gatepost_db::schema::read(app.db()).await.unwrap();
    let columns: BTreeMap<String, Vec<String>> =
        tables.into_iter().map(|(name, table)| (name, table.columns.into_keys().collect())).collect();
    let mut dice = Dice(5);
    let mut world = World::new(&app).await;
    let mut before = rows(&app, &columns).await;
    let mut accepted = BTreeSet::new();
    for _ in 0..writes / AT_A_TIME {
        for _ in 0..AT_A_TIME {
            let operation = &operations[dice.below(operations.len())];
            if world.write(&app, &api, operation, &mut dice).await {
                accepted.insert(operation.id);
            }
        }
        let after = rows(&app, &columns).await;
        world.assert_only_own_rows_changed(&before, &after);
        before = after;
    }
    // A user who gets nothing done proves nothing.
    assert!(accepted.len() >= 6, "only these ever succeeded: {accepted:?}");
}

/// What wants credentials and changes something. What strangers may call is walked elsewhere.
fn is_a_write_of_somebody(operation: &Operation<'_>) -> bool {
    !operation.method.is_safe() && !operation.is_public()
}

/// The same throws in every run: SplitMix64 (Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }

    fn pick<'a>(&mut self, from: &'a [String]) -> &'a str {
        &from[self.below(from.len())]
    }
}

/// Who is there, and what the plain user knows of them.
struct World {
    me: Persona,
    /// Every account that was the plain user's, as it stands in a row.
    mine: Vec<String>,
    /// Those of the others.
    theirs: Vec<String>,
    ids: Vec<String>,
    names: Vec<String>,
    generation: usize,
}

impl World {
    async fn new(app: &TestApp) -> Self {
        let (admin, bob) = (app.user("ada").await, app.user("bob").await);
        app.grant_role(admin.user_id(), "admin").await;
        let _keys = [app.api_key(&admin, &["users:read"]).await, app.api_key(&bob, &[]).await];
        let theirs = vec![hex(&admin.id), hex(&bob.id)];
        let me = app.user("eve").await;
        let mut ids = vec![admin.id.clone(), bob.id.clone(), me.id.clone()];
        for owner in [&admin, &bob] {
            ids.push(owner.claims()["sid"].as_str().unwrap().to_owned());
            let keys = app.get("/api/v1/api-keys").bearer(&owner.access_token).send().await.json();
            ids.push(keys["data"][0]["id"].as_str().unwrap().to_owned());
            for kind in ["tasks", "items"] {
                let path = format!("/api/v1/{kind}");
                let made = app
                    .post(&path)
                    .bearer(&owner.access_token)
                    .json(&json!({ "title": "theirs" }))
                    .send()
                    .await;
                ids.push(made.json()["id"].as_str().unwrap().to_owned());
            }
        }
        let names =
            ["admin", "user", "users:write", "bob@example.com", "ada", "true"].map(str::to_owned).to_vec();
        Self { mine: vec![hex(&me.id)], theirs, me, ids, names, generation: 0 }
    }

    /// Sends one, and says whether it was accepted.
    async fn write(&mut self, app: &TestApp, api: &Api, operation: &Operation<'_>, dice: &mut Dice) -> bool {
        app.clock.advance(std::time::Duration::from_millis(20));
        let path =
            operation.path.replace("{id}", dice.pick(&self.ids)).replace("{name}", dice.pick(&self.names));
        let query = match dice.below(4) {
            0 => format!("?transfer_to={}", dice.pick(&self.ids)),
            1 => "?include_current=true".to_owned(),
            _ => String::new(),
        };
        let mut request =
            app.call(operation.method.clone(), &format!("{path}{query}")).bearer(&self.me.access_token);
        if let Some(example) = api.example(operation) {
            request = request.json(&self.bent(example.value, dice));
        }
        let answer = request.send().await;
        if let Some(id) =
            answer.status.eq(&201).then(|| answer.json()["id"].as_str().map(str::to_owned)).flatten()
        {
            self.ids.push(id);
        }
        let accepted = (200..300).contains(&answer.status);
        if app.me(&self.me.access_token).await.status != 200 {
            self.come_back(app).await;
        }
        accepted
    }

    /// A body as in the document, with something of others in it here and there.
    fn bent(&self, value: &Value, dice: &mut Dice) -> Value {
        match value {
            Value::Object(members) => {
                let mut bent = Map::new();
                for (name, member) in members {
                    if dice.below(12) > 0 {
                        // The test kit takes whatever stands there for a secret, and looks for it in the log.
                        let secret =
                            ["password", "token", "code", "challenge"].iter().any(|part| name.contains(part));
                        let member = if secret { member.clone() } else { self.bent(member, dice) };
                        bent.insert(name.clone(), member);
                    }
                }
                if dice.below(8) == 0 {
                    let extra = [
                        "owner_id",
                        "user_id",
                        "roles",
                        "is_active",
                        "email_verified",
                        "permissions",
                        "current_password",
                    ];
                    bent.insert(extra[dice.below(extra.len())].to_owned(), self.something(dice));
                }
                if bent.contains_key("current_password") {
                    bent.insert("current_password".to_owned(), json!(PASSWORD));
                }
                Value::Object(bent)
            }
            Value::Array(members) => members.iter().map(|member| self.bent(member, dice)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) if dice.below(5) > 0 => {
                value.clone()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => self.something(dice),
        }
    }

    fn something(&self, dice: &mut Dice) -> Value {
        match dice.below(5) {
            0 => json!(dice.pick(&self.ids)),
            1 => json!(dice.pick(&self.names)),
            2 => json!([dice.pick(&self.names)]),
            3 => json!(true),
            _ => Value::Null,
        }
    }

    /// Signs in again, or begins anew with another account where the old one is gone or has another password now.
    async fn come_back(&mut self, app: &TestApp) {
        let again = app.login(&self.me.email, PASSWORD).await;
        if again.status == 200 {
            self.me = Persona::of(&again);
            return;
        }
        self.generation += 1;
        self.me = app.user(&format!("eve-{}", self.generation)).await;
        self.mine.push(hex(&self.me.id));
        self.ids.push(self.me.id.clone());
    }

    fn assert_only_own_rows_changed(&self, before: &Rows, after: &Rows) {
        for (table, rows) in after {
            let old = &before[table];
            for row in rows.symmetric_difference(old) {
                let is_mine = self.mine.iter().any(|id| row.contains(id));
                // Whoever asks for the address of somebody else owes that one a mail which says so.
                let mailed = table == "outbox" && row.contains("account_exists");
                // These count, and name somebody or nobody; mails are sealed.
                let counts = ["outbox", "login_attempts", "lockouts", "audit_tail"].contains(&table.as_str());
                let is_theirs = self.theirs.iter().any(|id| row.contains(id));
                assert!(is_mine || mailed || (counts && !is_theirs), "{table}: {row}");
            }
        }
    }
}

type Rows = BTreeMap<String, BTreeSet<String>>;

/// Every row of every table, as text with ids in lower-case hexadecimal digits.
async fn rows(app: &TestApp, tables: &BTreeMap<String, Vec<String>>) -> Rows {
    let mut all = Rows::new();
    for (table, columns) in tables {
        let sql = match app.engine {
            Engine::Sqlite => {
                let line = columns
                    .iter()
                    .map(|column| format!("quote({column})"))
                    .collect::<Vec<_>>()
                    .join("||' '||");
                format!("SELECT COALESCE(group_concat({line}, char(10)), '') FROM {table}")
            }
            Engine::Postgres => {
                format!("SELECT COALESCE(string_agg(replace(t::text, '-', ''), chr(10)), '') FROM {table} t")
            }
        };
        // One text a table, so little enough to keep.
        let text: Option<String> = app.text(Box::leak(sql.into_boxed_str()), &[]).await;
        let lines = text.unwrap_or_default().to_lowercase();
        all.insert(table.clone(), lines.lines().map(str::to_owned).collect());
    }
    all
}

fn hex(id: &str) -> String {
    id.replace('-', "")
}
