# SPDX-License-Identifier: MIT
"""Records that can't be decoded, put into any topic behind the services' backs."""
import hashlib
import os
import sqlite3
import subprocess
import time
from pathlib import Path

import record

LARGE = 500_000
LANES = ("urgent", "normal", "bulk")
STREAM = [f"{family}.{lane}" for family in ("mail.accepted", "mail.cleared",
                                            "mail.outbound.default") for lane in LANES]
OTHERS = ("mail.quarantine", "mail.events", "mail.dead", "control")
# Field 1 is the version, one byte; field 2 an id.
HEAD, ID = b"\x08\x01\x12\x24", slice(4, 40)
# Parts of a large value that never was, as the Kafka engine marks them.
HEADERS = ("postern-piece=rubbish", "postern-piece={id} 0 3", "postern-head=0 1 2",
           "postern-head={id} 3 2000000", "postern-head={id} 9 5", "postern-attempt=many",
           "postern-due=never", "postern-group=nobody")


def new_id():
    noise = os.urandom(10).hex()
    return (f"{time.time_ns() // 1000000:012x}"[:8] + "-" + f"{time.time_ns() // 1000000:012x}"[8:]
            + f"-7{noise[:3]}-8{noise[3:6]}-{noise[6:18]}")


def dead_letter(value):
    """(topic, SHA-256 of the record) of a DeadRecord (proto/events.proto); None if it is none."""
    try:
        fields = dict(record.fields_of(value))
        return fields[2].decode(), hashlib.sha256(fields[4]).hexdigest()
    except (ValueError, KeyError, IndexError, AttributeError):
        return None


def id_of(value):
    return value[4:40].decode(errors="replace") if value[:4] == HEAD else ""


def damaged(real):
    """(id, value): the id that the record still tells, "" if it tells none."""
    yield "", b"\xff" * 40
    yield "", b"\x08\x63"
    yield "", b"\x0a\x7f\x01"
    if real[:4] != HEAD:
        return
    for cut, version in ((len(real) * 6 // 10, b"\x01"), (len(real) - 1, b"\x01"),
                         (len(real), b"\x63")):
        ident = new_id()
        whole = b"\x08" + version + real[2:4] + ident.encode() + real[40:]
        yield ident, whole[:max(cut, 41)]


class LocalTopics:
    def __init__(self, folder):
        self.folder = Path(folder)

    def open(self, topic):
        return sqlite3.connect(f"file:{self.folder / topic}.db?mode=rw", uri=True, timeout=10)

    def has(self, topic):
        if not (self.folder / f"{topic}.db").exists():
            return False
        with self.open(topic) as database:
            return bool(database.execute("PRAGMA table_info(record)").fetchall())

    def newest(self, topic):
        return next(self.rows(topic, "WHERE length(value) > 0 ORDER BY id DESC LIMIT 1"), b"")

    def values(self, topic):
        return self.rows(topic, "")

    def rows(self, topic, where):
        with self.open(topic) as database:
            rows = database.execute(
                f"SELECT value, body_file, body_at, body_size FROM record {where}").fetchall()
        for value, number, at, size in rows:
            if number is None:
                yield bytes(value)
                continue
            with open(self.folder / f"bodies.{number:016x}", "rb") as bodies:
                bodies.seek(at)
                yield bytes(value) + bodies.read(size)

    def ids(self, topic):
        with self.open(topic) as database:
            rows = database.execute("SELECT substr(value, 1, 40) FROM record").fetchall()
        return {id_of(bytes(value)) for value, in rows} - {""}

    def put(self, topic, key, value):
        with self.open(topic) as database:
            database.execute("INSERT INTO record (time, due, key, value) VALUES (?, 0, ?, ?)",
                             (int(time.time() * 1000), key, value))


class KafkaTopics:
    def __init__(self, where, folder):
        self.where, self.file = where, Path(folder) / "damaged"

    def kcat(self, *args):
        return subprocess.run(["kcat", "-q", "-b", self.where, *args], check=True, timeout=30,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    def has(self, topic):
        return f'"{topic}"'.encode() in self.kcat("-L", "-J")

    def newest(self, topic):
        """A large one, of which there are only pieces here, would be cut anew when it is dead."""
        value = self.kcat("-C", "-t", topic, "-o", "-1", "-e", "-c", "1", "-f", "%s")
        return value if len(value) < LARGE else b""

    def values(self, topic):
        data, at = self.kcat("-C", "-t", topic, "-o", "beginning", "-e", "-f", "%S %s"), 0
        while at < len(data):
            value = data.index(b" ", at) + 1
            size = max(0, int(data[at:value]))
            yield data[value:value + size]
            at = value + size

    def ids(self, topic):
        return {id_of(value) for value in self.values(topic)} - {""}

    def put(self, topic, key, value, header=""):
        self.file.write_bytes(value)
        self.kcat("-P", "-t", topic, "-k", key.decode(), *(["-H", header] if header else []),
                  str(self.file))

    def put_marked(self, topic):
        for header in HEADERS:
            self.put(topic, b"chaos/0", b"\0" * 24, header.format(id=new_id()))


def damage(topics, note):
    """note(topic, id, value) is told of each record that a stage must find; id may be "". What is
    in OTHERS no stage takes: whoever reads there, which is each posternctl of the run and every
    service's registry, must go on. False: not every topic was there."""
    until, rest = time.monotonic() + 10, [*STREAM, *OTHERS]
    # The first dead letter makes its topic.
    while rest and time.monotonic() < until:
        there = [topic for topic in rest if topics.has(topic)]
        for topic in there:
            damage_topic(topics, topic, note)
        rest = [topic for topic in rest if topic not in there]
        time.sleep(0.2 if rest else 0)
    return not rest


def damage_topic(topics, topic, note):
    for ident, value in damaged(topics.newest(topic)):
        key = "app/chaos" if topic == "control" else ident or "chaos/0"
        topics.put(topic, key.encode(), value)
        if topic in STREAM:
            note(topic, ident, value)
    if hasattr(topics, "put_marked"):
        topics.put_marked(topic)
