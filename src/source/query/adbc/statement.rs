//! Tells a query that only reads from one that may write, before a driver is given it.
//!
//! A parser's word counts where it understands the text. Where it does not, the words outside quotes and comments decide:
//! a query is taken to read only if none of them writes. Functions that change something are beyond both.

use std::ops::ControlFlow;

use sqlparser::ast::{Query, Select, Statement, Visit, Visitor};
use sqlparser::dialect::{
    BigQueryDialect, ClickHouseDialect, DatabricksDialect, Dialect, DuckDbDialect, GenericDialect,
    HiveDialect, MsSqlDialect, MySqlDialect, OracleDialect, PostgreSqlDialect, RedshiftSqlDialect,
    SQLiteDialect, SnowflakeDialect, SparkSqlDialect,
};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::exact;

/// Longer texts are not parsed: a chain of as many operators is a tree as deep, and each level takes stack.
const MOST_TOKENS: usize = 20_000;

/// Enough stack for such a tree, which the parser's own limit of depth does not bound.
const STACK_BYTES: usize = 256 << 20;

/// The words that a statement may begin with to count as one that reads.
const READING: [&str; 5] = ["SELECT", "WITH", "VALUES", "FROM", "TABLE"];

/// Words that occur in statements that change something, and in no statement that only reads.
const WRITING: [&str; 26] = [
    "ALTER",
    "ATTACH",
    "CALL",
    "COPY",
    "CREATE",
    "DELETE",
    "DETACH",
    "DROP",
    "EXEC",
    "EXECUTE",
    "EXPORT",
    "GRANT",
    "INSERT",
    "INSTALL",
    "INTO",
    "LOCK",
    "MERGE",
    "OVERWRITE",
    "PRAGMA",
    "PURGE",
    "REVOKE",
    "TRUNCATE",
    "UNLOAD",
    "UPDATE",
    "UPSERT",
    "VACUUM",
];

/// The effects of a query, as far as its text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QueryEffect {
    /// It is one statement that reads.
    Reads,
    /// It is one statement that may write, by this word.
    Writes(String),
    /// It is several statements.
    Several,
    /// It is no text of the engine's language, or none that is understood.
    Unclear,
}

/// Judges the text of a query of this driver.
pub(super) fn judge(text: &str, driver: &str) -> QueryEffect {
    let judging = || {
        let verdicts = dialects(driver).into_iter().map(|it| judge_by(&*it, text));
        verdicts.max_by_key(gravity).unwrap_or(QueryEffect::Unclear)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("query-text".to_owned())
            .stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, judging) {
            Ok(judged) => judged.join().unwrap_or(QueryEffect::Unclear),
            Err(_) => QueryEffect::Unclear,
        }
    })
}

/// The languages in which a driver may read a text. Of one that is not known, two that differ in where texts and comments
/// end: a backslash before a quote, a comment in a comment.
fn dialects(driver: &str) -> Vec<Box<dyn Dialect>> {
    let is = |word: &str| exact::is_of(driver, word);
    let one: Box<dyn Dialect> = match () {
        () if is("duckdb") => Box::new(DuckDbDialect {}),
        () if is("sqlite") => Box::new(SQLiteDialect {}),
        () if is("snowflake") => Box::new(SnowflakeDialect),
        () if is("bigquery") => Box::new(BigQueryDialect {}),
        () if is("redshift") => Box::new(RedshiftSqlDialect {}),
        () if is("postgres") => Box::new(PostgreSqlDialect {}),
        () if is("databricks") => Box::new(DatabricksDialect {}),
        () if is("spark") => Box::new(SparkSqlDialect {}),
        () if is("hive") => Box::new(HiveDialect {}),
        () if is("mysql") || is("mariadb") => Box::new(MySqlDialect {}),
        () if is("mssql") || is("sqlserver") => Box::new(MsSqlDialect {}),
        () if is("clickhouse") => Box::new(ClickHouseDialect {}),
        () if is("oracle") => Box::new(OracleDialect {}),
        () => return vec![Box::new(GenericDialect {}), Box::new(MySqlDialect {})],
    };
    vec![one]
}

/// Of several verdicts the gravest one counts.
fn gravity(verdict: &QueryEffect) -> u8 {
    match verdict {
        QueryEffect::Reads => 0,
        QueryEffect::Unclear => 1,
        QueryEffect::Writes(_) => 2,
        QueryEffect::Several => 3,
    }
}

fn judge_by(dialect: &dyn Dialect, text: &str) -> QueryEffect {
    let Ok(tokens) = Tokenizer::new(dialect, text).tokenize() else {
        return QueryEffect::Unclear;
    };
    let by_words = StatementWords::of(&tokens);
    if tokens.len() > MOST_TOKENS {
        return by_words.verdict();
    }
    let parsed = Parser::new(dialect).with_tokens(tokens).parse_statements();
    match parsed.as_deref() {
        Err(_) => by_words.verdict(),
        Ok([]) => QueryEffect::Unclear,
        Ok([statement]) => of_statement(statement, &by_words),
        Ok(_) => QueryEffect::Several,
    }
}

