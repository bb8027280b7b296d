//! The OpenAPI 3.1 document of the admin interface, made from the registry that the router is made from.

use std::{collections::BTreeMap, sync::LazyLock};

use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};

use super::{
    input::Nothing,
    operation::{Call, Operation, Reach, Registered, Route},
    refusal::{Error, LiteLlmError, Refusal, Shape},
    registry::operations,
};

const SCHEMAS: &str = "#/components/schemas/";
/// What the names of schemas end with that are of what is taken, where the same type is given too.
const TAKEN: &str = "Input";

/// What may be wrong with a request, whichever route it is to.
const FAILURES: [(u16, &str); 12] = [
    (
        400,
        "Something in the request cannot be taken; the message says what.",
    ),
    (401, "The key is missing or not valid."),
    (403, "The key may not do this."),
    (404, "There is no such thing, or none that the key may see."),
    (405, "The path has other methods."),
    (408, "The body has not arrived in time."),
    (409, "It is there already, or several go by that name."),
    (413, "The body is too long."),
    (415, "The body is no JSON."),
    (
        429,
        "Too many wrong keys came from this address; see `Retry-After`.",
    ),
    (500, "The store refuses; the gateway's log says why."),
    (503, "The store does not answer; see `Retry-After`."),
];

/// Answers the document.
pub(super) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get("/admin/openapi.json", Reach::Public, "This document.");
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Map<String, Value>;

    async fn run(_: Call, _: Nothing, _: Nothing) -> Result<Self::Answer, Refusal> {
        // The code does not change while it runs.
        static DOCUMENT: LazyLock<Map<String, Value>> =
            LazyLock::new(|| document().as_object().cloned().unwrap_or_default());
        Ok(DOCUMENT.clone())
    }
}

/// The document.
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for operation in operations() {
        let route = operation.route();
        let described = describe(operation, &mut schemas);
        let verb = route.verb.name().to_ascii_lowercase();
        // OpenAPI has no word for a name with slashes in it.
        let path = route.path.replace("{*", "{");
        paths.entry(path).or_default().insert(verb, described);
    }
    let (own, litellm) = (schemas.given::<Error>(), schemas.given::<LiteLlmError>());
    let mut responses = Map::new();
    for (status, description) in FAILURES {
        for (name, schema) in [("own", &own), ("litellm", &litellm)] {
            let content = json!({"application/json": {"schema": schema}});
            let response = json!({"description": description, "content": content});
            responses.insert(format!("{name}_{status}"), response);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ai-gateway: admin interface",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Keys, teams, users, projects, budgets, providers and models; usage and the log of \
                requests. The routes tagged `litellm` are LiteLLM's, answered from the same store.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "http://127.0.0.1:4081"}],
        "security": [{"bearer": []}, {"header": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
            "responses": responses,
            "schemas": schemas.all(),
        },
    })
}

fn describe(operation: &dyn Registered, schemas: &mut Schemas) -> Value {
    let route = operation.route();
    let [query, body, answer] = operation.schemas(schemas);
    let parameters: Vec<Value> = in_path(route.path)
        .chain(in_query(schemas.resolved(&query)))
        .collect();
    let mut responses = Map::new();
    let content = json!({"application/json": {"schema": answer}});
    let good = json!({"description": "As asked.", "content": content});
    responses.insert(route.status.as_str().to_owned(), good);
    let (shape, tag) = match route.shape {
        Shape::Own => ("own", tag(route.path)),
        Shape::LiteLlm => ("litellm", "litellm"),
    };
    for (status, _) in FAILURES {
        let response = json!({"$ref": format!("#/components/responses/{shape}_{status}")});
        responses.insert(status.to_string(), response);
    }
    let mut described = json!({
        "operationId": id(&route), "tags": [tag], "summary": route.summary,
        "description": format!("Takes {}.", who(&route)),
        "parameters": parameters, "responses": responses,
    });
    if route.takes_a_body()
        && let Some(resolved) = schemas.resolved(&body)
        && resolved.get("properties").is_some()
    {
        let is_needed = resolved.get("required").is_some();
        let content = json!({"application/json": {"schema": body}});
        set(
            &mut described,
            "requestBody",
            json!({"required": is_needed, "content": content}),
        );
    }
    if route.reach == Reach::Public {
        set(&mut described, "security", json!([{}, {"bearer": []}]));
    }
    described
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn who(route: &Route) -> &'static str {
    let is_write = route.doing == super::operation::Doing::Write;
    match (route.reach, is_write) {
        (Reach::Public, _) => "no key",
        (Reach::Anyone, _) => "any key; what it answers is the key's own",
        (Reach::Team, false) => "any `admin` grant, or the master key",
        (Reach::Team, true) => "an `admin` grant of `write` or `team_write`, or the master key",
        (Reach::All, false) => "an `admin` grant of `read` or `write`, or the master key",
        (Reach::All, true) => "an `admin` grant of `write`, or the master key",
    }
}

