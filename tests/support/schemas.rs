//! JSON that the program prints, held to the JSON Schema that it promises.

use serde_json::Value;

/// Fails unless `value` keeps the schema in the text `schema`, which is given back.
#[track_caller]
pub(crate) fn assert_keeps(schema: &str, value: &Value) -> Value {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}\n{value:#}", errors.join("\n"));
    schema
}
