//! Rules of names: a doc comment names the thing first, each parameter has a name, and a name stands for one type.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use crate::layers::{folder, sources};

/// Words with which no doc comment opens.
const QUESTIONS: [&str; 5] = ["What", "Who", "Whom", "Why", "So"];

/// The first word of a line that begins or goes on with a doc comment.
fn first_word(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or(line.strip_prefix("//!"))?;
    let word = text.split_whitespace().next()?;
    Some(word.trim_end_matches(|c: char| c.is_ascii_punctuation()))
}

#[test]
fn no_doc_comment_opens_with_a_question_word() {
    let mut found = Vec::new();
    for path in [
        "src",
        "crates",
        "tests",
        "bench",
        "fuzz/src",
        "fuzz/fuzz_targets",
    ]
    .iter()
    .flat_map(|name| sources(&folder(name)))
    {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            if first_word(line).is_some_and(|word| QUESTIONS.contains(&word)) {
                found.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(first_word("    /// What it is"), Some("What"));
    assert_eq!(first_word("//! So many"), Some("So"));
    assert_eq!(first_word("/// What."), Some("What"));
    assert_eq!(first_word("// What it is"), None);
}

/// The functions of a file that take several values as one parameter.
#[derive(Default)]
struct TupleFunctions(Vec<String>);

impl<'a> Visit<'a> for TupleFunctions {
    fn visit_signature(&mut self, signature: &'a syn::Signature) {
        for input in &signature.inputs {
            if let syn::FnArg::Typed(parameter) = input
                && is_tuple(&parameter.ty)
            {
                self.0.push(signature.ident.to_string());
            }
        }
        visit::visit_signature(self, signature);
    }
}

/// Whether a parameter of this type is a tuple, or a reference to one.
fn is_tuple(parameter: &syn::Type) -> bool {
    match parameter {
        syn::Type::Reference(reference) => is_tuple(&reference.elem),
        syn::Type::Tuple(tuple) => !tuple.elems.is_empty(),
        _ => false,
    }
}

fn tuple_functions(text: &str) -> Vec<String> {
    let mut found = TupleFunctions::default();
    found.visit_file(&syn::parse_file(text).unwrap());
    found.0
}

/// The files of the program and of the sandbox.
fn program() -> impl Iterator<Item = PathBuf> {
    let folders = ["src", "crates"].into_iter();
    folders.flat_map(|name| sources(&folder(name)))
}

#[test]
fn no_function_takes_a_tuple() {
    for path in program() {
        let found = tuple_functions(&std::fs::read_to_string(&path).unwrap());
        assert_eq!(found, [""; 0], "{}", path.display());
    }
    let text = "fn one((a, b): (u8, u8)) {} fn two(a: u8, b: &(u8, u8)) {} fn three(a: ()) {}";
    assert_eq!(tuple_functions(text), ["one", "two"]);
}

/// The types that these items define, unit tests aside.
fn types(items: &[syn::Item], found: &mut Vec<String>) {
    for item in items {
        let (name, attributes) = match item {
            syn::Item::Struct(item) => (&item.ident, &item.attrs),
            syn::Item::Enum(item) => (&item.ident, &item.attrs),
            syn::Item::Trait(item) => (&item.ident, &item.attrs),
            syn::Item::Type(item) => (&item.ident, &item.attrs),
            syn::Item::Mod(inner) if !is_for_tests(&inner.attrs) => {
                if let Some((_, items)) = &inner.content {
                    types(items, found);
                }
                continue;
            }
            _ => continue,
        };
        if !is_for_tests(attributes) {
            found.push(name.to_string());
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => {
            list.path.is_ident("cfg") && list.tokens.to_string().contains("test")
        }
        _ => false,
    })
}

/// Whether a file is a module of unit tests.
fn is_of_tests(path: &Path) -> bool {
    let is_tests = |name: &std::ffi::OsStr| name == "tests" || name == "tests.rs";
    path.iter().any(is_tests)
}

#[test]
fn no_name_stands_for_two_types() {
    let root = folder("src");
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources(&root) {
        let below = path.strip_prefix(&root).unwrap();
        if is_of_tests(below) {
            continue;
        }
        let file = syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut found = Vec::new();
        types(&file.items, &mut found);
        // A module that takes the place of a feature's is never in a build together with it.
        let module = below.to_str().unwrap().replace("_absent.rs", ".rs");
        for name in found {
            modules.entry(name).or_default().insert(module.clone());
        }
    }
    assert!(modules.len() > 500, "the reading of types is broken");
    let shared: Vec<_> = modules
        .iter()
        .filter(|(_, named)| named.len() > 1)
        .collect();
    assert!(shared.is_empty(), "{shared:#?}");
    let text = "struct A; mod b { enum B {} } #[cfg(test)] mod c { struct C; } type D = A;";
    let mut found = Vec::new();
    types(&syn::parse_file(text).unwrap().items, &mut found);
    assert_eq!(found, ["A", "B", "D"]);
}
