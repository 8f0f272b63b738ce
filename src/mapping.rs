//! Which source column goes under which Klaviyo header.
