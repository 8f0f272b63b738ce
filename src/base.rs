//! Building blocks that know nothing of audiences, parts or Klaviyo. Each file is used by two groups or more.

pub mod csv;
pub(crate) mod durable;
pub mod environment;
pub mod exit_code;
pub mod http;
pub mod interrupt;
pub mod meter;
pub(crate) mod near_name;
pub(crate) mod page_cache;
pub(crate) mod pool;
pub(crate) mod private_file;
pub mod retry;
pub mod secret;
pub mod text;
pub(crate) mod tls;
