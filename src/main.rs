//! The `klaviyo-export` program.
fn main() {}
