#!/usr/bin/env python3
"""Compares phone numbers with Google's library, in its Python port `phonenumbers` of the same metadata release.

usage: tests/support/phones.py PROGRAM [--count 100000] [--seed 1]
       tests/support/phones.py PROGRAM --examples

By a Python that has phonenumbers 9.0.42, as the one of tests/engines. Makes numbers of every region out of the library's
examples, in many ways of writing and with typing errors, formats them with PROGRAM, and names each one that differs. With
--examples it takes the examples alone, of every region and type: as E.164, international, national, as a URI and with 00.

PROGRAM departs from the library on purpose, and so does `expected`: a number without + that begins with its country's own
calling code is read so; 00 and 011 are tried as + where the region's own rules give nothing valid. Cells that PROGRAM reads in
its own way (dates, numbers with decimals, words, several numbers) are not made: the unit tests of src have them.
"""

import argparse
import csv
import random
import re
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
shared-identifiers = "report"
[state]
directory = "state"
"""
# What a typing error puts in or leaves behind; the last ones are never plain.
PIECES = list("0123456789") + ["00", " ", "-", "(0)", ".", "/", "+", "011 ", " ext. 5", "x12", "#", "a", "\uff15"]
# The most digits of E.164: longer numbers are refused though the library takes some of Germany's.
MAX_DIGITS = 15


# Types on which nobody is called: such a number is not looked for behind a calling code without +.
NOBODYS = {PhoneNumberType.PAGER, PhoneNumberType.UAN, PhoneNumberType.VOICEMAIL}
# Letters of which the library alone decides: stray ones among the digits, and its own signs of an extension at the end.
LETTERS = re.compile(r"[^\W\d_]")
EXTENSION = re.compile(r"( ext\. \d+|x\d+)$")
STRAY = re.compile(r"(?<=\d)[ax]|[ax](?=\d)")


def is_left_to_the_library(number):
    digits = re.sub(r"\D", "", number)
    without_extension = EXTENSION.sub("", number)
    letters = LETTERS.findall(without_extension)
    if letters and (without_extension != number or len(letters) > 2 or len(STRAY.findall(number)) != len(letters)):
        return False
    if re.search(r"[ax]{2}", without_extension):
        return False
    if re.search(r"(\d\D*){7}[/(+]", number) or re.search(r"(\d\D*){7}[ -].*(\d\D*){7}", number):
        return False
    separators = re.findall(r"[./-]", without_extension)
    return not (separators and len(digits) <= 8 or separators.count(".") == 1)


def examples():
    for region in sorted(reference.SUPPORTED_REGIONS):
        numbers = [reference.example_number_for_type(region, kind) for kind in PhoneNumberType.values()]
        written = []
        for number in filter(None, numbers):
            written += [reference.format_number(number, form) for form in (0, 1, 2)]
            written += [reference.format_out_of_country_calling_number(number, abroad) for abroad in ("US", "DE", "AU")]
        if written:
            yield region, written


def five_spellings():
    """Each example of each region, as the region's own people and others write it."""
    for region in sorted(reference.SUPPORTED_REGIONS):
        numbers = [reference.example_number_for_type(region, kind) for kind in PhoneNumberType.values()]
        for number in filter(None, numbers):
            for form in (0, 1, 2, 3):
                yield reference.format_number(number, form), region
            yield "00" + reference.format_number(number, 0)[1:], region


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
        while True:
            if draw.random() < 0.2:
                number = draw.choice(["", "+", "0", "00", "1"]) + str(draw.randrange(10 ** draw.randrange(5, 13)))
            else:
                number = mistyped(draw, draw.choice(written))
            if is_left_to_the_library(number):
                break
        home = draw.choice([region, region, region, draw.choice(regions)[0], ""])
        yield number, home


def parsed(number, region):
    """The number, if it is valid."""
    try:
        found = reference.parse(number, region or None)
    except reference.NumberParseException:
        return None
    return found if reference.is_valid_number(found) else None


def e164(found):
    written = reference.format_number(found, PhoneNumberFormat.E164) if found else ""
    return written if len(written) <= 1 + MAX_DIGITS else ""


def expected(number, region):
    found = parsed(number, region)
    begin = re.search(r"\d", number)
    rest = number[begin.start() :] if begin else ""
    is_national = "+" not in number
    code = str(reference.country_code_for_region(region)) if region else ""
    begins_with_code = is_national and code and re.sub(r"\D", "", rest).startswith(code)
    if found and begins_with_code:
        abroad = parsed("+" + rest, None)
        if abroad and reference.number_type(abroad) not in NOBODYS:
            found = abroad
    if e164(found):
        return e164(found)
    has_plus_before = begin and "+" in number[: begin.start()]
    for prefix in ("00", "011"):
        after = rest.removeprefix(prefix).lstrip("+ ")
        if rest.startswith(prefix) and "+" not in after and (prefix == "00" or not has_plus_before):
            found = found or parsed("+" + after, None)
    if begins_with_code:
        found = found or parsed("+" + rest, None)
    return e164(found)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program", type=Path)
    options.add_argument("--count", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--examples", action="store_true")
    options = options.parse_args()
    rows = list(five_spellings() if options.examples else numbers(options.count, options.seed))
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
        right = expected(number, region)
        valid += right != ""
        if found.get(at) != right:
            wrong += 1
            print(f"{number!r} in {region or 'no region'}: {found.get(at)!r}, right is {right!r}")
    print(f"{len(rows)} numbers, {valid} valid, {wrong} judged otherwise")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
