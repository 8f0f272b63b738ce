//! The bill of materials, held to the JSON Schema of CycloneDX.

use std::path::Path;

use klaviyo_export_packaging::linked::{Features, linked};
use klaviyo_export_packaging::sbom::sbom;
use serde_json::Value;

use crate::support::engines;

/// A schema that CycloneDX publishes.
fn schema(name: &str) -> Value {
    let folder = engines::policy().join("cyclonedx/schema/_res");
    let file = folder.join(format!("{name}.SNAPSHOT.schema.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The faults that the schema finds.
fn faults(bill: &Value) -> Vec<String> {
    let mut registry = jsonschema::Registry::new();
    for name in ["spdx", "jsf-0.82"] {
        let address = format!("http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json");
        registry = registry.add(address, schema(name)).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let validator = jsonschema::options()
        .with_registry(&registry)
        .build(&schema("bom-1.6"))
        .unwrap();
    let errors = validator.iter_errors(bill);
    errors
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect()
}

#[test]
fn the_bill_of_materials_is_cyclonedx() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut bill = sbom(root, &linked(root, &Features::default()).unwrap()).unwrap();
    assert_eq!(faults(&bill), [""; 0]);
    bill["components"][0]["type"] = "crate".into();
    bill["components"][1]["licenses"] = "MIT".into();
    let told = faults(&bill).join("\n");
    for place in ["/components/0", "/components/1"] {
        assert!(told.contains(place), "the schema is looked at: {told}");
    }
}
