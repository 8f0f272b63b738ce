//! Delivery of closed parts: uploads over SFTP and the check of what has arrived.

pub mod settings;
pub mod sftp;
pub mod ssh_config;
pub mod upload;
pub mod verify;
