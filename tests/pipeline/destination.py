#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A real SMTP server that takes mail for any recipient: the inbox of `make run`, and the
destination of the tests, which make it misbehave.

It prints one line "destination 127.0.0.1:PORT" when it listens. Each message that it took is a
JSON line in the journal, on disk before the sender is told 250:
  time_us       Unix microseconds at which the final dot was in
  id            Postern's id of the message, from its Received field; "" if there is none
  message_id, subject, signatures (count of DKIM-Signature), size, sha256
  from, recipients, helo, tls ("" or "TLSv1.3"), mail_parameters
  connection    serial number of the connection, which began at began_us; `nth` message on it;
                `connections` made so far
  answered      was the 250 sent? false: behaviour `swallow`
  file          where it is stored (--store)

What becomes of a recipient depends on its domain: --rule DOMAIN=BEHAVIOUR, or a JSON object
{DOMAIN: BEHAVIOUR} in the file --rules, which is read again when it has changed. "*" is every
other domain. A message follows the first of its recipients' rules that is about messages.
  ok            250
  defer:N       451 to RCPT the first N times for a recipient, then ok
  reject        550 5.1.1 to RCPT
  refuse        554 5.7.1 to the message
  full:N        452 4.3.1 to the message the first N times, then ok
  slow:S        the answer to the message comes S seconds late
  late:S        the answer to RCPT comes S seconds late
  swallow:N     takes and journals the message, then closes without an answer, N times
  lose:N        closes after the final dot without taking the message, N times
  busy:N        421 to RCPT and closes, N times
  endless      an answer to RCPT without an end
  kill:PID      takes the message, answers 250 and at once kills PID with SIGKILL, once
