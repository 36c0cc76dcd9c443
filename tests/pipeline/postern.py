# SPDX-License-Identifier: MIT
"""Real processes, a real client, a real destination: Postern with apps, keys, DNS and an inbox, and its client."""
import json
import smtplib
import ssl
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from ports import free_port  # noqa: E402
from stack import ROOT, Stack, wait_for  # noqa: E402

DOMAIN = "shop.example"

APP = """\
kind: app
name: {name}
lane: {lane}
senders:
  - envelope: "*@{domain}"
    header: "*@{domain}"
---
"""

OBJECTS = APP.format(name="shop", lane="urgent", domain=DOMAIN) + APP.format(
    name="news", lane="bulk", domain=DOMAIN) + f"""\
kind: domain
name: {DOMAIN}
keys:
  - selector: rsa1
    file: rsa1.pem
  - selector: ed1
    file: ed1.pem
---
kind: policy
name: default
rules:
  - detector: card_number
    decision: hold
---
kind: route
domain: "*"
host: 127.0.0.1
port: {{port}}
"""


class Postern(Stack):
    """A Stack with apps, keys, DNS and a destination, and what the tests ask of them."""

    def __init__(self, folder, bus, bin_folder=None):
        super().__init__(folder, bin_folder, bus)
        self.signatures = ROOT / "tests/fixtures/signatures"
        self.rules_file, self.destination_args = None, []
        self.inbox_port, self.port, self.tls_port = (free_port() for _ in range(3))
        self.journal_file = self.folder / "inbox.jsonl"
        self.secrets = {}

    def prepare(self):
        keys = self.folder / "dkim"
        self.posternctl("tls", "sample", "--folder", self.folder / "tls")
        lines = []
        for selector, kind in (("rsa1", "rsa2048"), ("ed1", "ed25519")):
            lines += self.posternctl("dkim-key", "create", DOMAIN, selector, "--folder", keys,
                                     "--type", kind, "--zone-line").splitlines()
        self.start_dns({DOMAIN: lines})
        self.destination = self.spawn("inbox", [
            "/usr/bin/python3", ROOT / "tests/pipeline/destination.py", "--port",
            self.inbox_port, "--journal", self.journal_file, "--store",
            self.folder / "inbox"] + (["--rules", self.rules_file] if self.rules_file else [])
            + self.destination_args)
        self.posternctl("apply", "-f", "-", stdin=OBJECTS.format(port=self.inbox_port))
        for app in ("shop", "news"):
            self.secrets[app] = self.credential(app)

    def credential(self, app, *args):
        out = self.posternctl("credential", "create", app, *args)
        return next(line.split()[-1] for line in out.splitlines()
                    if line.strip().lower().startswith("secret"))

    def start_services(self):
        tls = self.folder / "tls"
        self.gateway = self.service(
            "smtp-gateway", GATEWAY_SUBMISSION=f"127.0.0.1:{self.port}",
            GATEWAY_SUBMISSIONS=f"127.0.0.1:{self.tls_port}",
            GATEWAY_CERTIFICATE=tls / "certificate.pem", GATEWAY_KEY=tls / "key.pem",
            GATEWAY_HOSTNAME="localhost")
        self.scanner = self.service("scanner", SCANNER_SIGNATURES=self.signatures)
        self.signer = self.service("signer", SIGNER_KEYS=self.folder / "dkim")
        self.sender = self.service("sender", SENDER_RECORD=self.record())
        self.wait_ready(*self.services())

    def services(self):
        return self.gateway, self.scanner, self.signer, self.sender

    # --- the client ----------------------------------------------------------------------

    def connect(self, app="shop", port=None):
        context = ssl.create_default_context(cafile=self.folder / "tls/certificate.pem")
        client = smtplib.SMTP("localhost", port or self.port, timeout=60)
        client.starttls(context=context)
        client.login(app, self.secrets[app])
        return client

    def submit(self, message, recipients=("ann@customer.example",), app="shop", client=None,
               sender=f"bounces@{DOMAIN}"):
        """Returns the message id of the 250; raises smtplib's error otherwise."""
        own = client is None
        client = client or self.connect(app)
        try:
            code, text = client.mail(sender)
            for recipient in recipients if code == 250 else ():
                code, text = client.rcpt(recipient)
                if code != 250:
                    break
            if code == 250:
                code, text = client.data(message)
            if code != 250:
                client.rset()
                raise smtplib.SMTPResponseException(code, text)
            return text.decode().split()[-1].strip(".")
        finally:
            if own:
                client.close()

    # --- what became of it ----------------------------------------------------------------

    def arrivals(self):
        """What the destination took, oldest first; each with the token of mail()."""
        if not self.journal_file.exists():
            return []
        with open(self.journal_file) as journal:
            arrivals = [json.loads(line) for line in journal if line.endswith("\n")]
        for arrival in arrivals:
            arrival["token"] = arrival["message_id"].strip("<>").partition("@")[0]
        return arrivals

    def arrivals_of(self, token):
        return [arrival for arrival in self.arrivals() if arrival["token"] == token]

    def arrival(self, token, seconds=30):
        """The first with that token, with its content."""
        found = wait_for(lambda: self.arrivals_of(token), seconds, f"arrival of {token}")[0]
        return {**found, "content": Path(found["file"]).read_bytes()}

    def wait_event(self, message_id, *kinds, seconds=30):
        return wait_for(lambda: next((e for e in self.events(message_id)
                                      if e["kind"] in kinds), None),
                        seconds, f"{message_id} {'/'.join(kinds)}")


def mail(token, text="Hello", subject="Hello", sender=f"orders@{DOMAIN}", extra=""):
    """A message whose Message-ID names it in the destination's journal."""
    return (f"From: Shop <{sender}>\r\nTo: <ann@customer.example>\r\nSubject: {subject}\r\n"
            f"Message-ID: <{token}@{DOMAIN}>\r\n{extra}\r\n{text}\r\n")


def now_us():
    return time.time_ns() // 1000
