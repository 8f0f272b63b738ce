"""DuckDB's COPY: as much of the job as SQL says without a function of one's own.

usage: duckdb_copy.py AUDIENCE OUT.csv (any|first|none|lean)

`any` keeps one row of each key, whichever (the fastest formulation found), `first` the first, `none` all of them.
Phones get their country's prefix and are not checked. `lean` does less than the job: e-mail addresses are trimmed and made
lower case, phones stay as they are, and one row of each address is kept, whichever.
"""

import sys

import duckdb

EMAIL = r"[a-z0-9.!#$%&''*+=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}"
NORMALIZED = """
    SELECT
        CASE WHEN regexp_full_match(e, '@EMAIL@') THEN e END AS "Email",
        CASE
            WHEN length(d) < 7 THEN NULL
            WHEN d[1] = '+' THEN d
            WHEN d[1:2] = '00' THEN '+' || d[3:]
            WHEN country = 'US' AND length(d) = 11 AND d[1] = '1' THEN '+' || d
            WHEN country = 'US' AND length(d) = 10 THEN '+1' || d
            WHEN country = 'GB' AND d[1] = '0' THEN '+44' || d[2:]
            WHEN country = 'DE' AND d[1] = '0' THEN '+49' || d[2:]
            WHEN country = 'FR' AND d[1] = '0' THEN '+33' || d[2:]
        END AS "PhoneNumber",
        customer_id AS "ExternalID", first_name AS "FirstName", last_name AS "LastName", city AS "City",
        country AS "Country", postal_code AS "Zip", last_order AS "Last Order", total_spent AS "Total Spent",
        tier AS "Tier", notes AS "Notes"
    FROM (
        SELECT *, lower(trim(email)) AS e, replace(regexp_replace(phone, '[^0-9+]', '', 'g'), '(0)', '') AS d
        FROM read_csv('@AUDIENCE@', all_varchar = true, header = true, parallel = true)
    )
"""
KEYED = """
    SELECT *, coalesce("Email", "PhoneNumber", "ExternalID") AS k FROM (@NORMALIZED@)
    WHERE k IS NOT NULL
"""


LEAN = """
    SELECT
        e AS "Email", any_value(phone) AS "PhoneNumber", any_value(customer_id) AS "ExternalID",
        any_value(first_name) AS "FirstName", any_value(last_name) AS "LastName", any_value(city) AS "City",
        any_value(country) AS "Country", any_value(postal_code) AS "Zip", any_value(last_order) AS "Last Order",
        any_value(total_spent) AS "Total Spent", any_value(tier) AS "Tier", any_value(notes) AS "Notes"
    FROM (
        SELECT *, lower(trim(email)) AS e
        FROM read_csv('@AUDIENCE@', all_varchar = true, header = true, parallel = true)
    )
    GROUP BY e
"""


def keyed(audience):
    """The query of the rows of `audience`, each with its key `k`."""
    normalized = NORMALIZED.replace("@EMAIL@", EMAIL).replace("@AUDIENCE@", audience)
    return KEYED.replace("@NORMALIZED@", normalized)


def main():
    audience, out, keep = sys.argv[1:4]
    # `first` needs the place of each row; the others need no order.
    ordered = "true" if keep == "first" else "false"
    duckdb.sql(f"SET preserve_insertion_order = {ordered}")
    rows = keyed(audience)
    queries = {
        "lean": LEAN.replace("@AUDIENCE@", audience),
        "none": f"SELECT * EXCLUDE k FROM ({rows})",
        "any": f"SELECT any_value(COLUMNS(* EXCLUDE k)) FROM ({rows}) GROUP BY k",
        "first": f"SELECT * EXCLUDE (k, n) FROM (SELECT *, row_number() OVER () AS n FROM ({rows}))"
        " QUALIFY row_number() OVER (PARTITION BY k ORDER BY n) = 1",
    }
    duckdb.sql(f"COPY ({queries[keep]}) TO '{out}' (FORMAT csv, HEADER)")


if __name__ == "__main__":
    main()
