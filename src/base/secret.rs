//! Passphrases, passwords and keys: values that no log, error, manifest or report may show.

mod source;

pub use source::{SecretError, SecretSource};

use zeroize::Zeroizing;

use crate::base::environment::Environment;

/// A secret text. `Debug` and `Display` print `***`; only [`Secret::reveal`] gives the text. It is wiped from
/// memory with its last copy.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text into custody.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The value of a variable, if it is set and not empty.
    pub fn of_variable(environment: &Environment, name: &str) -> Option<Self> {
        environment.get(name).map(|text| Self::new(text.to_owned()))
    }

    /// The text itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("***")
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("***")
    }
}
