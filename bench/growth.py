"""How the time and the memory of a row grow from 1 to 100 million rows: what `bench/run --growth` measures."""

import statistics

import timing

ROWS = [1_000_000, 10_000_000, 100_000_000]
MEMORIES = ["1.5GB", "256MB"]


def measured(case_of, audiences, rounds):
    """Runs of each number of rows with each memory, in turn. `case_of(audience, name, memory)` makes one."""
    cases = [
        (rows, memory, case_of(audiences[rows], f"growth-{rows}-{memory}", memory)) for rows in ROWS for memory in MEMORIES
    ]
    for number in range(rounds):
        for rows, memory, case in cases:
            case.runs.append(timing.measure(case))
            timing.clear(case.out)
            print(f"round {number + 1}  {rows:>11,} rows  {memory:6} {case.runs[-1].wall:7.2f} s  {case.runs[-1].cpu:7.2f} CPU s", flush=True)
    return cases


def section(cases, rounds):
    """The table, with each time of a row beside that of 10 million rows in the same round and with the same memory."""
    lines = [
        "### From 1 to 100 million rows",
        "",
        f"Files of 129 bytes a row, formatted into parts on disk; {rounds} rounds, every command once in each. Median (least-most). The"
        " ratios are by row, to the 10 million rows of the same round. 100 million rows and their parts are more than the page cache"
        " holds: there the wall has the disk in it, and processor time says how the work grows.",
        "",
        f"Machine: {timing.machine()}.",
        "",
        "| rows | `dedupe-memory` | M rows/s | wall s | CPU s | wall of a row, to 10 M | CPU of a row, to 10 M | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rows, memory, case in cases:
        base_rows = ROWS[1]
        base = next(other for of, with_, other in cases if (of, with_) == (base_rows, memory))
        growth = base_rows / rows
        walls = [run.wall / at.wall * growth for run, at in zip(case.runs, base.runs)]
        cpus = [run.cpu / at.cpu * growth for run, at in zip(case.runs, base.runs)]
        cells = [
            f"{rows:,}",
            memory,
            f"{rows / 1e6 / statistics.median(run.wall for run in case.runs):.2f}",
            timing.figures([run.wall for run in case.runs]),
            timing.figures([run.cpu for run in case.runs]),
            timing.figures(walls),
            timing.figures(cpus),
            f"{max(run.peak_mb for run in case.runs):.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
