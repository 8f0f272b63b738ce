//! The bill of materials of the program, in CycloneDX's JSON (1.6): the crates that are linked, their digests, and which of
//! them needs which.
//!
//! It has no time and no serial number: the same Cargo.lock gives the same bytes.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::licenses::canonical;
use crate::linked::{Linked, PROGRAM};
use crate::{Error, read_toml};

/// The bill of materials of `crates`, of which one is the program.
pub fn sbom(root: &Path, crates: &[Linked]) -> Result<Value, Error> {
    let checksums = checksums(root)?;
    let mut program = Value::Null;
    let mut components = Vec::new();
    for linked in crates {
        let component = component(linked, &checksums)?;
        if linked.name == PROGRAM {
            program = component;
        } else {
            components.push(component);
        }
    }
    let dependencies: Vec<Value> = crates
        .iter()
        .map(|linked| {
            let needed = linked.dependencies.iter().map(|&at| purl(&crates[at]));
            json!({ "ref": purl(linked), "dependsOn": needed.collect::<Vec<_>>() })
        })
        .collect();
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": { "components": [{
                "type": "application",
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
            }] },
            "component": program,
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn component(linked: &Linked, checksums: &Checksums) -> Result<Value, Error> {
    let is_program = linked.name == PROGRAM;
    let mut component = json!({
        "type": if is_program { "application" } else { "library" },
        "bom-ref": purl(linked),
        "name": linked.name,
        "version": linked.version,
        "purl": purl(linked),
        "licenses": [{ "expression": canonical(linked)? }],
    });
    if let Some(checksum) = checksums.get(&linked.title()) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if let Some(repository) = &linked.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    Ok(component)
}

/// The name of a package that all registries share.
fn purl(linked: &Linked) -> String {
    // Versions may have build metadata after `+`.
    let version = linked.version.replace('+', "%2B");
    format!("pkg:cargo/{}@{version}", linked.name)
}

/// The SHA-256 of the archive of each crate, by name and version.
type Checksums = BTreeMap<String, String>;

fn checksums(root: &Path) -> Result<Checksums, Error> {
    let lock = read_toml(&root.join("Cargo.lock"))?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let packages = packages.into_iter().flatten();
    let found = packages.filter_map(|package| {
        let text = |key| package.get(key).and_then(toml::Value::as_str);
        let title = format!("{} {}", text("name")?, text("version")?);
        Some((title, text("checksum")?.to_owned()))
    });
    Ok(found.collect())
}
