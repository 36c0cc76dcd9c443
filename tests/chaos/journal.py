# SPDX-License-Identifier: MIT
"""What the outside saw, and the verdict over it: Jepsen's manner, from outside the services.

A driver writes down each submission before it is sent and its answer after (acknowledged, refused
for now, rejected for good, unknown). The destination writes down every copy before it answers. Final
states are read from the public events. check() joins the three, for each recipient of each
submission, and looks up in the sender's delivery record whether a copy too many was one that it
could have known of.
"""
import collections
import hashlib
import json
import re
import threading
import time
from pathlib import Path

KEYS = 2  # of the domain: each mail has as many signatures
FIELD = re.compile(rb"^([!-9;-~]+):.*\r\n(?:[ \t].*\r\n)*", re.M)  # of a header, with its folds
FINAL = {"delivered", "bounced", "expired", "held", "discarded", "dead"}
KINDS = ("lost", "duplicate", "altered", "unsigned", "unscanned", "misdirected", "two-states",
         "stuck", "rejected", "not tested")
# An answer of the destination, which may be a second late on purpose, reaches the sender's record
# within this time, on a slow machine too, where neither is stopped or killed.
ANSWER_US = 5_000_000
# The sender tries to find Redis again at least this often.
RECONNECT_US = 6_000_000
# Of a failure is shown what was done so long before it.
BEFORE_US = 70_000_000
# That a name is not there is good for a second and kept for another.
NEGATIVE_US = 3_000_000
BELIEVED = {"5.1.2": "DNS lies: nxdomain", "5.4.4": "DNS lies: foreign"}
# These domains' servers refuse a recipient, or each message, for good.
REFUSED = {"nobody.example": "reject", "unwanted.example": "refuse"}
# What a person may do with what is held, and how it ends then where its server takes it.
DEEDS = {"release": "delivered", "discard": "discarded"}
UNROUTED = "customer6.example"  # has no route while the DNS lies, and follows its MX
# What makes Postern take a message a second time.
REPEATS = ("SIGTERM: ", "comes: ", "broker ", "killed: broker", "killed: smtp-gateway",
           "killed: scanner", "killed: signer", "killed: sender")


class Journal:
    def __init__(self, path):
        self.file = open(path, "a", buffering=1)
        self.lock = threading.Lock()
        self.submissions = {}
        self.faults = []
        self.kills = []  # (at_us, process)
        self.spans = []  # [from_us, to_us, what]: stopped, away, without room
        self.damaged = []  # (at_us, topic, id, SHA-256): records that a stage must find
        self.deeds = {}  # id: [what a person did with it, was it done?]
        self.notes = collections.defaultdict(set)  # (id, recipient): times of the record's notes
        self.failures = []  # (at_us, kind, name, why): of the check itself, or of what it drives

    def write(self, **entry):
        entry["at_us"] = time.time_ns() // 1000
        with self.lock:
            self.file.write(json.dumps(entry) + "\n")
        return entry["at_us"]

    def submit(self, token, content, kind, recipients):
        digest = hashlib.sha256(content).hexdigest()
        at = self.write(event="submit", token=token, kind=kind, sha256=digest,
                        recipients=recipients)
        self.submissions[token] = dict(token=token, kind=kind, sha256=digest, at_us=at,
                                       size=len(content), result="unknown",
                                       recipients=recipients)

    def answer(self, token, result, message_id=None, text=""):
        at = self.write(event="answer", token=token, result=result, id=message_id, text=text)
        self.submissions[token].update(result=result, id=message_id, answered_us=at, text=text)

    def fault(self, name, what):
        at = self.write(event="fault", name=name, what=what)
        self.faults.append((at, f"{name}: {what}"))
        return at

    def kill(self, process, how):
        self.kills.append((self.fault("killed", f"{process} {how}"), process))

    def fail(self, kind, name, why):
        print(f"           {name}: {why}", flush=True)
        self.failures.append((self.fault(kind, f"{name}: {why}"), kind, name, str(why)))

    def damage(self, topic, ident, value):
        digest = hashlib.sha256(value).hexdigest()
        at = self.write(event="damaged", topic=topic, id=ident, sha256=digest)
        self.damaged.append((at, topic, ident, digest))

    def begin_deed(self, deed, ident):
        self.fault("a person begins to", f"{deed} {ident}")
        self.deeds[ident] = [deed, False]

    def end_deed(self, ident):
        self.fault("a person was told: done", ident)
        self.deeds[ident][1] = True

    def recall(self, notes):
        """What the delivery record holds; it may be gone afterwards."""
        for key, times in notes.items():
            self.notes[key].update(times)

    def begin(self, what):
        """A time in which answers don't come through, or records can't be kept."""
        span = [self.write(event="begin", name=what), float("inf"), what]
        self.spans.append(span)
        self.faults.append((span[0], f"{what} begins"))
        return span

    def end(self, span):
        span[1] = self.write(event="end", name=span[2])
        self.faults.append((span[1], f"{span[2]} ends"))

    def has_span(self, what, from_us, to_us):
        return any(span[2].startswith(what) and span[0] <= to_us and span[1] >= from_us
                   for span in self.spans)

    def may_repeat(self, from_us, to_us):
        return any(from_us <= at <= to_us and what.startswith(REPEATS) for at, what in self.faults)


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


