//! Doc comments name the thing first: none opens with a question word.

use crate::layers::{folder, sources};

/// Words with which no doc comment opens.
const QUESTIONS: [&str; 5] = ["What", "Who", "Whom", "Why", "So"];

/// The first word of a line that begins or goes on with a doc comment.
fn first_word(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or(line.strip_prefix("//!"))?;
    text.split_whitespace().next()
}

#[test]
fn no_doc_comment_opens_with_a_question_word() {
    let mut found = Vec::new();
    for path in [
        "src",
        "crates",
        "tests",
        "bench",
        "fuzz/src",
        "fuzz/fuzz_targets",
    ]
    .iter()
    .flat_map(|name| sources(&folder(name)))
    {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            if first_word(line).is_some_and(|word| QUESTIONS.contains(&word)) {
                found.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(first_word("    /// What it is"), Some("What"));
    assert_eq!(first_word("//! So many"), Some("So"));
    assert_eq!(first_word("// What it is"), None);
}
