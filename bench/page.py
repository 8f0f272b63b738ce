"""docs/measurements.md: each bench writes its sections between marks of their own and leaves the rest of the page alone."""

from pathlib import Path

PATH = Path(__file__).resolve().parent.parent / "docs" / "measurements.md"
INTRODUCTION = """# Benchmarks

What `bench/run`, `bench/run --growth`, `bench/run --upload` and `bench/queries` measured, losses included. Run it yourself:
absolute times are this machine's, and where it did other work meanwhile (see its load) the ratios say most.
"""


def put(mark, chapter, text):
    """Puts `text` between the marks `mark`. New ones go to the end of `chapter`, which begins with its heading's line;
    a new chapter goes to the end of the page."""
    page = PATH.read_text() if PATH.exists() else INTRODUCTION
    PATH.write_text(replaced(page, mark, chapter, text))


def replaced(page, mark, chapter, text):
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    if begin not in page:
        heading = f"\n{chapter.splitlines()[0]}\n"
        if heading not in page:
            page += f"\n{chapter.strip()}\n"
        before, rest = page.split(heading)
        own, following, others = rest.partition("\n## ")
        page = f"{before}{(heading + own).rstrip()}\n\n{begin}\n{end}\n{following}{others}"
    before, rest = page.split(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}"
