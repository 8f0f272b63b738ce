"""Polars' streaming engine: as much of the job as its expressions say.

usage: polars_sink.py AUDIENCE OUT.csv (any|none)

`any` keeps one row of each key, whichever, `none` all of them. Phones get their country's prefix and are not checked.
"""

import sys

import polars as pl

audience, out, keep = sys.argv[1:4]
EMAIL = r"^[a-z0-9.!#$%&'*+=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}$"
e = pl.col("email").str.strip_chars().str.to_lowercase()
d = pl.col("phone").str.replace_all(r"[^0-9+]", "")
is_in = lambda country: (pl.col("country") == country) & d.str.starts_with("0")
phone = (
    pl.when(d.str.len_bytes() < 7).then(None)
    .when(d.str.starts_with("+")).then(d)
    .when(d.str.starts_with("00")).then("+" + d.str.slice(2))
    .when((pl.col("country") == "US") & (d.str.len_bytes() == 11)).then("+" + d)
    .when((pl.col("country") == "US") & (d.str.len_bytes() == 10)).then("+1" + d)
    .when(is_in("GB")).then("+44" + d.str.slice(1))
    .when(is_in("DE")).then("+49" + d.str.slice(1))
    .when(is_in("FR")).then("+33" + d.str.slice(1))
)
rows = pl.scan_csv(audience, infer_schema=False).with_columns(
    email=pl.when(e.str.contains(EMAIL)).then(e), phone=phone
)
rows = rows.with_columns(k=pl.coalesce("email", "phone", "customer_id")).filter(pl.col("k").is_not_null())
if keep == "any":
    rows = rows.unique(subset="k", keep="any")
rows.drop("k").sink_csv(out)
