"""The usual script: pandas, all rows in memory. usage: pandas_script.py AUDIENCE OUT.csv"""

import sys

import pandas as pd

audience, out = sys.argv[1:3]
EMAIL = r"[a-z0-9.!#$%&'*+=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}"
rows = pd.read_csv(audience, dtype=str, keep_default_na=False)
email = rows["email"].str.strip().str.lower()
rows["email"] = email.where(email.str.fullmatch(EMAIL), "")
digits = rows["phone"].str.replace(r"[^0-9+]", "", regex=True)
digits = digits.where(digits.str.len() >= 7, "").str.replace(r"^00", "+", regex=True)
for country, prefix in {"US": "+1", "GB": "+44", "DE": "+49", "FR": "+33"}.items():
    national = (rows["country"] == country) & (digits != "") & ~digits.str.startswith("+")
    digits = digits.mask(national, prefix + digits.str.lstrip("0"))
rows["phone"] = digits
key = rows["email"].where(rows["email"] != "", rows["phone"])
key = key.where(key != "", rows["customer_id"])
rows = rows[(key != "") & ~key.duplicated()]
rows.to_csv(out, index=False)
