//! PostgreSQL's codes in our words (<https://www.postgresql.org/docs/current/errcodes-appendix.html>, read 2026-11-23).

/// The meaning of a SQLSTATE.
pub(super) fn of(code: &str) -> &'static str {
    let words = match code {
        "42601" => "a syntax error, or more than one statement",
        "42P01" => "no such table",
        "42703" => "no such column",
        "42883" => "no such function, or not for these types",
        "42702" => "a column's name is ambiguous",
        "42804" => "types do not fit together",
        "42803" => "a column is neither grouped nor aggregated",
        "42501" => "the user is not permitted to do this",
        "42P07" => "a table with this name exists already",
        "3F000" => "no such schema",
        "25006" => "it writes, and a query runs in a read-only transaction",
        "22012" => "a division by zero",
        "57014" => "cancelled by an operator or by a timeout of the server",
        "53100" => "the server's disk is full",
        "53200" => "the server is out of memory",
        "53300" => "the server has too many connections",
        "57P03" => "the server is starting or stopping",
        "55P03" => "a lock was not available in time",
        "40001" | "40P01" => "it collided with another transaction; run it again",
        _ => "",
    };
    if !words.is_empty() {
        return words;
    }
    match code.get(..2) {
        Some("22") => "a value does not fit",
        Some("23") => "a constraint forbids it",
        Some("42") => "the statement is not valid",
        Some("53") => "the server lacks resources",
        Some("0A") => "the server does not support it",
        Some("XX") => "an internal error of the server",
        _ => "the server refused it",
    }
}

/// Whether the code says that the server ended the connection.
pub(super) fn ends_connection(code: &str) -> bool {
    code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03")
}
