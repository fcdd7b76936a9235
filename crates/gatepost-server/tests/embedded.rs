//! The example of an application that embeds Gatepost, run on both databases.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, with the reason")]

use axum::Router;
use gatepost_db::testing::{Scratch, patient, scratch};
use gatepost_db::{Options, Statement, migrate, params, testing::Engine};
use gatepost_kernel::{Clock, Random};
use gatepost_server::access;
use gatepost_server::app::{App, Ingredients};
use gatepost_server::config::{Config, Raw};
use gatepost_server::http::{HttpParts, finish};
use gatepost_server::ids::UserId;
use gatepost_server::passwords::HashParams;
use gatepost_testkit::{PASSWORD, master_key};
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

#[expect(dead_code, reason = "the test opens the database and the listener itself")]
#[path = "../examples/embedded/main.rs"]
mod embedded;

/// The application of the example on a database of this test's.
struct Workshop {
    app: App,
    routes: Router,
    _scratch: Scratch,
}

impl Workshop {
    async fn open(engine: Engine) -> Self {
        let scratch = scratch(engine, Options { rehearse: true, ..patient() }).await;
        let (clock, random) = (Clock::system(), Random::system());
        migrate::up(&scratch.db, embedded::SETS, &clock, None).await.unwrap();
        let mut config = Config::load(&Raw::new()).unwrap();
        config.server.data_dir = scratch.folder.path().join("data");
        config.passwords.params = HashParams::below_the_floor(64, 1, 1).unwrap();
        config.limits.enabled = false;
        let ingredients = Ingredients {
            issuer: "http://127.0.0.1:8080".to_owned(),
            master: master_key(),
            config,
            db: scratch.db.clone(),
            clock: clock.clone(),
            random: random.clone(),
            extension: embedded::extension(),
        };
        let app = App::start(ingredients).await.unwrap();
        let routes = finish(embedded::routes(app.clone()), HttpParts::new(clock, random));
        Self { app, routes, _scratch: scratch }
    }

    async fn call(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
        let request = http::Request::builder().method(method).uri(path).header("host", "localhost");
        let request = match token {
            "" => request,
            token => request.header("authorization", format!("Bearer {token}")),
        };
        let request = request.header("content-type", "application/json");
        let body = body.map_or_else(axum::body::Body::empty, |body| body.to_string().into());
        let (head, body) =
            self.routes.clone().oneshot(request.body(body).unwrap()).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        self.call(Method::GET, path, token, None).await
    }

    async fn delete(&self, path: &str, token: &str) -> (u16, Value) {
        self.call(Method::DELETE, path, token, None).await
    }

    /// Signs up with a team.
    async fn sign_up(&self, team: &str, name: &str) -> (u16, Value) {
        let body = json!({ "team": team, "email": format!("{name}@example.com"), "password": PASSWORD });
        self.call(Method::POST, "/teams", "", Some(body)).await
    }

