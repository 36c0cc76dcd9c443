# SPDX-License-Identifier: MIT
"""Ports for servers on loopback."""
import random
import socket

RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
given = set()


def is_free(port):
    """For UDP and TCP alike."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            udp.bind(("127.0.0.1", port))
            tcp.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(wanted=0):
    """A free port of 127.0.0.1, another at each call: `wanted` if it is free, else one below those
    that the kernel gives to clients. One of theirs could be taken while its server is stopped for
    a while; and a client that keeps calling a stopped server's port would one day be given it and
    call itself."""
    with open(RANGE) as limits:
        lowest = int(limits.read().split()[0])
    ours = range(10000, lowest) or range(10000, 32768)
    for port in (wanted, *random.sample(ours, min(50, len(ours)))):
        if port and port not in given and is_free(port):
            given.add(port)
            return port
    raise OSError("no free port")
