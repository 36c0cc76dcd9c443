# SPDX-License-Identifier: MIT
"""The signatures of a sample of what arrived, verified by dkimpy against the published keys."""
import functools
import re
from pathlib import Path

import dkim
import dns.resolver

EVERY, MOST = 20, 500


def lookup(port):
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port

    @functools.lru_cache
    def txt(name, timeout=5):
        answer = resolver.resolve(name.decode(), "TXT", lifetime=timeout)
        return b"".join(answer[0].strings)
    return txt


def refused(arrivals, port, signatures):
    """({file: what is wrong}, how many were looked at). Each must have that many signatures, all
    good."""
    bad, txt = {}, lookup(port)
    sample = arrivals[::max(EVERY, len(arrivals) // MOST)]
    for arrival in sample:
        content = Path(arrival["file"]).read_bytes()
        head = content.partition(b"\r\n\r\n")[0]
        if len(re.findall(rb"^DKIM-Signature:", head, re.M)) != signatures:
            bad[arrival["file"]] = f"not {signatures} signatures"
            continue
        for index in range(signatures):
            try:
                is_good = dkim.DKIM(content).verify(idx=index, dnsfunc=txt)
            except dkim.DKIMException as why:
                is_good = False
                bad[arrival["file"]] = f"signature {index + 1}: {why}"
            if not is_good:
                bad.setdefault(arrival["file"], f"signature {index + 1} is not valid")
    return bad, len(sample)
