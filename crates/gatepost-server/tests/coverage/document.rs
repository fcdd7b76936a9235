//! The OpenAPI document: the committed copy, the names in it, and what every operation must say.

use std::collections::{BTreeMap, BTreeSet};

use gatepost_testkit::{Engine, Setup, TestApp};
use serde_json::Value;

use crate::api::{Api, Operation};
use crate::source;

/// Operations that anybody may call, and why.
const PUBLIC: &[(&str, &str)] = &[
    ("auth_accept_invitation", "the invitation is what opens it"),
    ("auth_confirm_email", "the link's token is the credential"),
    ("auth_forgot_password", "who cannot sign in asks for a link"),
    ("auth_login", "it is the way in"),
    ("auth_login_second_factor", "the challenge is the credential"),
    ("auth_logout", "also with a refresh token, when the access token has expired"),
    ("auth_refresh", "the refresh token is the credential"),
    ("auth_register", "strangers sign up"),
    ("auth_resend_verification", "who has yet to verify their address may not be signed in"),
    ("auth_reset_password", "the link's token is the credential"),
    ("auth_secure_account", "the link's token is the credential"),
    ("auth_undo_email", "the link's token is the credential"),
    ("auth_verify_email", "the link's token is the credential"),
    ("jwks_get", "public keys"),
    ("oauth_token", "it is the way in"),
    ("setup", "the link's token is the credential"),
];

async fn api(name: &str) -> Api {
    let app = TestApp::start(Engine::Sqlite, name, Setup::new()).await;
    Api::of(&app).await
}

#[tokio::test]
async fn the_committed_document_is_that_of_the_code() {
    let served = api("the committed document").await.0;
    let file = source::root().join("docs/reference/openapi.json");
    let committed =
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let committed: Value = serde_json::from_str(&committed).unwrap();
    if let Some(difference) = difference(&committed, &served, "") {
        panic!(
            "docs/reference/openapi.json is out of date at {difference}. Write it anew with `cargo xtask openapi`."
        );
    }
}

/// The first place where two documents differ.
fn difference(ours: &Value, theirs: &Value, at: &str) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let names: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
            names.into_iter().find_map(|name| {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                match (ours.get(name), theirs.get(name)) {
                    (Some(ours), Some(theirs)) => difference(ours, theirs, &at),
                    (None, _) | (_, None) => Some(at),
                }
            })
        }
        _ => (ours != theirs).then(|| at.to_owned()),
    }
}

/// The page that people read names the operations too.
#[tokio::test]
async fn the_reference_names_every_path() {
    let api = api("the reference").await;
    let reference = std::fs::read_to_string(source::root().join("docs/reference/http-api.md")).unwrap();
    for operation in api.operations() {
        let path = operation.path;
        assert!(source::names(&reference, path), "docs/reference/http-api.md does not name {path}");
    }
}

