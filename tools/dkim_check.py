#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""DKIM signatures, verified by dkimpy against the published keys.

    tools/dkim_check.py DNS-PORT < message    prints each and whether it is good; 1 if one is not,
                                              or if there is none
"""
import functools
import re
import sys
from pathlib import Path

import dkim
import dns.resolver

FIELD = re.compile(rb"^DKIM-Signature:.*\r\n(?:[ \t].*\r\n)*", re.M)


def lookup(port):
    """For dkimpy: the TXT records of the name server on loopback."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port

    @functools.lru_cache
    def txt(name, timeout=5):
        answer = resolver.resolve(name.decode(), "TXT", lifetime=timeout)
        return b"".join(answer[0].strings)
    return txt


def verify(content, txt):
    """(algorithm, what is wrong with it or None) of each signature, topmost first."""
    head = content.partition(b"\r\n\r\n")[0] + b"\r\n"
    verdicts = []
    for index, field in enumerate(FIELD.findall(head)):
        try:
            fault = None if dkim.DKIM(content).verify(idx=index, dnsfunc=txt) else "not valid"
        except dkim.DKIMException as why:
            fault = str(why)
        verdicts.append((re.search(rb"\ba=([^;\s]+)", field)[1].decode(), fault))
    return verdicts


def refused(files, port, signatures=None):
    """{file: what is wrong}. Each must have that many signatures, or at least one, all good."""
    bad, txt = {}, lookup(port)
    for file in files:
        verdicts = verify(Path(file).read_bytes(), txt)
        faults = [f"{algorithm}: {fault}" for algorithm, fault in verdicts if fault]
        if len(verdicts) != (signatures or max(1, len(verdicts))):
            bad[file] = f"{len(verdicts)} signatures"
        elif faults:
            bad[file] = "; ".join(faults)
    return bad


def main():
    verdicts = verify(sys.stdin.buffer.read(), lookup(int(sys.argv[1])))
    for algorithm, fault in verdicts:
        print(algorithm, f"fail: {fault}" if fault else "pass")
    return 0 if verdicts and not any(fault for _, fault in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