class Seen:
    """What there is to be joined with the journal."""

    def __init__(self, arrivals, events, stored, dead=(), quarantine=(), foreign=(), bad_signatures=()):
        self.arrivals, self.events = arrivals, events
        self.stored = stored                  # ids in the topics that the gateway writes to
        self.dead = dead                      # Counter of (topic, SHA-256) of dead letters
        self.quarantine = quarantine          # ids
        self.foreign = foreign                # arrivals at a place where lies lead to
        self.bad_signatures = bad_signatures  # {file: what is wrong}, of a sample


class Verdict:
    def __init__(self):
        self.violations = []
        self.counts = collections.Counter()

    def add(self, *args):
        self.violations.append(Violation(*args))

    def kinds(self):
        return collections.Counter(violation.kind for violation in self.violations)

    def __str__(self):
        count, kinds = self.counts, self.kinds()
        lines = [f"{count['submitted']} submitted: {count['acknowledged']} acknowledged, "
                 f"{count['refused']} refused for now, {count['unknown']} without an answer, "
                 f"{count['taken']} of them taken, which obliges as much as an answer",
                 f"{count['copies']} copies arrived for {count['recipients']} recipients of what "
                 f"was taken; {count['held']} held, {count['closed']} of them because "
                 f"they could not be inspected; {count['release']} released and {count['discard']} "
                 f"discarded by a person; {count['bounced']} bounced because the DNS said so, "
                 f"{count['refused for good']} because their server refused them",
                 f"{count['verified']} copies' signatures verified by dkimpy; {count['dead']} of "
                 f"{count['damaged']} damaged records told in the dead-letter topic"]
        for name in KINDS:
            told = "unexplained duplicates" if name == "duplicate" else name
            lines.append(f"  {told} {kinds[name]}")
        explained = ", ".join(f"{text} {number}" for text, number in
                              sorted((t[10:], n) for t, n in count.items()
                                     if t.startswith("explained ")))
        lines.append(f"  explained duplicates: {explained or 0}" + (
            f"; the kill came at most {count['late_us'] / 1e6:.3f} s after the copy"
            if count["late_us"] else ""))
        return "\n".join(lines)


