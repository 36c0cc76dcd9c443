# SPDX-License-Identifier: MIT
"""What the outside saw, and the verdict over it: Jepsen's manner, from outside the services.

A driver writes down each submission before it is sent and its answer after (acknowledged, refused,
unknown). The destination writes down every copy before it answers. Final states are read from the
public events. check() joins the three.
"""
import collections
import hashlib
import json
import threading
import time
from pathlib import Path

FINAL = {"delivered", "bounced", "expired", "held", "discarded"}


class Journal:
    def __init__(self, path):
        self.file = open(path, "a", buffering=1)
        self.lock = threading.Lock()
        self.submissions = {}
        self.faults = []

    def write(self, **entry):
        entry["at_us"] = time.time_ns() // 1000
        with self.lock:
            self.file.write(json.dumps(entry) + "\n")
        return entry["at_us"]

    def submit(self, token, content, kind):
        digest = hashlib.sha256(content).hexdigest()
        at = self.write(event="submit", token=token, kind=kind, sha256=digest)
        self.submissions[token] = dict(token=token, kind=kind, sha256=digest, at_us=at,
                                       size=len(content), result=None)

    def answer(self, token, result, message_id=None, text=""):
        at = self.write(event="answer", token=token, result=result, id=message_id, text=text)
        self.submissions[token].update(result=result, id=message_id, answered_us=at)

    def fault(self, name, what):
        at = self.write(event="fault", name=name, what=what)
        self.faults.append((at, f"{name}: {what}"))


class Violation:
    def __init__(self, kind, submission, detail, timeline):
        self.kind, self.submission, self.detail = kind, submission, detail
        self.timeline = timeline

    def __str__(self):
        lines = [f"{self.kind}: {self.submission['token']} ({self.submission['kind']}, "
                 f"id {self.submission.get('id')}): {self.detail}"]
        start = self.submission["at_us"]
        for at, text in sorted(self.timeline):
            lines.append(f"    {(at - start) / 1e6:+9.3f} s  {text}")
        return "\n".join(lines)


class Verdict:
    def __init__(self):
        self.violations = []
        self.counts = collections.Counter()

    def __str__(self):
        kinds = collections.Counter(v.kind for v in self.violations)
        shown = ", ".join(f"{name} {kinds[name]}" for name in (
            "lost", "duplicate", "altered", "unsigned", "unscanned", "two-states", "stuck"))
        return f"{dict(self.counts)}\nviolations: {shown}"


def timeline(submission, arrivals, events, faults):
    rows = [(submission["at_us"], "submitted")]
    if submission.get("answered_us"):
        rows.append((submission["answered_us"], f"answer: {submission['result']}"))
    rows += [(a["time_us"], f"arrived (connection {a['connection']}, answered "
                            f"{a['answered']})") for a in arrivals]
    rows += [(e["time_us"], f"event {e['kind']} by {e.get('instance')} "
                            f"{e.get('reason', '')}") for e in events]
    first, last = rows[0][0] - 1_000_000, max(at for at, _ in rows) + 1_000_000
    return rows + [(at, f"FAULT {text}") for at, text in faults if first <= at <= last]


def check(journal, arrivals, events):
    """The verdict. A submission whose answer never came may have been taken or not: it must not
    arrive twice, and if it has an id in the events it must have its final state too."""
    verdict = Verdict()
    by_token, by_id = collections.defaultdict(list), collections.defaultdict(list)
    id_of = {}
    for arrival in arrivals:
        token = arrival["message_id"].strip("<>").partition("@")[0]
        by_token[token].append(arrival)
        id_of[token] = arrival["id"]
    for event in events:
        by_id[event["message_id"]].append(event)
    for token, submission in journal.submissions.items():
        verdict.counts[submission["result"] or "unknown"] += 1
        message_id = submission.get("id") or id_of.get(token)
        own_events = by_id.get(message_id, [])
        for kind, detail in judge(submission, by_token[token], own_events):
            verdict.violations.append(Violation(
                kind, submission, detail,
                timeline(submission, by_token[token], own_events, journal.faults)))
        verdict.counts["arrived"] += len(by_token[token])
    return verdict


def judge(submission, arrivals, events):
    finals = collections.Counter(e["kind"] for e in events if e["kind"] in FINAL)
    acknowledged = submission["result"] == "acknowledged"
    kind = submission["kind"]
    if submission["result"] == "refused" and arrivals:
        yield "two-states", "refused, and yet it arrived"
    if acknowledged and kind == "clean" and not arrivals:
        yield ("lost" if finals else "stuck"), f"acknowledged, never arrived; {dict(finals)}"
    if acknowledged and kind != "clean" and not finals:
        yield "stuck", "acknowledged, without a final state"
    if kind != "clean" and arrivals:
        yield "unscanned", f"a message of kind {kind} was delivered"
    if len(arrivals) > 1:
        # Each copy but the last may be explained by an answer that never reached the sender.
        unanswered = sum(not a["answered"] for a in arrivals)
        if len(arrivals) - 1 > unanswered:
            yield "duplicate", f"{len(arrivals)} copies, {unanswered} of them not answered"
    if sum(finals.values()) > 1 and len(finals) > 1 or finals["delivered"] > len(arrivals) > 0:
        yield "two-states", f"final states {dict(finals)}"
    if acknowledged and arrivals and not finals["delivered"]:
        yield "stuck", f"arrived, but its final state is {dict(finals)}"
    for arrival in arrivals:
        content = Path(arrival["file"]).read_bytes()
        own = content[-submission["size"]:]
        if hashlib.sha256(own).hexdigest() != submission["sha256"]:
            yield "altered", "what arrived is not what was submitted"
        if not arrival["signatures"]:
            yield "unsigned", "no DKIM-Signature"
