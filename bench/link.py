#!/usr/bin/env python3
"""Two network namespaces with a link between them that has a rate and a delay, in user space.

Where the kernel has netem, `tc` would do; many have not. Each namespace has a TUN device; this process carries packets from
one to the other, each `delay` after the link was free for it. TCP is real at both ends. Needs root and iproute2.

    with Link(rate_mbit=1000, rtt_ms=80) as link:
        subprocess.run(link.near(["ping", "-c", "3", link.far_address]))
"""

import collections
import fcntl
import os
import select
import struct
import subprocess
import threading
import time

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
# Jumbo packets: a Python process carries about 20,000 packets a second.
MTU = 9000
# What waits for the link at most; beyond it packets are dropped, as a router does.
QUEUE_BYTES = 8_000_000


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


class Link:
    """A link of `rate_mbit` Mbit/s (None: as fast as it can) and `rtt_ms` ms there and back."""

    near_address = "10.77.0.1"
    far_address = "10.77.0.2"

    def __init__(self, rate_mbit, rtt_ms):
        self.rate = rate_mbit * 1_000_000 / 8 if rate_mbit else None
        self.delay = rtt_ms / 2000
        self.names = [f"kx-near-{os.getpid()}", f"kx-far-{os.getpid()}"]
        self.over = False

    def __enter__(self):
        self.devices = []
        for name, own, other in zip(
            self.names,
            (self.near_address, self.far_address),
            (self.far_address, self.near_address),
        ):
            ip("netns", "add", name)
            device = f"kx{len(self.devices)}"
            file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            flags = struct.pack("16sH", device.encode(), IFF_TUN | IFF_NO_PI)
            fcntl.ioctl(file, TUNSETIFF, flags)
            self.devices.append(file)
            ip("link", "set", device, "netns", name)
            inside = ("-n", name)
            ip(*inside, "link", "set", "lo", "up")
            ip(*inside, "addr", "add", f"{own}/32", "dev", device)
            ip(*inside, "link", "set", device, "mtu", str(MTU), "txqueuelen", "1000", "up")
            # cubic is what most hosts have.
            ip(*inside, "route", "add", other, "dev", device, "congctl", "cubic")
        self.carrier = threading.Thread(target=self.carry, daemon=True)
        self.carrier.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.carrier.join()
        for file in self.devices:
            os.close(file)
        for name in self.names:
            ip("netns", "del", name)

    def near(self, command):
        """`command` on this side of the link."""
        return ["ip", "netns", "exec", self.names[0], *command]

    def far(self, command):
        """`command` on the other side."""
        return ["ip", "netns", "exec", self.names[1], *command]

    def carry(self):
        queues = {file: collections.deque() for file in self.devices}
        waiting = dict.fromkeys(self.devices, 0)
        free = dict.fromkeys(self.devices, 0.0)
        other = dict(zip(self.devices, reversed(self.devices)))
        poll = select.epoll()
        for file in self.devices:
            poll.register(file, select.EPOLLIN)
        while not self.over:
            now = time.monotonic()
            due = min((queue[0][0] for queue in queues.values() if queue), default=now + 0.1)
            ready = poll.poll(max(0.0, min(due - now, 0.1)))
            now = time.monotonic()
            for file, _ in ready:
                for _ in range(64):
                    try:
                        packet = os.read(file, 65536)
                    except BlockingIOError:
                        break
                    if waiting[file] + len(packet) > QUEUE_BYTES:
                        continue
                    begin = max(free[file], now)
                    free[file] = begin + (len(packet) / self.rate if self.rate else 0)
                    queues[file].append((free[file] + self.delay, packet))
                    waiting[file] += len(packet)
            for file, queue in queues.items():
                while queue and queue[0][0] <= now:
                    _, packet = queue.popleft()
                    waiting[file] -= len(packet)
                    try:
                        os.write(other[file], packet)
                    except OSError:
                        pass  # the other end is full: the packet is lost, as on a real link
