//! An HTTP client for the sandbox's Klaviyo API. With `KLAVIYO_OPENAPI` naming Klaviyo's OpenAPI file, every answer has to
//! keep to it, and every request that was answered well too.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test target uses a part of it, as a module of its own"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use klaviyo_export_sandbox::api::{Api, REVISION};
use serde_json::{Map, Value, json};
use ureq::http::{HeaderMap, Request};

/// A client with the sandbox's key.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    pub key: String,
}

/// The answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    /// The reply, which has this status.
    #[track_caller]
    pub fn has(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    pub fn header(&self, name: &str) -> Option<u64> {
        self.headers.get(name)?.to_str().unwrap().parse().ok()
    }

    /// The ids of `data`, which has several resources.
    pub fn ids(&self) -> Vec<String> {
        let data = self.body["data"].as_array().unwrap();
        let id = |it: &Value| it["id"].as_str().unwrap().to_owned();
        data.iter().map(id).collect()
    }

    /// The id of `data`, which is one resource.
    pub fn id(&self) -> String {
        self.body["data"]["id"].as_str().unwrap().to_owned()
    }

    /// The one error's pointer or parameter.
    pub fn source(&self) -> &str {
        let source = &self.body["errors"][0]["source"];
        let place = source.get("pointer").or(source.get("parameter"));
        place.and_then(Value::as_str).unwrap_or_default()
    }
}

impl Client {
    pub fn of(api: &Api) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Self {
            agent: config.into(),
            base: api.base_url().to_owned(),
            key: api.key().to_owned(),
        }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None).unwrap()
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[], Some(body)).unwrap()
    }

    pub fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send("PATCH", path, &[], Some(body)).unwrap()
    }

    pub fn delete(&self, path: &str, body: &Value) -> Reply {
        self.send("DELETE", path, &[], Some(body)).unwrap()
    }

    /// A GET with a filter, and what else stands in the query.
    pub fn filtered(&self, path: &str, filter: &str, rest: &str) -> Reply {
        self.get(&format!("{path}?filter={}{rest}", escaped(filter)))
    }

    /// All ids of a collection, page after page, with the sizes of the pages.
    pub fn all_ids(&self, path: &str) -> (Vec<String>, Vec<usize>) {
        let (mut ids, mut sizes) = (Vec::new(), Vec::new());
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = self.get(&path).has(200);
            sizes.push(page.ids().len());
            ids.extend(page.ids());
            let link = page.body["links"]["next"].as_str();
            next = link.map(|link| link.strip_prefix(&self.base).unwrap().to_owned());
        }
        (ids, sizes)
    }

    /// Sends a request; `headers` replace the usual ones, and an empty value leaves one out.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, ureq::Error> {
        let key = format!("Klaviyo-API-Key {}", self.key);
        let mut all = HashMap::from([
            ("authorization", key.as_str()),
            ("revision", REVISION),
            ("accept", "application/vnd.api+json"),
        ]);
        if body.is_some() {
            all.insert("content-type", "application/vnd.api+json");
        }
        all.extend(headers.iter().copied());
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in all.into_iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(name, value);
        }
        let text = body.map(Value::to_string);
        let response = match text {
            Some(text) => self.agent.run(request.body(text).unwrap())?,
            None => self.agent.run(request.body(()).unwrap())?,
        };
        let (parts, mut incoming) = response.into_parts();
        let text = incoming.read_to_string()?;
        let reply = Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: if text.is_empty() {
                Value::Null
            } else {
                serde_json::from_str(&text).unwrap()
            },
        };
        hold_to_contract(method, path, body, &reply);
        Ok(reply)
    }
}

/// Fails unless a call and its answer keep to Klaviyo's OpenAPI; without `KLAVIYO_OPENAPI` everything does.
pub fn hold_to_contract(method: &str, path: &str, request: Option<&Value>, reply: &Reply) {
    if let Some(contract) = Contract::get() {
        contract.check(method, path, request, reply);
    }
}

/// Percent signs for everything that is not plain.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
    }
    out
}

/// Klaviyo's OpenAPI document, as JSON Schema.
struct Contract {
    document: Value,
    validators: Mutex<HashMap<String, std::sync::Arc<jsonschema::Validator>>>,
}

