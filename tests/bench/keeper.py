# SPDX-License-Identifier: MIT
"""Sees to it that a benchmark leaves nothing behind, however it ends.

The benchmark runs in a child. The parent takes in all that the child's servers put into the
background (nsd, Postfix, rspamd, Kafka); when the child has ended, be it by Ctrl-C, by SIGTERM or by
kill -9, it ends what is left of it and removes its folders.
"""
import atexit
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from stack import ROOT, family  # noqa: E402

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PATIENCE_S = 40
PATH_MOST = 40  # of the 107 bytes of a UNIX socket's name
GROUPING = Path("/proc/sys/kernel/sched_autogroup_enabled")


def prctl(option, value):
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def reap():
    """Takes leave of children that have ended; returns the status of each by its pid."""
    ended = {}
    try:
        while (got := os.waitpid(-1, os.WNOHANG))[0]:
            ended[got[0]] = os.waitstatus_to_exitcode(got[1])
    except ChildProcessError:
        pass
    return ended


def end_all():
    """Ends every descendant of this process."""
    for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        deadline = time.monotonic() + patience
        rest = family([os.getpid()])[1:]
        send(rest, number)
        while rest and time.monotonic() < deadline:
            time.sleep(0.05)
            reap()
            rest = family([os.getpid()])[1:]


def stop_once(*_):
    """In the child: unwinds, which stops all in order; a second signal changes nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + signal.SIGTERM)


def check_place(folder):
    """Why the queues can't be there, or None. On a file system in memory fsync is free."""
    done = subprocess.run(["stat", "--file-system", "--format=%T", folder], text=True,
                          capture_output=True)
    if done.returncode:
        return done.stderr.strip()
    kind = done.stdout.strip()
    if kind in ("tmpfs", "ramfs"):
        return f"{folder} is in memory ({kind}), where syncing costs nothing"
    if len(str(folder)) > PATH_MOST:
        return f"{folder} is too long a path for the sockets in it"
    for part in (folder, *folder.parents):
        if os.geteuid() == 0 and not part.stat().st_mode & 0o001:
            return f"{part} is closed to others than its owner, and Postfix has users of its own"
    return None


def choose_place():
    """BENCH_DIR, or the first of the usual places that will do."""
    named = os.environ.get("BENCH_DIR")
    places = [Path(named).resolve()] if named else [ROOT / "build", Path("/var/tmp")]
    if not named:
        places[0].mkdir(exist_ok=True)
    reasons = [check_place(place) for place in places]
    if None in reasons:
        return places[reasons.index(None)]
    sys.exit("bench: " + "; ".join(reasons) +
             ". Set BENCH_DIR to a folder on a disk that all may pass through.")


def open_folders():
    """On disk, and in memory. Others than root, as whom some servers run, may pass through."""
    folders = []
    for name, place in (("BENCH_DIR", choose_place()),
                        ("BENCH_SHM", os.environ.get("BENCH_SHM", "/dev/shm"))):
        folders.append(tempfile.mkdtemp(prefix="postern-bench-", dir=place))
        os.chmod(folders[-1], 0o711)
        os.environ[name] = folders[-1]
    return folders


def grouping():
    """How the kernel shares processors out by sessions; None: it doesn't, or we can't change it."""
    return GROUPING.read_text() if os.access(GROUPING, os.W_OK) else None


def set_grouping(value):
    if value == grouping():
        return
    try:
        GROUPING.write_text(value)
    except OSError as error:
        print(f"bench: {GROUPING}: {error.strerror}", file=sys.stderr)


def ungroup():
    """In the child: no shares by sessions until the end (sched(7), "The autogroup feature").
    Every server here is a session of its own, and one that is woken would wait tens of milliseconds
    for other sessions, whatever its nice value."""
    grouped = grouping()
    if grouped is not None:
        atexit.register(set_grouping, grouped)
        set_grouping("0\n")


def guard(open_folders=open_folders):
    """Returns in the child; the parent stays here and exits with the child's status. What
    `open_folders` makes is gone at the end."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    grouped = grouping()
    folders = open_folders()
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, stop_once)
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        return
    told = []

    def tell(*_):
        told.append(time.monotonic())
        send([child], signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, tell)
    ended = {}
    while child not in ended:
        time.sleep(0.1)
        ended = reap()
        if told and time.monotonic() > told[0] + PATIENCE_S:
            send([child], signal.SIGKILL)
    end_all()
    set_grouping(grouped)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(ended[child] if ended[child] >= 0 else 128 - ended[child])
