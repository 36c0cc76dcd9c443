#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a power cut would leave of a folder, by the log of libpowerloss.so.

    disk.py LOG FOLDER --model posix|ext4 --cut N [--style STYLE] [--seed S] [--base FOLDER]

writes FOLDER as it could look after a cut behind entry N (0: before the first; default: the end).
Kept for certain: what a file held when a sync of it began that came back; posix: names in a folder
when a sync of that folder began that came back; ext4: all names when any sync began that came back
(its journal commits everything in order). Beyond that the styles none, some and all keep nothing;
of file data a random version of each sector, of names a random choice (posix) or a random first
part (ext4); everything, as a kill would.
"""
import argparse
import mmap
import os
import random
import struct
from collections import namedtuple

HEADER = struct.Struct("<IHHQQQ")
MAGIC = 0x50574C53
# Their content is mapped memory, which may reach the disk in any state at any time.
MAPPED = ("-shm", ".bell")

Entry = namedtuple("Entry", "kind path file offset data")


def read_log(path):
    """A last entry that is cut off is none."""
    if os.path.getsize(path) == 0:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as log:
        at = 0
        while at + HEADER.size <= len(log):
            magic, kind, path_size, number, offset, size = HEADER.unpack_from(log, at)
            if magic != MAGIC:
                raise ValueError(f"{path}: no entry at {at}")
            at += HEADER.size
            if at + path_size + size > len(log):
                return
            name = log[at:at + path_size].decode()
            data = log[at + path_size:at + path_size + size]
            at += path_size + size
            yield Entry(chr(kind), name, number, offset, data)


class File:
    def __init__(self, number=None, content=b""):
        self.number = number  # None: it was there before the log, and nobody has opened it yet
        self.synced = bytearray(content)
        self.changes = []  # (offset, data); data None: truncated to offset
        self.forgotten = 0  # changes before the first of the list

    def note(self, offset, data):
        self.changes.append((offset, data))

    def count(self):
        return self.forgotten + len(self.changes)

    def sync(self, count):
        done = max(0, count - self.forgotten)
        for change in self.changes[:done]:
            apply(self.synced, *change)
        del self.changes[:done]
        self.forgotten += done

    def after_cut(self, dice, style):
        content = bytearray(self.synced)
        if style == "all":
            for change in self.changes:
                apply(content, *change)
        elif style == "some" and self.changes:
            self.keep_some(content, dice)
        return content

    def keep_some(self, content, dice):
        """A sector that was written out last after the Nth change holds all changes before."""
        sector = dice.choice((512, 4096))
        share = dice.choice((0.1, 0.5, 0.9))
        versions = {}

        def version(number):
            if number not in versions:
                versions[number] = (0 if dice.random() > share
                                    else dice.randint(0, len(self.changes)))
            return versions[number]
        for index, (offset, data) in enumerate(self.changes):
            if data is None:
                if index < version("size"):
                    apply(content, offset, None)
                continue
            at = 0
            while at < len(data):
                number = (offset + at) // sector
                end = min(len(data), (number + 1) * sector - offset)
                if index < version(number):
                    apply(content, offset + at, data[at:end])
                at = end


def apply(content, offset, data):
    end = offset + len(data or b"")
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset:end] = data


class Disk:
    """The folder as the processes see it, and what of it is certain to outlive a cut."""

    def __init__(self, model, base=None):
        self.model = model
        self.names = {}  # path: File, or None for a folder
        self.changes = []  # of names, uncertain, in order: (path, File, None or GONE)
        self.syncs = {}
        self.files = {}
        if base and not os.path.isdir(base):
            raise FileNotFoundError(base)
        for where, folders, files in os.walk(base) if base else ():
            for name in folders:
                self.names[os.path.relpath(f"{where}/{name}", base)] = None
            for name in files:
                with open(f"{where}/{name}", "rb") as file:
                    path = os.path.relpath(f"{where}/{name}", base)
                    self.names[path] = File(None, file.read())
        self.certain = dict(self.names)

    GONE = object()

    def name(self, path, file):
        set_name(self.names, path, file)
        self.changes.append((path, file))

    def link(self, path, number):
        known = self.names.get(path)
        if known and known.number is None:
            known.number = number
            self.files[number] = known
        if not known or known.number != number:
            self.name(path, self.files.setdefault(number, File(number)))

    def note(self, entry):
        kind, file = entry.kind, self.files.get(entry.file)
        if kind == "L":
            self.link(entry.path, entry.file)
        elif kind == "U":
            known = self.names.get(entry.path)
            if entry.path in self.names and (known.number if known else 0) in (entry.file, None):
                self.name(entry.path, self.GONE)
        elif kind == "D":
            self.name(entry.path, None)
        elif kind in "WT":
            file.note(entry.offset, entry.data if kind == "W" else None)
        elif kind == "B":
            self.syncs[entry.offset] = (file.count() if file else 0, list(self.changes))
        elif kind == "E":
            self.sync(entry.path, file, *self.syncs.pop(entry.offset))

    def sync(self, path, file, count, names):
        if file:
            file.sync(count)
        for change in names:
            covers = self.model == "ext4" or (not file and os.path.dirname(change[0]) == path)
            # A concurrent sync may have made it certain already.
            if covers and any(change is c for c in self.changes):
                set_name(self.certain, *change)
                self.changes = [c for c in self.changes if c is not change]

    def rebuild(self, target, dice, style):
        names = dict(self.certain)
        kept = len(self.changes) if style == "all" else 0
        if style == "some" and self.model == "ext4":
            kept = dice.randint(0, len(self.changes))
        for index, change in enumerate(self.changes):
            is_loose = style == "some" and self.model == "posix" and dice.random() < 0.5
            if index < kept or is_loose:
                set_name(names, *change)
        os.mkdir(target)
        for path in sorted(names):
            parent = os.path.dirname(path)
            if parent and (parent not in names or not os.path.isdir(f"{target}/{parent}")):
                continue
            if names[path] is None:
                os.mkdir(f"{target}/{path}", 0o700)
                continue
            content = names[path].after_cut(dice, style)
            if path.endswith(MAPPED) and style == "some":
                content = dice.randbytes(len(content))
            with open(f"{target}/{path}", "wb") as file:
                file.write(content)


def set_name(names, path, file):
    if file is Disk.GONE:
        names.pop(path, None)
    else:
        names[path] = file


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log")
    parser.add_argument("folder")
    parser.add_argument("--model", choices=("posix", "ext4"), required=True)
    parser.add_argument("--style", choices=("none", "some", "all"), default="none")
    parser.add_argument("--cut", type=int, default=1 << 62)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--base", help="the folder before the log began")
    args = parser.parse_args()
    disk = Disk(args.model, args.base)
    for index, entry in enumerate(read_log(args.log)):
        if index >= args.cut:
            break
        disk.note(entry)
    disk.rebuild(args.folder, random.Random(args.seed), args.style)


if __name__ == "__main__":
    main()
