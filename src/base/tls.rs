//! The library of cryptography under TLS: ring, for Klaviyo's API, PostgreSQL and object stores alike.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The algorithms of ring.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Makes ring what this process uses where a library asks for no other.
#[cfg(feature = "cloud")]
pub(crate) fn install() {
    // An error says that there is one already, which is ring as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
