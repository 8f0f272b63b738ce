"""Runs a program at a pseudo-terminal of its own, as a person would.

at_terminal.py STEPS PROGRAM ARGUMENT...: STEPS is a JSON list of [what to wait for, what to type then]. Prints a JSON object:
the exit code, all that was on the screen, and whether the terminal echoed at each step and at the end.
"""

import json
import os
import pty
import select
import sys
import termios
import time

LIMIT_S = 30


def echoes(terminal):
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


def read(terminal):
    """What comes next; nothing at the end."""
    if not select.select([terminal], [], [], LIMIT_S)[0]:
        raise SystemExit("nothing happens")
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def main():
    steps = json.loads(sys.argv[1])
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(sys.argv[2], sys.argv[2:])
    screen, seen, echo = b"", 0, []
    for awaited, typed in steps:
        until = time.monotonic() + LIMIT_S
        while awaited.encode() not in screen[seen:]:
            piece = read(terminal)
            screen += piece
            if not piece or time.monotonic() > until:
                raise SystemExit(f"no {awaited!r} in {screen.decode()}")
        seen = screen.index(awaited.encode(), seen) + len(awaited)
        echo.append(echoes(terminal))
        os.write(terminal, typed.encode())
    while piece := read(terminal):
        screen += piece
    echo.append(echoes(terminal))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps({"code": code, "text": screen.decode(), "echo": echo}))


main()