    /// Signs somebody up, and in: their token and their id.
    async fn user(&self, name: &str) -> (String, UserId) {
        let (status, made) = self.sign_up(&format!("team {name}"), name).await;
        assert_eq!(status, 201, "{made}");
        let body = json!({ "identifier": format!("{name}@example.com"), "password": PASSWORD });
        let (status, answer) = self.call(Method::POST, "/api/v1/auth/login", "", Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        (text(&answer["access_token"]), text(&answer["user"]["id"]).parse().unwrap())
    }

    async fn admin(&self) -> String {
        let (token, id) = self.user("admin").await;
        let (act, identities) = (self.app.operator_act(), self.app.identities.clone());
        let granted = self.app.db.write(move |tx| {
            identities.forget_after_commit(tx, id);
            access::grant(tx, &act, id, access::ADMIN)
        });
        granted.await.unwrap();
        token
    }

    /// How many accounts have this address, and how many teams there are.
    async fn count(&self, email: &'static str) -> (i64, i64) {
        static USERS: Statement =
            Statement::new("USERS", "SELECT count(*) FROM users WHERE email_canonical = ?1");
        static TEAMS: Statement = Statement::new("TEAMS", "SELECT count(*) FROM teams");
        let users = self.app.db.read_one(&USERS, &params![email], |row| row.get(0)).await;
        let teams = self.app.db.read_one(&TEAMS, &params![], |row| row.get(0)).await;
        (users.unwrap().unwrap(), teams.unwrap().unwrap())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

gatepost_db::on_each_engine! {
    async fn an_account_and_a_row_of_our_own_are_one_transaction(engine) {
        let workshop = Workshop::open(engine).await;
        let (ada, _) = workshop.user("ada").await;
        assert_eq!(workshop.get("/teams/mine", &ada).await, (200, json!({ "teams": ["team ada"] })));
        assert_eq!(workshop.count("ada@example.com").await, (1, 1));
        // The second half fails: the name of the team is taken. The account, which was written before, is not there.
        let (status, refused) = workshop.sign_up("team ada", "eve").await;
        assert_eq!((status, &refused["code"]), (409, &json!("conflict")));
        assert_eq!(workshop.count("eve@example.com").await, (0, 1));
        // And the other way round.
        let (status, refused) = workshop.sign_up("team eve", "ada").await;
        assert_eq!((status, &refused["code"]), (409, &json!("email_taken")));
        assert_eq!(workshop.count("ada@example.com").await, (1, 1));
        // Nothing of it is in the way.
        workshop.user("eve").await;
        assert_eq!(workshop.count("eve@example.com").await, (1, 2));
    }

    async fn our_own_routes_know_the_caller_and_ask_for_permissions(engine) {
        let workshop = Workshop::open(engine).await;
        let (ada, _) = workshop.user("ada").await;
        let admin = workshop.admin().await;
        assert_eq!(workshop.get("/teams/mine", "").await.0, 401);
        assert_eq!(workshop.get("/teams", "").await.0, 401);
        assert_eq!(workshop.get("/teams", &ada).await.1["code"], "forbidden");
        assert_eq!(workshop.get("/teams", &admin).await, (200, json!({ "teams": ["team ada", "team admin"] })));
        // Gatepost knows of our permissions, and its own routes are there.
        let (_, known) = workshop.get("/api/v1/admin/permissions", &admin).await;
        assert!(known.to_string().contains("teams:read_any"), "{known}");
        assert_eq!(workshop.get("/api/v1/users/me", &ada).await.0, 200);
    }

    async fn a_third_resource_is_protected_as_tasks_and_items_are(engine) {
        let workshop = Workshop::open(engine).await;
        let ((ada, ada_id), (eve, eve_id)) = (workshop.user("ada").await, workshop.user("eve").await);
        let admin = workshop.admin().await;
        let post = |token: String, body: Value| {
            let workshop = &workshop;
            async move { workshop.call(Method::POST, "/notes", &token, Some(body)).await }
        };
        let (status, note) = post(ada.clone(), json!({ "title": " ada's " })).await;
        assert_eq!((status, &note["title"], &note["owner_id"]), (201, &json!("ada's"), &json!(ada_id)));
        let path = format!("/notes/{}", text(&note["id"]));
        assert_eq!(post(String::new(), json!({ "title": "x" })).await.0, 401);
        let (status, refused) = post(eve.clone(), json!({ "title": "x", "owner_id": ada_id })).await;
        assert_eq!((status, &refused["errors"][0]["code"]), (422, &json!("unknown_field")));
        assert_eq!(workshop.get(&path, &ada).await, (200, note.clone()));
        for other in [&eve, &admin] {
            assert_eq!(workshop.get(&path, other).await.1["code"], "not_owner");
            assert_eq!(workshop.delete(&path, other).await.1["code"], "not_owner");
            assert_eq!(workshop.get("/notes", other).await.1["data"], json!([]));
        }
        assert_eq!(workshop.get(&path, "").await.0, 401);
        assert_eq!(workshop.get("/notes", &ada).await.1["data"], json!([note]));

        // It is among what an administrator can hand over.
        let (act, resources) = (workshop.app.operator_act(), workshop.app.owned_resources());
        assert_eq!(resources.last().unwrap().name(), "notes");
        let given = workshop.app.db.write(move |tx| resources.last().unwrap().transfer(tx, &act, ada_id, eve_id));
        assert_eq!(given.await.unwrap(), 1);
        assert_eq!(workshop.get(&path, &ada).await.1["code"], "not_owner");
        assert_eq!(workshop.get(&path, &eve).await.0, 200);

        assert_eq!(workshop.delete(&format!("/admin{path}"), &eve).await.1["code"], "forbidden");
        assert_eq!(workshop.delete(&format!("/admin{path}"), &admin).await.0, 204);
        assert_eq!(workshop.get(&path, &eve).await.0, 404);
    }
}
