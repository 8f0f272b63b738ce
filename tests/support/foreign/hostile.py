"""The SFTP subsystem of a server that misbehaves in one way: MODE. It speaks version 3 on its standard streams."""

import struct
import sys
import time

mode = sys.argv[1]
source, sink = sys.stdin.buffer, sys.stdout.buffer

INIT, VERSION, OPEN, CLOSE, FSTAT, OPENDIR, REMOVE = 1, 2, 3, 4, 8, 11, 13
REALPATH, STAT, STATUS, HANDLE, ATTRS, EXTENDED = 16, 17, 101, 102, 105, 200
WRITE = 6
OK, DENIED = 0, 3


def for_ever():
    while True:
        time.sleep(1)


def send(kind, *fields):
    body = bytes([kind]) + b"".join(fields)
    packet = struct.pack(">I", len(body)) + body
    if mode == "drip":
        for byte in packet:
            sink.write(bytes([byte]))
            sink.flush()
            time.sleep(1)
    sink.write(packet)
    sink.flush()


def number(value):
    return struct.pack(">I", value)


def text(value):
    return number(len(value)) + value


def status(request, code, message=b""):
    send(STATUS, request, number(code), text(message), text(b""))


def receive():
    length = source.read(4)
    if len(length) < 4:
        sys.exit()
    body = source.read(struct.unpack(">I", length)[0])
    return body[0], body[1:5], body[5:]


size = 0
while True:
    kind, request, rest = receive()
    if mode == "silent at INIT" and kind == INIT:
        for_ever()
    elif kind == INIT:
        send(VERSION, number(3))
    elif mode == "denies to look" and kind in (STAT, OPENDIR, REALPATH):
        status(request, DENIED)
    elif mode == "ends at FSTAT and EXTENDED" and kind in (FSTAT, EXTENDED):
        sys.exit()
    elif kind == OPEN and mode == "silent at OPEN":
        for_ever()
    elif kind == OPEN and mode == "huge length":
        sink.write(b"\xff\xff\xff\xff" + b"x" * 1000)
        sink.flush()
        for_ever()
    elif kind == OPEN and mode == "wrong id":
        send(HANDLE, number(4_000_000_000), text(b"h"))
    elif kind == OPEN and mode == "unknown packet":
        send(77, request, text(b"h"))
    elif kind == OPEN and mode == "short packet":
        send(HANDLE, request, number(1_000), b"h")
    elif kind == OPEN and mode == "escapes":
        status(request, DENIED, b"\x1b[2J\x1b]0;owned\x07" + b"\n" * 5_000)
    elif kind == OPEN and mode == "floods":
        # To the standard error of the subsystem, which the client gets too, and never an answer.
        block = b"\x1b[31mno\r\n" * 4_000
        while True:
            sys.stderr.buffer.write(block)
            sys.stderr.flush()
    elif kind == OPEN and mode == "long handle":
        send(HANDLE, request, text(b"h" * 250_000))
    elif kind == OPEN:
        send(HANDLE, request, text(b"h"))
    elif kind == WRITE and mode == "silent at WRITE":
        for_ever()
    elif kind == WRITE:
        handle = struct.unpack(">I", rest[:4])[0]
        size += struct.unpack(">I", rest[4 + handle + 8 :][:4])[0]
        status(request, OK)
        if mode == "answers twice":
            status(request, OK)
    elif kind == CLOSE and mode == "silent at CLOSE":
        for_ever()
    elif kind == STAT and mode == "success for a cut file":
        send(ATTRS, request, number(1), struct.pack(">Q", 5))
    elif kind == STAT:
        send(ATTRS, request, number(1), struct.pack(">Q", size))
    else:
        status(request, OK)
