//! The built-in SFTP server that stands in for Klaviyo's, on loopback only.
