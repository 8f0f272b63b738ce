#!/usr/bin/env python3
"""Compares phone numbers with Google's library, in its Python port `phonenumbers` of the same metadata release.

usage: tests/support/phones.py PROGRAM [--count 100000] [--seed 1]

By a Python that has phonenumbers 9.0.42, as the one of tests/engines. Makes numbers of every region out of the library's
examples, in many ways of writing and with typing errors, formats them with PROGRAM, and names each one that differs.
"""

import argparse
import csv
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import phonenumbers as reference
from phonenumbers import PhoneNumberFormat, PhoneNumberType

JOB = """
name = "phones"
[audience]
files = ["numbers.csv"]
primary-key = "external_id"
[columns]
id = "ExternalID"
number = "PhoneNumber"
[normalize]
country-column = "region"
[state]
directory = "state"
"""
# What a typing error puts in or leaves behind; the last ones are never plain.
PIECES = list("0123456789") + ["00", " ", "-", "(0)", ".", "/", "+", "011 ", " ext. 5", "x12", "#", "a", "\uff15"]
# The most digits of E.164: longer numbers are refused though the library takes some of Germany's.
MAX_DIGITS = 15


def examples():
    for region in sorted(reference.SUPPORTED_REGIONS):
        numbers = [reference.example_number_for_type(region, kind) for kind in PhoneNumberType.values()]
        written = []
        for number in filter(None, numbers):
            written += [reference.format_number(number, form) for form in (0, 1, 2)]
            written += [reference.format_out_of_country_calling_number(number, abroad) for abroad in ("US", "DE", "AU")]
        if written:
            yield region, written


def mistyped(draw, number):
    for _ in range(draw.choice([0, 0, 0, 1, 1, 2])):
        at = draw.randrange(len(number) + 1)
        piece = draw.choice(["", "", *PIECES])
        number = number[:at] + piece + number[at + draw.randrange(2) :]
    return number.strip()


def numbers(count, seed):
    draw = random.Random(seed)
    regions = list(examples())
    for _ in range(count):
        region, written = draw.choice(regions)
        if draw.random() < 0.2:
            number = draw.choice(["", "+", "0", "00", "1"]) + str(draw.randrange(10 ** draw.randrange(5, 13)))
        else:
            number = mistyped(draw, draw.choice(written))
        home = draw.choice([region, region, region, draw.choice(regions)[0], ""])
        yield number, home


def expected(number, region):
    try:
        parsed = reference.parse(number, region or None)
    except reference.NumberParseException:
        return ""
    if not reference.is_valid_number(parsed):
        return ""
    e164 = reference.format_number(parsed, PhoneNumberFormat.E164)
    return e164 if len(e164) <= 1 + MAX_DIGITS else ""


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program", type=Path)
    options.add_argument("--count", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options = options.parse_args()
    rows = list(numbers(options.count, options.seed))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "job.toml").write_text(JOB)
        with open(folder / "numbers.csv", "w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["id", "number", "region"])
            writer.writerows([at, number, region] for at, (number, region) in enumerate(rows))
        command = [options.program.resolve(), "run", "job.toml", "--dry-run", "--quiet"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        found = {}
        for part in folder.glob("state/phones/runs/*/parts/*.csv"):
            with open(part, newline="") as file:
                found |= {int(row["ExternalID"]): row["PhoneNumber"] for row in csv.DictReader(file)}
    wrong = valid = 0
    for at, (number, region) in enumerate(rows):
        e164 = expected(number, region)
        valid += e164 != ""
        if found.get(at) != e164:
            wrong += 1
            print(f"{number!r} in {region or 'no region'}: {found.get(at)!r}, the library says {e164!r}")
    print(f"{len(rows)} numbers, {valid} valid, {wrong} judged otherwise")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
