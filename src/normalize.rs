//! The second stage: a record becomes a profile row or a rejection.