fn tag(path: &'static str) -> &'static str {
    path.split('/').nth(2).unwrap_or("admin")
}

/// `GET /admin/keys/{key}` is `get_admin_keys_key`.
fn id(route: &Route) -> String {
    let words = route
        .path
        .split(|letter: char| !letter.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    let verb = route.verb.name().to_ascii_lowercase();
    [verb.as_str()]
        .into_iter()
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

fn in_path(path: &'static str) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|part| {
        let inner = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(inner.trim_start_matches('*'))
    });
    names.map(|name| {
        json!({"name": name, "in": "path", "required": true,
            "schema": {"type": "string", "minLength": 1}})
    })
}

fn in_query(schema: Option<&Value>) -> impl Iterator<Item = Value> + use<'_> {
    let properties = schema.and_then(|schema| schema.get("properties"));
    let required = schema.and_then(|schema| schema.get("required")?.as_array());
    let properties = properties.and_then(Value::as_object).into_iter().flatten();
    properties.map(move |(name, schema)| {
        let mut schema = schema.clone();
        let description = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("description"));
        without_null(&mut schema);
        let is_required = required.is_some_and(|names| names.iter().any(|one| one == name));
        let mut parameter =
            json!({"name": name, "in": "query", "required": is_required, "schema": schema});
        if let Some(description) = description {
            set(&mut parameter, "description", description);
        }
        parameter
    })
}

/// A query has no null: what is not said is not there.
fn without_null(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    members.remove("default");
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(forms)) = members.get_mut("anyOf") {
        forms.retain(|form| form.get("type") != Some(&json!("null")));
    }
}

/// The schemas of the document: of what is taken, and of what is given. The same type may differ, for what
/// may be left out when it is taken is always there when it is given.
pub(super) struct Schemas {
    own: SchemaGenerator,
    litellm: SchemaGenerator,
    given: SchemaGenerator,
    known: Map<String, Value>,
}

impl Default for Schemas {
    fn default() -> Self {
        let generator = |contract: Contract| {
            let settings = SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = SCHEMAS.trim_start_matches('#').to_owned().into();
                settings.meta_schema = None;
                settings.contract = contract;
            });
            settings.into_generator()
        };
        Schemas {
            own: generator(Contract::Deserialize),
            litellm: generator(Contract::Deserialize),
            given: generator(Contract::Serialize),
            known: Map::new(),
        }
    }
}

impl Schemas {
    /// The schema of what is taken.
    pub(super) fn taken<T: JsonSchema>(&mut self, shape: Shape) -> Schema {
        let (generator, ending) = match shape {
            Shape::Own => (&mut self.own, TAKEN),
            Shape::LiteLlm => (&mut self.litellm, "LiteLlmInput"),
        };
        let schema = generator.subschema_for::<T>();
        let mut schema = schema.to_value();
        rename(&mut schema, ending);
        for (name, definition) in generator.definitions() {
            let name = format!("{name}{ending}");
            if self.known.contains_key(&name) {
                continue;
            }
            let mut definition = definition.clone();
            rename(&mut definition, ending);
            if shape == Shape::Own {
                close(&mut definition);
            }
            self.known.insert(name, definition);
        }
        Schema::try_from(schema).unwrap_or_default()
    }

    /// The schema of what is given.
    pub(super) fn given<T: JsonSchema>(&mut self) -> Schema {
        let schema = self.given.subschema_for::<T>();
        for (name, definition) in self.given.definitions() {
            if !self.known.contains_key(name) {
                self.known.insert(name.clone(), definition.clone());
            }
        }
        schema
    }

    /// What a schema is that may be a reference to one.
    fn resolved<'s>(&'s self, schema: &'s Schema) -> Option<&'s Value> {
        let target = schema.get("$ref").and_then(Value::as_str);
        match target.and_then(|target| target.strip_prefix(SCHEMAS)) {
            Some(name) => self.known.get(name),
            None => Some(schema.as_value()),
        }
    }

    fn all(self) -> Map<String, Value> {
        self.known
    }
}

/// References to schemas of what is taken.
fn rename(schema: &mut Value, ending: &str) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(target) if name == "$ref" && target.starts_with(SCHEMAS) => {
                        target.push_str(ending);
                    }
                    value => rename(value, ending),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, ending)),
        _ => {}
    }
}

/// Objects whose members are known have no others: `input::strict` sees to it.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            let is_known = members.get("properties").is_some_and(Value::is_object)
                && members.get("type") == Some(&json!("object"));
            if is_known && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_in_the_document_leads_somewhere() {
        fn check(document: &Value, value: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                        let pointer = target.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{target}");
                    }
                    members.values().for_each(|value| check(document, value));
                }
                Value::Array(items) => items.iter().for_each(|item| check(document, item)),
                _ => {}
            }
        }
        let document = document();
        check(&document, &document);
    }

    #[test]
    fn every_operation_has_an_id_of_its_own_and_a_sentence() {
        let mut ids = std::collections::HashSet::new();
        for operation in operations() {
            let route = operation.route();
            assert!(
                ids.insert(id(&route)),
                "{} {}",
                route.verb.name(),
                route.path
            );
            assert!(route.summary.ends_with('.'), "{}", route.path);
            let is_own = route.path.starts_with("/admin/");
            assert_eq!(is_own, route.shape == Shape::Own, "{}", route.path);
        }
    }
}
