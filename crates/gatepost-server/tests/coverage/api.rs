//! The OpenAPI document, as the other tests read it.

use std::collections::BTreeMap;

use gatepost_testkit::Node;
use http::Method;
use serde_json::Value;

/// The document that an application serves.
pub(crate) struct Api(pub(crate) Value);

/// One operation of it.
pub(crate) struct Operation<'a> {
    pub(crate) id: &'a str,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) node: &'a Value,
}

/// An example of a request body, and its media type.
pub(crate) struct Example<'a> {
    pub(crate) media: &'a str,
    pub(crate) value: &'a Value,
}

impl Api {
    pub(crate) async fn of(node: &Node) -> Self {
        let answer = node.get("/openapi.json").send().await;
        assert_eq!(answer.status, 200);
        Self(answer.json())
    }

    pub(crate) fn operations(&self) -> Vec<Operation<'_>> {
        let mut operations = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, node) in item.as_object().unwrap() {
                let id = node["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
                let method = method.to_ascii_uppercase().parse().unwrap();
                operations.push(Operation { id, method, path, node });
            }
        }
        operations
    }

    /// The schemas by name.
    pub(crate) fn schemas(&self) -> &serde_json::Map<String, Value> {
        self.0["components"]["schemas"].as_object().unwrap()
    }

    /// What a reference points to; anything else is itself.
    pub(crate) fn follow<'a>(&'a self, node: &'a Value) -> &'a Value {
        match node.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let pointer =
                    reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leaves the document"));
                self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} points nowhere"))
            }
            None => node,
        }
    }

    /// The example of the request body; `None` when the operation takes none.
    pub(crate) fn example<'a>(&'a self, operation: &Operation<'a>) -> Option<Example<'a>> {
        let (media, content) = operation.node.get("requestBody")?["content"].as_object()?.iter().next()?;
        let schema = &content["schema"];
        // An optional body is "null or …".
        let alternatives = schema.get("oneOf").and_then(Value::as_array);
        let named =
            alternatives.and_then(|any| any.iter().find(|one| one.get("$ref").is_some())).unwrap_or(schema);
        let value = content.get("example").or_else(|| self.follow(named).get("example"));
        let value = value.unwrap_or_else(|| panic!("the body of {} has no example", operation.id));
        Some(Example { media, value })
    }

    /// The schema of an answer's JSON body, when the document gives one for this status.
    pub(crate) fn answer_schema<'a>(&'a self, operation: &Operation<'a>, status: u16) -> Option<&'a Value> {
        let content = operation.node["responses"][status.to_string()].get("content")?.as_object()?;
        content.values().next()?.get("schema")
    }
}

impl Operation<'_> {
    /// Whether a caller without credentials may call it.
    pub(crate) fn is_public(&self) -> bool {
        match self.node.get("security").and_then(Value::as_array) {
            None => true,
            Some(ways) => ways.iter().any(|way| way.as_object().is_some_and(serde_json::Map::is_empty)),
        }
    }

    /// Whether it says that API keys may call it.
    pub(crate) fn takes_api_keys(&self) -> bool {
        let ways = self.node.get("security").and_then(Value::as_array);
        ways.is_some_and(|ways| ways.iter().any(|way| way.get("api_key").is_some()))
    }

    /// The permissions that it says it wants.
    pub(crate) fn permissions(&self) -> Vec<&str> {
        let ways = self.node.get("security").and_then(Value::as_array).into_iter().flatten();
        let bearer = ways.filter_map(|way| way.get("bearer")?.as_array()).flatten();
        bearer.map(|name| name.as_str().unwrap()).collect()
    }

    /// The statuses that it says it answers.
    pub(crate) fn statuses(&self) -> BTreeMap<u16, &Value> {
        let responses = self.node["responses"].as_object().unwrap();
        responses.iter().map(|(status, node)| (status.parse().unwrap(), node)).collect()
    }
}

/// Asserts that a value is what a schema says, as far as types, members and required members go.
pub(crate) fn assert_fits(api: &Api, schema: &Value, value: &Value, at: &str) {
    let schema = api.follow(schema);
    if let Some(any) = schema.get("oneOf").and_then(Value::as_array) {
        let is_null = |one: &&Value| one.get("type").is_some_and(|kind| kind == "null");
        if !(value.is_null() && any.iter().any(|one| is_null(&one))) {
            assert_fits(api, any.iter().find(|one| !is_null(one)).unwrap(), value, at);
        }
        return;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        // A schema that leaves the type open.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return,
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(kinds.contains(&kind), "{at} is {kind}, and its schema says {kinds:?}");
    if let (Value::Array(items), Some(schema)) = (value, schema.get("items")) {
        items.iter().for_each(|item| assert_fits(api, schema, item, &format!("{at}/*")));
    }
    if let (Value::Object(members), Some(properties)) = (value, schema.get("properties")) {
        for (name, member) in members {
            let schema = properties.get(name).unwrap_or_else(|| panic!("{at}/{name} is not in the schema"));
            assert_fits(api, schema, member, &format!("{at}/{name}"));
        }
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            assert!(members.contains_key(required.as_str().unwrap()), "{at} lacks {required}");
        }
    }
}