"""
import argparse
import asyncio
import collections
import hashlib
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

UUID7 = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
MESSAGE_RULES = ("refuse", "full", "slow", "swallow", "lose", "kill")
CHUNK = 1 << 16


class Closed(Exception):
    """The connection is over."""


class Rules:
    def __init__(self, rows, file):
        self.fixed = dict(row.rsplit("=", 1) for row in rows)
        self.file, self.stamp, self.read = file, None, {}
        self.seen = collections.Counter()

    def of(self, address):
        if self.file and os.path.exists(self.file):
            stamp = os.stat(self.file).st_mtime_ns
            if stamp != self.stamp:
                self.stamp, self.read = stamp, json.loads(Path(self.file).read_text())
        rules = {**self.fixed, **self.read}
        domain = address.rpartition("@")[2].lower()
        name, _, value = rules.get(domain, rules.get("*", "ok")).partition(":")
        return name, value

    def once_more(self, rule, address, limit):
        """True the first `limit` times."""
        self.seen[rule, address] += 1
        return self.seen[rule, address] <= int(limit or 1)


class Journal:
    def __init__(self, path, folder):
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.folder = folder and Path(folder)
        self.count = 0
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, entry, content):
        self.count += 1
        if self.folder:
            file = self.folder / f"{entry['time_us']}-{self.count:06}.eml"
            file.write_bytes(content)
            entry["file"] = str(file)
        os.write(self.fd, json.dumps(entry).encode() + b"\n")


def fields(content, name):
    """Unfolded values of the header fields of that name."""
    header = content.partition(b"\r\n\r\n")[0] + b"\r\n"
    pattern = rb"^" + name + rb"[ \t]*:[ \t]*((?:[^\r\n]*\r\n)(?:[ \t][^\r\n]*\r\n)*)"
    return [re.sub(rb"\r\n(?=[ \t])", b"", value).strip()
            for value in re.findall(pattern, header, re.M | re.I)]


def first_text(values):
    return values[0].decode(errors="replace") if values else ""


class Session:
    def __init__(self, server, reader, writer, number):
        self.server, self.reader, self.writer = server, reader, writer
        self.number, self.nth = number, 0
        self.began_us = time.time_ns() // 1000
        self.unread = b""
        self.helo, self.tls, self.mail, self.mail_parameters = "", "", None, ""
        self.recipients = []

    # --- bytes ----------------------------------------------------------------------------

    async def fill(self):
        read = self.reader.read(CHUNK)
        idle = self.server.args.idle_close
        try:
            chunk = await (asyncio.wait_for(read, idle) if idle else read)
        except asyncio.TimeoutError:
            if self.server.args.idle_silent:
                raise Closed from None
            await self.say("421 4.4.2 idle for too long")
            raise Closed from None
        if not chunk:
            raise Closed
        self.unread += chunk

    async def line(self):
        while b"\n" not in self.unread:
            if len(self.unread) > 1 << 20:
                raise Closed
            await self.fill()
        line, _, self.unread = self.unread.partition(b"\n")
        return line.rstrip(b"\r").decode(errors="surrogateescape")

    async def data(self):
        """The content, unstuffed. Only CRLF.CRLF ends it."""
        got, searched = b"\r\n" + self.unread, 0
        while (end := got.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(got) - 4)
            self.unread = b""
            await self.fill()
            got += self.unread
        self.unread = got[end + 5:]
        return got[:end + 2].replace(b"\r\n.", b"\r\n")[2:]

    async def say(self, *lines):
        for i, text in enumerate(lines):
            if i < len(lines) - 1:
                text = text[:3] + "-" + text[4:]
            self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()

    # --- commands -------------------------------------------------------------------------

    async def run(self):
        args = self.server.args
        await asyncio.sleep(args.greeting_delay)
        await self.say(args.greeting)
        while True:
            verb, _, rest = (await self.line()).partition(" ")
            command = getattr(self, "do_" + verb.lower(), None)
            if command:
                await command(rest)
            else:
                await self.say("500 5.5.2 what?")

    async def do_ehlo(self, rest):
        args = self.server.args
        self.helo = rest
        while args.endless:
            await self.say("250-" + "x" * 60)
        if args.helo_only:
            return await self.say("502 5.5.1 no EHLO here")
        offers = ["250 destination", f"250 SIZE {args.size}", "250 ENHANCEDSTATUSCODES"]
        offers += [f"250 {word}" for word in args.offer.split(",") if word]
        if args.tls != "none" and not self.tls:
            offers.append("250 STARTTLS")
        await self.say(*offers)

    async def do_helo(self, rest):
        self.helo = rest
        await self.say("250 destination")

    async def do_starttls(self, _):
        mode = self.server.args.tls
        if mode == "refuse":
            return await self.say("454 4.7.0 TLS not available")
        if mode == "break":
            await self.say("220 2.0.0 go ahead")
            await asyncio.sleep(0.1)  # in a segment of its own
            self.writer.write(b"this is not TLS at all\r\n" * 4)
            raise Closed
        if mode == "hang":
            await self.say("220 2.0.0 go ahead")
            while True:
                await self.fill()
        if mode == "inject":
            return await self.say("220 2.0.0 go ahead", "250 injected")
        await self.say("220 2.0.0 go ahead")
        await self.writer.start_tls(self.server.tls_context())
        self.tls = self.writer.get_extra_info("ssl_object").version()
        self.unread, self.mail, self.recipients = b"", None, []

    async def do_mail(self, rest):
        if self.server.args.tls == "required" and not self.tls:
            return await self.say("530 5.7.0 STARTTLS first")
        if self.nth >= self.server.args.messages:
            await self.say("421 4.7.0 enough messages on this connection")
            raise Closed
        found = re.match(r"FROM:<([^>]*)>\s*(.*)$", rest, re.I)
        if not found or self.mail is not None:
            return await self.say("501 5.5.4 syntax" if not found else "503 5.5.1 nested MAIL")
        self.mail, self.mail_parameters, self.recipients = found[1], found[2], []
        await self.say("250 2.1.0 ok")

    async def do_rcpt(self, rest):
        found = re.match(r"TO:<([^>]*)>", rest, re.I)
        if self.mail is None or not found:
            return await self.say("503 5.5.1 MAIL first")
        address = found[1]
        rule, value = self.server.rules.of(address)
        more = self.server.rules.once_more
        if rule == "defer" and more(rule, address, value):
            return await self.say("451 4.7.1 come back later")
        if rule == "reject":
            return await self.say("550 5.1.1 no such user")
        if rule == "busy" and more(rule, address, value):
            await self.say("421 4.3.2 too busy")
            raise Closed
        while rule == "endless":
            await self.say("250-" + "x" * 60)
            await asyncio.sleep(0)  # the others' turn; here a hang-up is seen
        if rule == "late":
            await asyncio.sleep(float(value))
        self.recipients.append(address)
        await self.say("250 2.1.5 ok")

    async def do_data(self, _):
        if not self.recipients:
            return await self.say("554 5.5.1 no valid recipients")
        await self.say("354 go on")
        content = await self.data()
        now_us = time.time_ns() // 1000
        self.nth += 1
        await self.take(content, now_us)
        self.mail, self.recipients = None, []

    async def take(self, content, now_us):
        rule, value, who = next(((*self.server.rules.of(a), a) for a in self.recipients
                                 if self.server.rules.of(a)[0] in MESSAGE_RULES),
                                ("ok", "", self.recipients[0]))
        more = self.server.rules.once_more
        if rule == "refuse":
            return await self.say("554 5.7.1 not wanted")
        if rule == "full" and more(rule, who, value):
            return await self.say("452 4.3.1 disk full")
        if rule == "lose" and more(rule, who, value):
            raise Closed
        if rule == "slow":
            await asyncio.sleep(float(value))
        swallow = rule == "swallow" and more(rule, who, value)
        self.server.journal.write(self.entry(content, now_us, not swallow), content)
        if swallow:
            raise Closed
        await self.say(f"250 2.0.0 taken as {self.server.journal.count}")
        if rule == "kill" and more(rule, who, 1):
            os.kill(int(value), signal.SIGKILL)

    def entry(self, content, now_us, answered):
        ids = UUID7.findall(b" ".join(fields(content, b"Received")))
        return {
            "time_us": now_us, "id": ids[0].decode() if ids else "",
            "message_id": first_text(fields(content, b"Message-ID")),
            "subject": first_text(fields(content, b"Subject")),
            "signatures": len(fields(content, b"DKIM-Signature")),
            "size": len(content), "sha256": hashlib.sha256(content).hexdigest(),
            "from": self.mail, "recipients": self.recipients, "helo": self.helo,
            "tls": self.tls, "mail_parameters": self.mail_parameters,
            "began_us": self.began_us, "connection": self.number, "nth": self.nth,
            "connections": self.server.connections, "answered": answered,
        }

    async def do_rset(self, _):
        self.mail, self.recipients = None, []
        await self.say("250 2.0.0 ok")

    async def do_noop(self, _):
        await self.say("250 2.0.0 ok")

    async def do_quit(self, _):
        await self.say("221 2.0.0 bye")
        raise Closed


class Server:
    def __init__(self, args):
        self.args = args
        self.rules = Rules(args.rule, args.rules)
        self.journal = Journal(args.journal, args.store)
        self.connections = 0
        self.sample = None if args.certificate else sample_context()

    def tls_context(self):
        """Made for each session, so that a changed certificate is seen."""
        return self.sample or context_of(self.args.certificate, self.args.key)

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            await Session(self, reader, writer, self.connections).run()
        except (Closed, OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def run(self):
        loop = asyncio.get_running_loop()
        stop = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: stop.done() or stop.set_result(None))
        server = await asyncio.start_server(self.serve, self.args.host, self.args.port,
                                            backlog=1024)
        host, port = server.sockets[0].getsockname()[:2]
        print(f"destination {host}:{port}", flush=True)
        await stop


def context_of(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def sample_context():
    """A self-signed one, of which no file is left: a test may end this process with SIGKILL."""
    with tempfile.TemporaryDirectory(prefix="destination-") as folder:
        certificate, key = f"{folder}/certificate.pem", f"{folder}/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        return context_of(certificate, key)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--journal", required=True, help="JSON lines are appended to it")
    parser.add_argument("--store", help="folder for the messages, one .eml file each")
    parser.add_argument("--rule", action="append", default=[], metavar="DOMAIN=BEHAVIOUR")
    parser.add_argument("--rules", help="JSON file of rules, read again when it has changed")
    parser.add_argument("--tls", default="offer", choices=("offer", "none", "refuse", "break",
                                                           "hang", "inject", "required"))
    parser.add_argument("--certificate", help="PEM; a self-signed one for localhost if not given")
    parser.add_argument("--key")
    parser.add_argument("--offer", default="PIPELINING,8BITMIME,SMTPUTF8,DSN",
                        help="what EHLO offers besides SIZE, STARTTLS and ENHANCEDSTATUSCODES")
    parser.add_argument("--size", type=int, default=100 << 20)
    parser.add_argument("--helo-only", action="store_true", help="refuse EHLO")
    parser.add_argument("--endless", action="store_true", help="a reply to EHLO without an end")
    parser.add_argument("--greeting", default="220 destination ESMTP")
    parser.add_argument("--greeting-delay", type=float, default=0)
    parser.add_argument("--messages", type=int, default=1 << 30, help="421 after so many")
    parser.add_argument("--idle-close", type=float, default=0,
                        help="421 and close when nothing comes for so many seconds")
    parser.add_argument("--idle-silent", action="store_true", help="close without the 421")
    args = parser.parse_args()
    asyncio.run(Server(args).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
