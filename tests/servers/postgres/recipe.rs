//! The recipe of docs/recipes/postgresql.md, with the tables of a small shop: its user, its query, its job file.

use super::{Postgres, Workspace};

const PAGE: &str = include_str!("../../../docs/recipes/postgresql.md");

const SHOP: &str = "
CREATE TABLE customers (id int PRIMARY KEY, email text, phone text, first_name text, last_name text, city text, country text,
    accepts_email bool);
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int, total numeric(12,2), created_at timestamptz);
INSERT INTO customers VALUES
    (1, 'Zoe@Example.com', '(212) 555-0110', 'Zoe', 'Miller', 'Columbus', 'US', true),
    (2, 'yan@example.com', NULL, 'Yan', 'Novak', 'Praha', 'CZ', false),
    (3, 'ana@example.com', '0151 23456789', 'Ana', 'Lopez', 'Berlin', 'DE', true),
    (4, 'old@example.com', NULL, 'Old', 'Customer', 'Austin', 'US', true);
INSERT INTO orders (customer_id, total, created_at) VALUES
    (1, 120.50, date_trunc('year', now())), (1, 0.50, date_trunc('year', now())), (2, 9, now()), (3, 89, date_trunc('year', now())),
    (4, 5, '2001-01-01');
";

/// The blocks of the page in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let rest = PAGE.split(&fence).skip(1);
    rest.map(|block| block.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_recipe_gives_one_row_for_each_customer_who_may_be_written_to() {
    let server = Postgres::start();
    server.shop(SHOP);
    let [user, query] = blocks("sql")[..] else {
        panic!("the page has a block for the user and one for the query");
    };
    server.sql_in("shop", user);
    let workspace = Workspace::new();
    workspace.write("vip.toml", blocks("toml")[0]);
    workspace.write("vip.sql", query);
    let url = format!(
        "audience.postgres=postgresql://exporter@127.0.0.1:{}/shop",
        server.port
    );
    let dry = ["run", "vip.toml", "--dry-run", "--set", &url];
    let password = [("PGPASSWORD", "...")];
    workspace.run_with_env(&dry, &password).exits(0);
    let part = workspace.parts("vip").pop().unwrap();
    let mut rows: Vec<&str> = part.lines().collect();
    assert_eq!(
        rows.remove(0),
        "Email,PhoneNumber,ExternalID,FirstName,LastName,City,Country,Orders,Spent,Last Order"
    );
    rows.sort_unstable();
    let without_time = |row: &str| row.rsplit_once(',').unwrap().0.to_owned();
    let rows: Vec<String> = rows.into_iter().map(without_time).collect();
    assert_eq!(
        rows,
        [
            "\"ana@example.com\",\"+4915123456789\",\"3\",Ana,Lopez,Berlin,DE,1,89.00",
            "\"zoe@example.com\",\"+12125550110\",\"1\",Zoe,Miller,Columbus,US,2,121.00",
        ]
    );
    // A name that the server has made lower case.
    let upper = blocks("toml")[0].replace("\nemail = ", "\nEmail = ");
    workspace.write("vip.toml", upper);
    let refused = workspace.run_with_env(&dry, &password).exits(12);
    for piece in ["has no column `Email`", "did you mean `email`"] {
        assert!(refused.error().contains(piece), "{}", refused.error());
    }
}
