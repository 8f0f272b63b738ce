//! Which source column goes under which Klaviyo header.

#[cfg(test)]
mod exports;
pub mod guess;
mod spellings;