fn of_statement(statement: &Statement, words: &StatementWords) -> QueryEffect {
    match statement.visit(&mut WriteSearch { is_inside: false }) {
        ControlFlow::Continue(()) => QueryEffect::Reads,
        ControlFlow::Break(Some(word)) => QueryEffect::Writes(word.to_owned()),
        ControlFlow::Break(None) => words.of_writer(),
    }
}

/// Looks for a part of a statement that writes. It breaks off with its word, if that is not to be told by the text.
struct WriteSearch {
    /// Whether the outermost statement was seen: every other one is part of a query that writes.
    is_inside: bool,
}

impl Visitor for WriteSearch {
    type Break = Option<&'static str>;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Self::Break> {
        let is_inside = std::mem::replace(&mut self.is_inside, true);
        match statement {
            Statement::Query(_) if !is_inside => ControlFlow::Continue(()),
            _ => ControlFlow::Break(None),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        if query.locks.is_empty() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(Some("FOR UPDATE"))
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        match select.into {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(Some("INTO")),
        }
    }
}

/// The words of a text outside quotes and comments.
struct StatementWords {
    /// The first one.
    first: Option<String>,
    /// The first one that writes.
    writing: Option<String>,
    /// Whether something follows a semicolon.
    are_several: bool,
    /// Whether every parenthesis has its other one, so that the text can stand in parentheses itself.
    is_balanced: bool,
}

impl StatementWords {
    fn of(tokens: &[Token]) -> Self {
        let mut words = Self {
            first: None,
            writing: None,
            are_several: false,
            is_balanced: true,
        };
        let mut has_ended = false;
        let mut depth = 0_i64;
        for token in tokens {
            match token {
                Token::Whitespace(_) | Token::EOF => continue,
                Token::SemiColon => {
                    has_ended = true;
                    continue;
                }
                Token::Word(word) if word.quote_style.is_none() => {
                    let word = word.value.to_ascii_uppercase();
                    if words.writing.is_none() && WRITING.contains(&&*word) {
                        words.writing = Some(word.clone());
                    }
                    words.first.get_or_insert(word);
                }
                // A query may stand in parentheses.
                Token::LParen => depth += 1,
                Token::RParen => {
                    depth -= 1;
                    words.is_balanced &= depth >= 0;
                    words.first.get_or_insert_default();
                }
                // Whatever begins with something else begins with no word that reads.
                _ => {
                    words.first.get_or_insert_default();
                }
            }
            words.are_several |= has_ended;
        }
        words.is_balanced &= depth == 0;
        words
    }

    /// The verdict by the words alone.
    fn verdict(self) -> QueryEffect {
        let reads = |word: &str| READING.contains(&word);
        match self {
            Self {
                are_several: true, ..
            } => QueryEffect::Several,
            Self {
                writing: Some(word),
                ..
            } => QueryEffect::Writes(word),
            Self {
                first: Some(word),
                is_balanced: true,
                ..
            } if reads(&word) => QueryEffect::Reads,
            _ => QueryEffect::Unclear,
        }
    }

