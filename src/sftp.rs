//! The SFTP client: connect, check the host key, log in, send a file, look at it.
