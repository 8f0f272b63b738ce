//! A deterministic automaton over the ten digits, made of the patterns of a numbering plan.
//!
//! `regex-automata` finds the states; here they become a table with one row of ten per state, so that a digit costs one
//! look-up. Text is a slice of digit values, 0 to 9.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

/// The state from which nothing matches any more.
const DEAD: u16 = 0;

/// Tells what is known of a text of digits; `V` is the verdict on a text that ends in a state.
#[derive(Debug)]
pub(super) struct DigitAutomaton<V> {
    states: Vec<State<V>>,
}

#[derive(Debug, Clone)]
struct State<V> {
    next: [u16; 10],
    verdict: V,
}

impl DigitAutomaton<bool> {
    /// Accepts what `pattern` matches from its first digit to its last; nothing where there is no pattern.
    pub(super) fn whole(pattern: Option<&str>) -> Option<Self> {
        let patterns: Vec<&str> = pattern.into_iter().collect();
        Self::build(&patterns, MatchKind::All, |matches| matches.contains(&true))
    }

    /// Accepts the prefixes among which a regular expression finds its match; see [`Self::prefix`].
    pub(super) fn prefixes(pattern: Option<&str>) -> Option<Self> {
        let patterns: Vec<&str> = pattern.into_iter().collect();
        Self::build(&patterns, MatchKind::LeftmostFirst, |matches| {
            matches.contains(&true)
        })
    }

    /// True when the whole text is accepted.
    pub(super) fn accepts(&self, digits: &[u8]) -> bool {
        *self.judge(digits)
    }

    /// The length of the prefix that a search from the first digit finds: leftmost-first, as in Perl.
    pub(super) fn prefix(&self, digits: &[u8]) -> Option<usize> {
        let mut state = &self.states[1];
        let mut found = state.verdict.then_some(0);
        for (at, &digit) in digits.iter().enumerate() {
            let next = state.next[usize::from(digit)];
            if next == DEAD {
                break;
            }
            state = &self.states[usize::from(next)];
            if state.verdict {
                found = Some(at + 1);
            }
        }
        found
    }
}

impl<V: Clone> DigitAutomaton<V> {
    /// An automaton whose verdict is `judge` of which patterns match the whole text. `None` for a pattern that is no
    /// regular expression without look-around, or for more states than 16 bits count.
    pub(super) fn of(patterns: &[&str], judge: impl Fn(&[bool]) -> V) -> Option<Self> {
        Self::build(patterns, MatchKind::All, judge)
    }

    /// The verdict on the whole text.
    pub(super) fn judge(&self, digits: &[u8]) -> &V {
        let mut state = 1;
        for &digit in digits {
            state = usize::from(self.states[state].next[usize::from(digit)]);
        }
        &self.states[state].verdict
    }

    fn build(patterns: &[&str], kind: MatchKind, judge: impl Fn(&[bool]) -> V) -> Option<Self> {
        let config = dense::Config::new()
            .match_kind(kind)
            .start_kind(StartKind::Anchored);
        // The patterns' \d is 0-9 in a text that has no other digits.
        let ascii = syntax::Config::new().unicode(false).utf8(false);
        let dfa = dense::Builder::new()
            .configure(config)
            .syntax(ascii)
            .build_many(patterns)
            .ok()?;
        let start = start::Config::new().anchored(Anchored::Yes);
        let first = dfa.start_state(&start).ok()?;
        let mut found = vec![first];
        let mut numbers = HashMap::from([(first, 1)]);
        let none = vec![false; patterns.len()];
        let mut states = vec![State {
            next: [DEAD; 10],
            verdict: judge(&none),
        }];
        let mut at = 0;
        while let Some(&id) = found.get(at) {
            let mut next = [DEAD; 10];
            for (digit, place) in (b'0'..).zip(&mut next) {
                let to = dfa.next_state(id, digit);
                if dfa.is_dead_state(to) {
                    continue;
                }
                *place = match numbers.entry(to) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => {
                        found.push(to);
                        *new.insert(u16::try_from(found.len()).ok()?)
                    }
                };
            }
            let verdict = judge(&matches(&dfa, id, none.clone()));
            states.push(State { next, verdict });
            at += 1;
        }
        Some(Self { states })
    }
}

/// Which patterns match a text that ends in the state.
fn matches(dfa: &dense::DFA<Vec<u32>>, id: StateID, mut matches: Vec<bool>) -> Vec<bool> {
    let end = dfa.next_eoi_state(id);
    if dfa.is_match_state(end) {
        for index in 0..dfa.match_len(end) {
            matches[dfa.match_pattern(end, index).as_usize()] = true;
        }
    }
    matches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn a_prefix_is_the_one_that_a_regular_expression_finds() {
        for (pattern, text, prefix) in [
            ("00|011", "0111", Some(3)),
            ("0|00", "001", Some(1)),
            ("0(?:0|1)?", "015", Some(2)),
            ("(?:1)?", "23", Some(0)),
            ("8~?10", "8105", Some(3)),
            ("0", "1", None),
        ] {
            let automaton = DigitAutomaton::prefixes(Some(pattern)).unwrap();
            assert_eq!(automaton.prefix(&digits(text)), prefix, "{pattern} {text}");
        }
        let none = DigitAutomaton::prefixes(None).unwrap();
        assert_eq!(none.prefix(&digits("123")), None);
    }

    #[test]
    fn a_verdict_knows_every_pattern_that_matches() {
        let automaton = DigitAutomaton::of(&[r"1\d{2}", r"\d{3,4}", "2[0-9]*"], <[bool]>::to_vec);
        let automaton = automaton.unwrap();
        assert_eq!(automaton.judge(&digits("123")), &[true, true, false]);
        assert_eq!(automaton.judge(&digits("2345")), &[false, true, true]);
        assert_eq!(automaton.judge(&digits("12345")), &[false, false, false]);
    }

    proptest! {
        #[test]
        fn it_accepts_what_the_pattern_matches(
            pattern in r"[1-3]{1,3}(\|[1-3]{1,3}|\[12\]|\\d\{1,2\}|\(\?:1\|2\[3-5\]\)){0,3}", text in "[1-5]{1,6}"
        ) {
            let regex = regex_automata::dfa::regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
            let automaton = DigitAutomaton::whole(Some(&pattern)).unwrap();
            prop_assert_eq!(automaton.accepts(&digits(&text)), regex.is_match(&text));
        }
    }
}