#[tokio::test]
async fn it_is_openapi_3_1() {
    let api = api("openapi 3.1").await;
    assert!(api.0["openapi"].as_str().unwrap().starts_with("3.1."), "{}", api.0["openapi"]);
    assert_eq!(api.0["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn every_operation_has_a_name_of_its_own_in_snake_case() {
    let api = api("names").await;
    let operations = api.operations();
    let names: BTreeSet<_> = operations.iter().map(|operation| operation.id).collect();
    assert_eq!(names.len(), operations.len(), "two operations have one id");
    for Operation { id, node, .. } in &operations {
        assert!(
            id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
            "{id}"
        );
        assert!(node["summary"].as_str().is_some_and(|text| !text.is_empty()), "{id} has no summary");
        let tags = node["tags"].as_array().unwrap();
        let known = api.0["tags"].as_array().unwrap();
        assert!(
            tags.len() == 1 && known.iter().any(|tag| tag["name"] == tags[0]),
            "{id} has the tags {tags:?}"
        );
    }
}

#[tokio::test]
async fn every_operation_is_protected_or_known_to_be_public() {
    let api = api("security").await;
    let schemes = api.0["components"]["securitySchemes"].as_object().unwrap();
    let mut public = BTreeSet::new();
    for operation in api.operations() {
        if operation.is_public() {
            public.insert(operation.id);
        }
        let Some(ways) = operation.node.get("security").and_then(Value::as_array) else { continue };
        for scheme in ["bearer", "password"] {
            assert!(schemes.contains_key(scheme));
            assert!(ways.iter().any(|way| way.get(scheme).is_some()), "{} lacks {scheme}", operation.id);
        }
    }
    assert!(public.iter().copied().eq(PUBLIC.iter().map(|(id, _)| *id)), "{public:?}");
}

#[tokio::test]
async fn every_refusal_has_the_shape_of_its_dialect() {
    let api = api("refusals").await;
    for operation in api.operations() {
        let (media, schema) = if operation.path.starts_with("/oauth/") {
            ("application/json", "#/components/schemas/OAuthError")
        } else {
            ("application/problem+json", "#/components/schemas/Problem")
        };
        let statuses = operation.statuses();
        for (status, response) in statuses.range(400..) {
            let content = response["content"].as_object();
            let content = content.unwrap_or_else(|| panic!("{} {status} has no body", operation.id));
            assert!(content.keys().eq([media]), "{} {status} is {:?}", operation.id, content.keys());
            assert_eq!(content[media]["schema"]["$ref"], schema, "{} {status}", operation.id);
            assert!(
                response["description"].as_str().unwrap().contains('`'),
                "{} {status} names no code",
                operation.id
            );
        }
        assert!(operation.is_public() || statuses.contains_key(&401), "{} does not say 401", operation.id);
        assert!(statuses.keys().any(|status| *status < 300), "{} says nothing of success", operation.id);
    }
}

/// The name of a schema is its key in the document, and of two types with one name the later would silently win.
#[test]
fn no_two_schemas_have_one_name() {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in source::files() {
        for (name, rust) in schema_names(&file.code) {
            types.entry(name).or_default().push(format!("{rust} in {}", file.path));
        }
    }
    assert!(types.len() > 8, "{types:#?}");
    // What renders a problem is a private twin of the public type, which gives it its name.
    types.remove("Body");
    let twice: Vec<_> = types.iter().filter(|(_, types)| types.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:#?}");
}

#[tokio::test]
async fn every_schema_of_the_document_is_found_in_the_source() {
    let api = api("schemas").await;
    let mut names = BTreeSet::new();
    for file in source::files() {
        names.extend(schema_names(&file.code).into_iter().map(|(name, _)| name));
        names.extend(source::between(&file.code, "impl ToSchema for ", " {").map(str::to_owned));
        names.extend(
            source::between(&file.code, "impl utoipa::ToSchema for super::", " {").map(str::to_owned),
        );
    }
    for name in api.schemas().keys() {
        // A page of things is named for the things.
        let name = name.strip_prefix("Page_").unwrap_or(name);
        assert!(names.contains(name) || name == "Id", "where does the schema {name} come from?");
    }
}

/// The schemas that a file derives: the name in the document, and that of the Rust type.
fn schema_names(code: &str) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for derived in code.split("#[derive(").skip(1) {
        let (traits, rest) = derived.split_once(")]").unwrap();
        if !traits.split(", ").any(|name| name == "ToSchema" || name == "utoipa::ToSchema") {
            continue;
        }
        let declared =
            ["struct ", "enum "].iter().filter_map(|word| Some((rest.find(word)?, word.len()))).min();
        let (at, length) = declared.unwrap();
        let (attributes, declaration) = rest.split_at(at);
        let end = |letter: char| letter != '_' && !letter.is_alphanumeric();
        let first = |text: &str| text.split(end).next().unwrap_or_default().to_owned();
        let rust = first(&declaration[length..]);
        let name =
            attributes.split_once("schema(as = ").map_or_else(|| rust.clone(), |(_, name)| first(name));
        names.push((name, rust));
    }
    names
}

#[test]
fn the_names_of_schemas_are_read_as_the_macro_reads_them() {
    let code = "#[derive(Deserialize, ToSchema)]\n#[schema(as = LoginRequest, example = json!({}))]\npub(super) struct Request {\n}\n\
        #[derive(Debug)]\nstruct Other;\n#[derive(utoipa::ToSchema)]\nenum Kind {}";
    let names = schema_names(code);
    let pairs = [("LoginRequest", "Request"), ("Kind", "Kind")];
    assert_eq!(names, pairs.map(|(name, rust)| (name.to_owned(), rust.to_owned())));
}