def timeline(submission, arrivals, events, faults):
    rows = [(submission["at_us"], "submitted")]
    if submission.get("answered_us"):
        rows.append((submission["answered_us"], f"answer: {submission['result']} "
                                                f"{submission.get('text', '')}"))
    rows += [(a["time_us"], f"arrived (connection {a['connection']}, answered "
                            f"{a['answered']}) for {' '.join(a['recipients'])}")
             for a in arrivals]
    rows += [(e["time_us"], f"event {e['kind']} by {e.get('instance')} "
                            f"{e.get('recipient', '')} {e.get('reason', '')}") for e in events]
    first, last = rows[0][0] - 1_000_000, max(at for at, _ in rows) + 1_000_000
    return rows + [(at, f"FAULT {text}") for at, text in faults if first <= at <= last]


def check(journal, seen):
    """The verdict. A submission whose answer never came may have been taken or not; once it was, it
    is judged as if it had been acknowledged."""
    verdict = Verdict()
    by_token, by_id = collections.defaultdict(list), collections.defaultdict(list)
    for arrival in sorted(seen.arrivals, key=lambda arrival: arrival["time_us"]):
        by_token[arrival["token"]].append(arrival)
    for event in seen.events:
        by_id[event.get("message_id")].append(event)
    taken = find_taken(journal, seen)
    for token, submission in journal.submissions.items():
        submission.update(is_taken=token in taken, id=taken.get(token, submission.get("id")))
        ident = submission["id"]
        own = by_id.get(ident, [])
        verdict.counts["submitted"] += 1
        verdict.counts[submission["result"]] += 1
        verdict.counts["taken"] += submission["result"] == "unknown" and submission["is_taken"]
        found = list(judge_content(submission, by_token[token], seen.bad_signatures))
        kinds = {event["kind"] for event in own}
        is_let_go = ident in journal.deeds and kinds & FINAL > {"held"}
        if "held" in kinds and not is_let_go and ident not in seen.quarantine:
            found.append(("lost", "held, and not in the quarantine"))
        for recipient in submission["recipients"]:
            found += Case(journal, submission, recipient, by_token[token], own,
                          journal.notes.get((ident, recipient), ())).judge(verdict.counts)
        for kind, detail in found:
            verdict.add(kind, submission, detail,
                        timeline(submission, by_token[token], own, journal.faults))
    judge_damaged(journal, seen, by_id, verdict)
    for at, kind, name, why in journal.failures:
        verdict.add(kind, {"token": name, "kind": "fault", "at_us": at}, why,
                    [row for row in journal.faults if at - BEFORE_US <= row[0] <= at])
    for arrival in seen.foreign:
        verdict.add("misdirected", {"token": arrival["message_id"], "kind": "?", "at_us": 0},
                    f"given to a foreign server for {arrival['recipients']}, which can't show the "
                    "certificate that the route asks for", [])
    return verdict


def find_taken(journal, seen):
    """{token: id} of all that Postern took: what it acknowledged, and of what is unknown all that
    went on, or lies where it must go on. The event "accepted" alone proves nothing: it is not
    written at one time with the mail."""
    taken = {token: submission["id"] for token, submission in journal.submissions.items()
             if submission["result"] == "acknowledged"}
    ids = {event["message_id"]: event["accepted"]["subject"] for event in seen.events
           if event["kind"] == "accepted"}
    gone_on = {event.get("message_id") for event in seen.events if event["kind"] not in
               ("accepted", "alert")} | seen.stored
    found = [(token, ident) for ident, token in ids.items() if ident in gone_on]
    found += [(arrival["token"], arrival["id"]) for arrival in seen.arrivals]
    for token, ident in found:
        if journal.submissions.get(token, {}).get("result") == "unknown":
            taken[token] = ident
    return taken


def judge_damaged(journal, seen, by_id, verdict):
    """A record that can't be read is put away, as it is, where an operator finds it."""
    letters = collections.Counter(seen.dead)
    for at, topic, ident, digest in journal.damaged:
        own = by_id.get(ident, []) if ident else []
        is_told = letters[topic, digest] > 0 and (
            not ident or any(event["kind"] == "dead" for event in own))
        letters[topic, digest] -= 1
        verdict.counts["damaged"] += 1
        verdict.counts["dead"] += is_told
        if not is_told:
            case = {"token": topic, "kind": "damaged record", "id": ident, "at_us": at}
            verdict.add("lost", case, "not told in the dead-letter topic",
                        timeline({**case, "result": ""}, [], own, journal.faults))