    /// The verdict on a statement that is known not to read.
    fn of_writer(&self) -> QueryEffect {
        let first = self.first.as_ref();
        let word = self.writing.as_ref().or(first);
        QueryEffect::Writes(word.cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIVERS: [&str; 15] = [
        "duckdb",
        "/opt/libadbc_driver_sqlite.so",
        "snowflake",
        "adbc_driver_bigquery",
        "postgresql",
        "redshift",
        "databricks",
        "spark",
        "hive",
        "mysql",
        "mssql",
        "clickhouse",
        "oracle",
        "exasol",
        "/opt/libduckdb.so",
    ];

    #[test]
    fn statements_that_write_are_told_in_every_language() {
        let table = include_str!("../../../../fixtures/queries/writing.sql");
        let statements: Vec<&str> = table.lines().filter(|it| !it.starts_with("-- ")).collect();
        assert!(statements.len() >= 62, "{}", statements.len());
        for statement in statements {
            for driver in DRIVERS {
                assert_ne!(
                    judge(statement, driver),
                    QueryEffect::Reads,
                    "{driver}: {statement}"
                );
            }
        }
    }

    #[test]
    fn queries_that_read_are_let_through() {
        let every = [
            "SELECT email FROM people",
            "select email from people where name = 'it''s; DROP TABLE people --'",
            "WITH a AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT x FROM b ORDER BY x LIMIT 3",
            "(SELECT a FROM t) UNION ALL (SELECT b FROM u)",
            "SELECT 1; -- DELETE FROM people",
            "/* DROP TABLE people; */ SELECT 1 ;;",
            "SELECT CASE WHEN a > 1 THEN 'delete' ELSE 'insert' END AS action FROM t",
            "SELECT count(*) FROM (SELECT 1 AS a) AS q",
        ];
        for query in every {
            for driver in DRIVERS {
                assert_eq!(
                    judge(query, driver),
                    QueryEffect::Reads,
                    "{driver}: {query}"
                );
            }
        }
        for (driver, query) in [
            ("duckdb", "FROM people"),
            ("duckdb", "FROM 'people.csv' SELECT email"),
            (
                "duckdb",
                "SELECT * EXCLUDE (id) REPLACE (lower(email) AS email) FROM read_csv('a.csv')",
            ),
            (
                "duckdb",
                "SELECT list(DISTINCT a ORDER BY a), x[1:2] FROM 'a.parquet' GROUP BY ALL",
            ),
            ("duckdb", "SELECT \"update\", \"into\" FROM \"delete\""),
            ("duckdb", "SELECT $$DELETE; DROP$$ AS a"),
            ("duckdb", "VALUES (1, 'a')"),
            (
                "duckdb",
                "SELECT a FROM t WHERE a = ? AND b = $2 AND c = $name",
            ),
            ("sqlite", "SELECT replace(a, 'b', 'c') FROM t WHERE d = :e"),
            ("sqlite", "SELECT [update] FROM `delete`"),
            ("postgresql", "TABLE people"),
            (
                "postgresql",
                "SELECT a::text, b->>'c' FROM t WHERE d = E'it\\'s; DELETE'",
            ),
            (
                "snowflake",
                "SELECT a:b::string FROM t QUALIFY row_number() OVER (PARTITION BY a ORDER BY b) = 1",
            ),
            (
                "bigquery",
                "SELECT `a.b.c`.email FROM `project.set.table` WHERE d = 'it\\'s; DELETE'",
            ),
            (
                "spark",
                "SELECT email FROM parquet.`/a/b` LATERAL VIEW explode(c) AS d",
            ),
            // No parser of these languages: the words decide.
            (
                "duckdb",
                "SELECT unnest(a, recursive := true), COLUMNS('x.*') FROM t ASOF JOIN u USING (a) !!",
            ),
        ] {
            assert_eq!(
                judge(query, driver),
                QueryEffect::Reads,
                "{driver}: {query}"
            );
        }
    }

    #[test]
    fn several_statements_are_no_query() {
        for query in [
            "SELECT 1; SELECT 2",
            "SELECT 1; DROP TABLE people",
            "SET a = 1; SELECT 1",
            "BEGIN; SELECT 1; COMMIT",
            "SELECT !! ; SELECT 2",
        ] {
            for driver in DRIVERS {
                assert_eq!(
                    judge(query, driver),
                    QueryEffect::Several,
                    "{driver}: {query}"
                );
            }
        }
    }

    #[test]
    fn what_hides_in_one_language_does_not_in_another() {
        let backslash = r"SELECT '\'; DROP TABLE people; --'";
        assert_eq!(judge(backslash, "sqlite"), QueryEffect::Several);
        assert_eq!(judge(backslash, "bigquery"), QueryEffect::Reads);
        let nested = "SELECT 1 /* /* */; DROP TABLE people -- */";
        assert_eq!(judge(nested, "sqlite"), QueryEffect::Several);
        assert_eq!(judge(nested, "duckdb"), QueryEffect::Reads);
        for hidden in [backslash, nested] {
            assert_eq!(judge(hidden, "exasol"), QueryEffect::Several, "{hidden}");
        }
    }

    #[test]
    fn words_say_what_writes() {
        for (query, word) in [
            ("DELETE FROM people RETURNING email", "DELETE"),
            (
                "WITH d AS (DELETE FROM people RETURNING email) SELECT email FROM d",
                "DELETE",
            ),
            ("SELECT email INTO other FROM people", "INTO"),
            ("SELECT email FROM people FOR UPDATE", "FOR UPDATE"),
            ("COPY people TO 'a.csv'", "COPY"),
            ("SHOW TABLES", "SHOW"),
        ] {
            let expected = QueryEffect::Writes(word.to_owned());
            assert_eq!(judge(query, "postgresql"), expected, "{query}");
        }
        for query in ["", "-- nothing", "12", "GARBAGE IN"] {
            assert_eq!(judge(query, "postgresql"), QueryEffect::Unclear, "{query}");
        }
    }

    #[test]
    fn long_and_deep_texts_are_judged() {
        let long = format!("SELECT 1 WHERE a = 0{}", " OR a = 1".repeat(100_000));
        let within = format!("SELECT 1 WHERE a = 0{}", " OR a = 1".repeat(2_000));
        let deep = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        for text in [&long, &within, &deep] {
            assert_eq!(judge(text, "duckdb"), QueryEffect::Reads);
            let writing = format!("{text} INTO b");
            assert_ne!(judge(&writing, "duckdb"), QueryEffect::Reads);
        }
    }
}
