#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""liar.py PORT LIE: a name server that lies, on the port of the honest one, until it is killed.

  nxdomain   no name exists
  servfail   it can't say
  garbage    bytes that are no answer
  id         another address, in an answer to a question that was not asked
  foreign    another address, and another key
"""
import os
import socket
import sys

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

FOREIGN = "127.0.0.66"
TTL = 1
ROWS = {
    dns.rdatatype.A: FOREIGN,
    dns.rdatatype.MX: "10 mx.foreign.example.",
    dns.rdatatype.TXT: '"v=DKIM1; k=rsa; p="',
}


def lie_to(question, lie):
    answer = dns.message.make_response(question, recursion_available=True)
    name, kind = question.question[0].name, question.question[0].rdtype
    if lie == "garbage":
        return os.urandom(64)
    if lie == "servfail":
        answer.set_rcode(dns.rcode.SERVFAIL)
    elif lie == "nxdomain":
        answer.set_rcode(dns.rcode.NXDOMAIN)
        answer.authority.append(dns.rrset.from_text(
            "example.", TTL, "IN", "SOA", f"ns.example. host.example. 1 1 1 1 {TTL}"))
    elif kind in ROWS:
        answer.answer.append(dns.rrset.from_text(name, TTL, "IN", kind, ROWS[kind]))
    if lie == "id":
        answer.id ^= 1
    return answer.to_wire()


def main():
    port, lie = int(sys.argv[1]), sys.argv[2]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", port))
        print(f"liar on {port}", flush=True)
        while True:
            question, who = server.recvfrom(4096)
            try:
                server.sendto(lie_to(dns.message.from_wire(question), lie), who)
            except (dns.exception.DNSException, OSError):
                pass


if __name__ == "__main__":
    main()