def judge_content(submission, arrivals, bad_signatures):
    for arrival in arrivals:
        content = Path(arrival["file"]).read_bytes()
        added, own = content[:-submission["size"]], content[-submission["size"]:]
        names = sorted(FIELD.findall(added))
        if hashlib.sha256(own).hexdigest() != submission["sha256"]:
            yield "altered", f"what arrived is not what was submitted: {arrival['file']}"
        if FIELD.sub(b"", added) or {*names} - {b"DKIM-Signature"} != {b"Received", b"Date"}:
            yield "altered", f"what is before it is not what Postern adds: {arrival['file']}"
        if names.count(b"DKIM-Signature") != KEYS:
            yield "unsigned", f"DKIM-Signature {names.count(b'DKIM-Signature')} times"
        if arrival["file"] in bad_signatures:
            yield "unsigned", f"dkimpy says: {bad_signatures[arrival['file']]}"
        if not set(arrival["recipients"]) <= set(submission["recipients"]):
            yield "altered", f"for {arrival['recipients']}, who were not asked for"


class Case:
    """One recipient of one submission."""

    def __init__(self, journal, submission, recipient, arrivals, events, notes):
        self.notes = notes
        self.late_us = 0  # a kill that explains came so long after the copy
        self.journal, self.submission, self.recipient = journal, submission, recipient
        self.copies = [a for a in arrivals if recipient in a["recipients"]]
        self.events = [e for e in events if e.get("recipient") in (None, "", recipient)]
        # A repeat that was recognised tells the same event again, with the same time.
        self.finals = {(e["kind"], e["time_us"] if e["kind"] == "delivered" else 0)
                       for e in self.events if e["kind"] in FINAL}
        self.states = {kind for kind, _ in self.finals}
        self.end = "bounced" if recipient.rpartition("@")[2] in REFUSED else "delivered"
        self.deed, self.is_done = journal.deeds.get(submission["id"], ("", False))
        if self.deed and self.states:
            counts_as = self.end if self.deed == "release" else DEEDS[self.deed]
            self.fitting = [{"held", counts_as}] + [{"held"}] * (not self.is_done)
        else:
            self.fitting = []

    def judge(self, counts):
        if self.submission["is_taken"]:
            counts["recipients"] += 1
            yield from self.judge_taken(counts)
        elif self.submission["result"] == "rejected":
            yield "rejected", f"for good, and its sender may: {self.submission['text']}"
        elif self.submission["result"] == "refused" and self.copies:
            yield "two-states", "refused, and yet it arrived"
        counts["copies"] += len(self.copies)
        if self.submission["kind"] != "clean" and self.copies and self.deed != "release":
            yield "unscanned", f"a message of kind {self.submission['kind']} was delivered"
        if len(self.states) > 1 and self.states not in self.fitting:
            yield "two-states", f"final states {sorted(self.states)} for {self.recipient}"
        told = sum(kind == "delivered" for kind, _ in self.finals)
        if told > len(self.copies):
            yield "lost", f"{told} times said to be delivered, {len(self.copies)} copies"
        yield from self.judge_copies(counts)

    def judge_taken(self, counts):
        name, clean = self.recipient, self.submission["kind"] == "clean"
        if not self.states:
            moved = {e["kind"] for e in self.events} - {"accepted"}
            yield ("stuck" if moved else "lost"), (
                f"taken, without a final state for {name}; {len(self.copies)} copies")
        elif self.fitting:
            counts[self.deed] += self.is_done
            if self.states not in self.fitting:
                yield "lost", f"{sorted(self.states)}, and a person did {self.deed} it"
        elif self.states == {"bounced"} and self.end == "bounced" and self.is_refused():
            counts["refused for good"] += 1
        elif self.states == {"bounced"} and self.is_the_dns_believed():
            counts["bounced"] += 1
        elif self.states & {"bounced", "expired", "discarded", "dead"}:
            yield "lost", f"{sorted(self.states)} for {name}, which nobody asked for"
        elif self.states == {"held"}:
            counts["held"] += 1
            if clean:
                counts["closed"] += 1
                yield from self.judge_hold()
        elif not clean and "held" not in self.states:
            yield "unscanned", f"{sorted(self.states)}, and it should be held"
        elif clean and (not self.copies or self.end == "bounced"):
            yield "lost", f"taken, never arrived for {name}"

    def is_refused(self):
        return not self.copies and all(event.get("reply", {}).get("code") in (550, 554)
                                       for event in self.events if event["kind"] == "bounced")

    def is_the_dns_believed(self):
        """RFC 5321 5.1: a domain that the DNS says is not there is an error for good. Likewise one
        whose mail host has an address that can't be on the internet. Never one with a route."""
        event = next(e for e in self.events if e["kind"] == "bounced")
        lie = BELIEVED.get(event.get("reply", {}).get("enhanced"))
        return (lie and self.recipient.endswith(f"@{UNROUTED}") and
                self.journal.has_span(lie, event["time_us"] - NEGATIVE_US, event["time_us"]))

    def judge_hold(self):
        """A clean message may be held where its inspection was made to fail."""
        reason = next(e.get("reason", "") for e in self.events if e["kind"] == "held")
        from_us = self.submission["at_us"]
        to_us = max(e["time_us"] for e in self.events)
        if not (reason.startswith("inspection failed") and
                self.journal.has_span("workers", from_us, to_us)):
            yield "lost", f"clean, and held: {reason}"

    def judge_copies(self, counts):
        for copy, later in zip(self.copies, self.copies[1:]):
            why = self.explain(copy, later)
            if why:
                counts["explained " + why] += 1
                counts["late_us"] = max(counts["late_us"], self.late_us)
            else:
                yield "duplicate", (f"{self.recipient} was given it at "
                                    f"{copy['time_us']} and again at {later['time_us']}")

    def explain(self, copy, later):
        """Why nobody of ours knew for sure of that copy; None: we knew, and sent another."""
        from_us, again_us = copy["time_us"], later["time_us"]
        if not copy["answered"]:
            return "cut after the end of the data"
        # Told only after it was recorded. A note has the time of the remote 250.
        told = [at for kind, at in self.finals if kind == "delivered"]
        if any(from_us <= at < again_us for at in (*told, *self.notes)):
            return self.explain_in_spite_of_record(from_us, again_us)
        # The destination may read long after it was killed what the sender had sent.
        for at, process in self.journal.kills:
            if copy["began_us"] <= at <= again_us and process in ("sender", "sender-2", "inbox"):
                late_us = at - copy["time_us"] - self.blocked_us(copy["time_us"], at)
                if late_us <= ANSWER_US:
                    self.late_us = max(self.late_us, late_us)
                    return f"killed before the record of it ({process})"
        return None

    def explain_in_spite_of_record(self, from_us, again_us):
        """Without its record the sender can't know a repeat, which has a reason of its own."""
        if self.journal.may_repeat(self.submission["at_us"], again_us):
            if self.journal.has_span("redis flushed", from_us, again_us):
                return "the record was flushed"
            if self.journal.has_span("redis away", from_us - RECONNECT_US, again_us):
                return "the record was away"
        return None

    def blocked_us(self, from_us, to_us):
        return sum(max(0, min(span[1], to_us) - max(span[0], from_us))
                   for span in self.journal.spans
                   if span[2].split()[0] in ("sender", "sender-2", "destination", "disk"))
