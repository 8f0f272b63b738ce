//! The outside of a key file of PuTTY (`.ppk`, versions 2 and 3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{KeyEnvelope, key_type_of};

/// A key of PuTTY: the fields stand in the clear, one on each line, and the public key in the lines that `Public-Lines` counts.
pub(super) fn look_at(text: &str) -> KeyEnvelope {
    let field = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.trim()))
    };
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with("Public-Lines: "));
    let count = field("Public-Lines").and_then(|count| count.parse().ok());
    let body: String = lines.skip(1).take(count.unwrap_or(0)).collect();
    let public = STANDARD
        .decode(body)
        .ok()
        .filter(|body| key_type_of(body).is_some());
    match (field("Encryption"), public) {
        (Some(encryption), Some(public)) => KeyEnvelope::Usable {
            encrypted: encryption != "none",
            public: Some(public),
        },
        _ => KeyEnvelope::Unusable("the PuTTY key in it is damaged".into()),
    }
}