impl Contract {
    fn get() -> Option<&'static Self> {
        static CONTRACT: OnceLock<Option<Contract>> = OnceLock::new();
        let read = || {
            let path = std::env::var_os("KLAVIYO_OPENAPI")?;
            let mut document = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            add_newer(&mut document);
            nullable(&mut document);
            Some(Contract {
                document,
                validators: Mutex::default(),
            })
        };
        CONTRACT.get_or_init(read).as_ref()
    }

    fn check(&self, method: &str, path: &str, request: Option<&Value>, reply: &Reply) {
        let what = format!("{method} {path}");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if (method, reply.status) == ("DELETE", 204) && self.operation("GET", path).is_some() {
            // `delete_list`, which the stored cut of the contract leaves out.
            let (_, id) = path.rsplit_once("/lists/").unwrap_or_default();
            if !id.is_empty() && !id.contains('/') {
                assert_eq!(reply.body, Value::Null, "{what}");
                return;
            }
        }
        let Some(operation) = self.operation(method, path) else {
            // Not in the contract: errors have their form all the same.
            assert!(
                matches!(reply.status, 404 | 405),
                "{what}: {}",
                reply.status
            );
            let schema = self.document.pointer("/components/responses/ClientError");
            self.validate(&what, &schema_of(schema.unwrap()), &reply.body);
            return;
        };
        let responses = &operation["responses"];
        let status = reply.status.to_string();
        let group = format!("{}XX", &status[..1]);
        let response = responses.get(&status).or(responses.get(&group));
        let response = response.unwrap_or_else(|| panic!("{what} answers {status}"));
        let response = match response["$ref"].as_str() {
            Some(at) => self.document.pointer(at.trim_start_matches('#')).unwrap(),
            None => response,
        };
        if response.get("content").is_some() {
            let kind = reply.headers["content-type"].to_str().unwrap();
            assert_eq!(kind, "application/vnd.api+json", "{what}");
            // Answers of 2026-10-15 may have hints for programs; the stored contract is older, and knows nothing of them.
            let mut body = reply.body.clone();
            if let Some(body) = body.as_object_mut() {
                body.remove("meta");
            }
            self.validate(&what, &schema_of(response), &body);
        } else {
            assert_eq!(reply.body, Value::Null, "{what}");
        }
        if reply.status < 300 {
            let names = operation["parameters"].as_array().unwrap();
            for pair in query.split('&').filter(|pair| !pair.is_empty()) {
                let name = pair.split('=').next().unwrap();
                let name = name.replace("%5B", "[").replace("%5D", "]");
                assert!(
                    names.iter().any(|it| it["name"] == name.as_str()),
                    "{what}: {name}"
                );
            }
            if let Some(body) = operation.get("requestBody") {
                self.validate(&what, &schema_of(body), request.unwrap());
            } else {
                assert!(request.is_none(), "{what}");
            }
        }
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let path: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let fits = |pattern: &str| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            let same = |(a, b): (&&str, &&str)| a == b || a.starts_with('{');
            pattern.len() == path.len() && pattern.iter().zip(&path).all(same)
        };
        let paths = self.document["paths"].as_object().unwrap();
        let (_, found) = paths.iter().find(|(pattern, _)| fits(pattern))?;
        found.get(method.to_lowercase())
    }

    fn validate(&self, what: &str, schema: &Value, value: &Value) {
        let mut validators = self.validators.lock().unwrap();
        let validator = validators.entry(schema.to_string()).or_insert_with(|| {
            let mut root = schema.clone();
            root["components"] = self.document["components"].clone();
            std::sync::Arc::new(jsonschema::validator_for(&root).unwrap())
        });
        let validator = std::sync::Arc::clone(validator);
        drop(validators);
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(
            errors.is_empty(),
            "{what}\n{value:#}\n{}",
            errors.join("\n")
        );
    }
}

fn schema_of(holder: &Value) -> Value {
    let content = &holder["content"];
    let kind = content.get("application/vnd.api+json");
    kind.unwrap()["schema"].clone()
}

/// Adds the operation that revision 2026-10-15 has and an older contract has not, as the models of klaviyo-api-python 25.0.0
/// tell it.
fn add_newer(document: &mut Value) {
    const PATH: &str = "/api/billing-usage";
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "format": "date-time"});
    let units = [
        "CAD",
        "USD",
        "conversations",
        "credits",
        "messages",
        "orders",
        "profiles",
        "resolutions",
    ];
    // With sparse fields no attribute is required.
    let usage = json!({"type": "object",
    "required": ["type", "id", "attributes", "links"],
    "properties": {
        "type": {"enum": ["billing-usage"]},
        "id": text,
        "links": {"type": "object", "required": ["self"], "properties": {"self": text}},
        "attributes": {"type": "object", "additionalProperties": false, "properties": {
            "usage_used": {"type": "number"},
            "usage_max": {"type": "integer"},
            "unit": {"enum": units},
            "period_start": time,
            "period_end": time,
            "as_of": time,
        }},
    }});
    let schema = json!({"type": "object", "required": ["data"],
        "properties": {"data": {"type": "array", "items": usage}}});
    let client_error = json!({"$ref": "#/components/responses/ClientError"});
    let server_error = json!({"$ref": "#/components/responses/ServerError"});
    let operation = json!({
        "operationId": "list_billing_usage",
        "parameters": [
            {"name": "fields[billing-usage]", "in": "query"},
            {"name": "filter", "in": "query"},
        ],
        "responses": {
            "200": {"content": {"application/vnd.api+json": {"schema": schema}}},
            "4XX": client_error,
            "5XX": server_error,
        },
    });
    let paths = document["paths"].as_object_mut().unwrap();
    paths
        .entry(PATH)
        .or_insert_with(|| json!({"get": operation}));
}

/// OpenAPI 3.0 says "nullable" where JSON Schema has the type "null".
fn nullable(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(nullable),
        Value::Object(object) => {
            object.values_mut().for_each(nullable);
            let is_schema = object.get("nullable") == Some(&Value::Bool(true));
            if is_schema {
                object.remove("nullable");
                let schema = std::mem::replace(object, Map::new());
                let either = json!([{"type": "null"}, schema]);
                object.insert("anyOf".to_owned(), either);
            }
        }
        _ => {}
    }
}
