"""Runs a command and takes its time, its processor time and its memory: what the benches share."""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Case:
    name: str
    command: list
    does: str
    out: Path
    most_rows: int = 10**12
    runs: list = field(default_factory=list)


@dataclass
class Run:
    wall: float
    cpu: float
    peak_mb: float


def clear(path):
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def measure(case):
    clear(case.out)
    begun = time.monotonic()
    process = subprocess.Popen([str(word) for word in case.command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begun
    if status != 0:
        sys.exit(f"{case.name} failed:\n{said}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def written(case):
    files = case.out.glob("bench/runs/*/parts/*.csv") if case.out.is_dir() else [case.out]
    return sum(path.stat().st_size for path in files)


def figures(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"{os.cpu_count()} CPUs of {model}, {memory:.0f} GB, Linux {platform.release()}; load at the end {load}"
