# SPDX-License-Identifier: MIT
"""Runs Postern and what it needs on loopback: for `make run` and the pipeline tests.

A Stack owns a folder, the processes it started (stopped by pid) and the ports they listen on.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from ports import free_port

ROOT = Path(__file__).resolve().parent.parent


def wait_for(check, seconds, what):
    """Calls `check` until it returns something true; that is returned."""
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def is_listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def family(roots):
    """The processes and all that descend from them."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


class Process:
    """A child with its log in a file. Its environment is kept, so it can be started again."""

    def __init__(self, name, argv, env, log):
        self.name, self.argv, self.env, self.log = name, [str(a) for a in argv], env, log
        self.child = None
        self.http = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            # A session of its own: Ctrl-C reaches the stack, which stops all in order.
            self.child = subprocess.Popen(self.argv, env=self.env, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log, start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    def is_running(self):
        return self.child.poll() is None

    def kill(self, number=signal.SIGKILL):
        if self.is_running():
            os.kill(self.pid, number)

    def stop(self, seconds=15):
        """SIGTERM, then SIGKILL. Returns the exit status."""
        self.kill(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.child.wait()

    def tail(self, lines=15):
        return "\n".join(Path(self.log).read_text(errors="replace").splitlines()[-lines:])

    def is_ready(self):
        if not self.is_running():
            raise RuntimeError(f"{self.name} ended with {self.child.returncode}:\n{self.tail()}")
        try:
            with urllib.request.urlopen(f"http://{self.http}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        return {m[1]: float(m[2]) for m in re.finditer(r"^([^#\s]\S*) (\S+)$", text, re.M)}


class Stack:
    """Postern on loopback. bus: "local", "kafka" (starts a broker) or "kafka:HOST:PORT"."""

    SERVICES = ("smtp-gateway", "scanner", "signer", "sender")

    def __init__(self, folder, bin_folder=None, bus="local", say=lambda text: None):
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bin = Path(bin_folder or ROOT / "build/release/bin").resolve()
        self.say = say
        self.processes = []
        self.broker = None
        self.dns_port = None
        self.settings = {}
        self.bus = self._open_bus(bus)

    def _open_bus(self, bus):
        if bus == "local":
            (self.folder / "bus").mkdir(mode=0o700, exist_ok=True)
            return f"local:{self.folder / 'bus'}"
        if bus == "kafka":
            self.broker = self.folder / "kafka"
            self.say("starting a Kafka broker")
            return "kafka:" + self._tool("kafka", "start", self.broker).split()[-1]
        return bus

    @staticmethod
    def _tool(name, *args):
        done = subprocess.run([ROOT / "tools" / name, *map(str, args)], text=True,
                              stdout=subprocess.PIPE)
        if done.returncode:
            raise RuntimeError(f"tools/{name} {' '.join(map(str, args))} failed")
        return done.stdout

    def environment(self, **extra):
        env = {k: v for k, v in os.environ.items() if not k.startswith("POSTERN_")}
        return {**env, "POSTERN_BUS": self.bus, **self.settings, **extra}

    def spawn(self, name, argv, **env):
        process = Process(name, argv, self.environment(**env), self.folder / f"{name}.log")
        self.processes.append(process)
        return process

    def service(self, program, name=None, **settings):
        """Starts a copy of a service; `settings` are POSTERN_ variables without that prefix."""
        name = name or program
        http = f"127.0.0.1:{free_port()}"
        env = {f"POSTERN_{key}": str(value) for key, value in settings.items()}
        process = self.spawn(name, [self.bin / program], POSTERN_INSTANCE=name,
                             POSTERN_HTTP=http, **env)
        process.http = http
        return process

    def wait_ready(self, *processes, seconds=60):
        for process in processes:
            wait_for(process.is_ready, seconds, f"{process.name} ready")

    def posternctl(self, *args, stdin=None, check=True):
        done = subprocess.run([self.bin / "posternctl", *map(str, args)], input=stdin, text=True,
                              env=self.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        if check and done.returncode:
            raise RuntimeError(f"posternctl {' '.join(map(str, args))}: {done.stderr.strip()}")
        return done.stdout if check else done

    def events(self, message_id=None):
        """The events of one message, or all of them, as dicts."""
        args = ("trace", message_id, "--json") if message_id else ("events", "--json")
        done = self.posternctl(*args, check=False)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def start_dns(self, zones):
        """`zones`: zone name to its lines, apart from SOA and NS."""
        folder = self.folder / "dns"
        folder.mkdir(exist_ok=True)
        files = []
        for zone, lines in zones.items():
            file = folder / f"{zone}.zone"
            head = (f"$ORIGIN {zone}.\n$TTL 60\n"
                    "@ IN SOA ns.invalid. host.invalid. 1 60 60 60 60\n@ IN NS ns.invalid.\n")
            file.write_text(head + "\n".join(lines) + "\n")
            files.append(file)
        self.dns_port = int(self._tool("nsd", "start", folder, *files).split()[-1])
        self.settings["POSTERN_DNS_FORWARD"] = f"127.0.0.1:{self.dns_port}"

    def start_redis(self):
        """For the sender's delivery record. Keeps its data over a restart of the process."""
        port = free_port()
        folder = self.folder / "redis"
        folder.mkdir()
        self.redis = self.spawn("redis", ["redis-server", "--bind", "127.0.0.1", "--port", port,
                                          "--dir", folder, "--appendonly", "yes"])
        wait_for(lambda: is_listening(port), 10, "redis-server")
        return f"redis:127.0.0.1:{port}"

    def record(self):
        """Where the sender keeps its delivery record: a table, or Redis beside Kafka."""
        if self.bus.startswith("local:"):
            return f"sqlite:{self.folder / 'deliveries.db'}"
        return self.start_redis()

    def stop(self):
        """Drains the services in the order of the stream, then stops what they stood on."""
        for process in sorted(self.processes, key=lambda process: process.http is None):
            if process.is_running():
                self.say(f"stopping {process.name}")
                process.stop()
        if self.dns_port:
            self._tool("nsd", "stop", self.folder / "dns")
        if self.broker:
            self._tool("kafka", "stop", self.broker)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
