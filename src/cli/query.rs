//! Flags that stand for a query and where it runs.

use clap::Args;

/// A query, and its connection: what a job file has in `[audience]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "A query instead of files")]
pub struct QueryArgs {
    /// The query whose result is the audience
    #[arg(long, value_name = "SQL", conflicts_with_all = ["files", "query_file"])]
    pub query: Option<String>,
    /// The file that contains the query
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub query_file: Option<String>,
    /// The PostgreSQL server; without a value, the PG* variables name it
    #[arg(long, value_name = "postgresql://HOST/DATABASE", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["adbc", "files"])]
    pub postgres: Option<String>,
    /// Environment variable with the password of the PostgreSQL server
    #[arg(long, value_name = "VARIABLE", requires = "postgres")]
    pub postgres_password_env: Option<String>,
    /// The ADBC driver of an engine: a name, or a library's absolute path
    #[arg(long, value_name = "DRIVER", conflicts_with = "files")]
    pub adbc: Option<String>,
    /// The library's entry point
    #[arg(long, value_name = "NAME", requires = "adbc")]
    pub adbc_entrypoint: Option<String>,
    /// The address of the database
    #[arg(long, value_name = "URI", requires = "adbc")]
    pub adbc_uri: Option<String>,
    /// An option of the driver; may be given several times
    #[arg(long, value_name = "KEY=VALUE", requires = "adbc")]
    pub adbc_option: Vec<String>,
    /// An option of the driver whose value is a secret, and the environment variable with it; may be given several times
    #[arg(long, value_name = "KEY=VARIABLE", requires = "adbc")]
    pub adbc_option_env: Vec<String>,
}

impl QueryArgs {
    /// Whether the audience is a query.
    pub fn is_given(&self) -> bool {
        *self != Self::default()
    }
}
