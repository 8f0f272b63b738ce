//! The JSON Schema of a job file, made of the types that read it.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde_json::Value;

use super::file::JobFile;

/// The schema (draft 2020-12) of a job file, as JSON.
pub fn job_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<JobFile>();
    schema.insert("title".to_owned(), "Job file of klaviyo-export".into());
    RecursiveTransform(without_null).transform(&mut schema);
    schema.to_value()
}

/// Removes the null that stands for a key that is not there: TOML has none.
fn without_null(schema: &mut Schema) {
    let Some(keywords) = schema.as_object_mut() else {
        return;
    };
    // The keys of a section have defaults of their own.
    if let Some(Value::Null | Value::Object(_)) = keywords.get("default") {
        keywords.remove("default");
    }
    if let Some(Value::Array(types)) = keywords.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            keywords.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = keywords.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
        if let [only] = choices.as_slice()
            && let Some(only) = only.as_object().cloned()
        {
            keywords.remove("anyOf");
            for (name, value) in only {
                keywords.entry(name).or_insert(value);
            }
        }
    }
}
