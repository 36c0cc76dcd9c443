# SPDX-License-Identifier: MIT
"""What the sender's delivery record holds, read behind its back: {(message id, recipient): [time of
each note, Unix microseconds]}."""
import collections
import socket
import sqlite3

# All in one step, so that no note comes in between.
SCRIPT = ("local r = {} for _, k in ipairs(redis.call('KEYS', 'postern:delivered:*')) do "
          "r[#r + 1] = k r[#r + 1] = redis.call('HGETALL', k) end %s return r")
TIME_US = 4  # field of an Event


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields_of(message):
    """(number, value) of each field of a protobuf message that has only numbers and bytes."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        value, at = varint(message, at)
        if tag & 7 == 2:
            at, value = at + value, message[at:at + value]
        elif tag & 7:
            raise ValueError("not such a message")
        yield tag >> 3, value


def time_of(note):
    """The note is an encoded Event (proto/events.proto)."""
    return dict(fields_of(note))[TIME_US]


def in_sqlite(path):
    notes = collections.defaultdict(list)
    with sqlite3.connect(path, timeout=10) as table:
        for message, recipient, note in table.execute(
                "SELECT message, recipient, note FROM deliveries"):
            notes[message, recipient].append(time_of(note))
    return notes


def read_reply(stream):
    line = stream.readline()
    kind, rest = line[:1], line[1:].strip()
    if kind == b"*":
        return [read_reply(stream) for _ in range(int(rest))]
    if kind == b"$":
        return stream.read(int(rest) + 2)[:-2]
    if kind in b"+:":
        return rest
    raise OSError(f"Redis says: {line}")


def in_redis(where, must_flush=False):
    """`where` is HOST:PORT. With `must_flush` all is gone afterwards."""
    host, port = where.rsplit(":", 1)
    script = (SCRIPT % ("redis.call('FLUSHALL')" if must_flush else "")).encode()
    with socket.create_connection((host, int(port)), timeout=10) as redis:
        redis.sendall(b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\n" % (len(script), script))
        reply = read_reply(redis.makefile("rb"))
    notes = collections.defaultdict(list)
    for key, pairs in zip(reply[::2], reply[1::2]):
        message = key.decode().rpartition(":")[2]
        for recipient, note in zip(pairs[::2], pairs[1::2]):
            notes[message, recipient.decode()].append(time_of(note))
    return notes
