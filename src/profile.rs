//! Klaviyo's profile: its headers and their kinds.
