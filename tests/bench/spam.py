# SPDX-License-Identifier: MIT
"""One rspamd for both sides: Postern asks its normal worker, Postfix its milter. It is small: the
modules that ask the net or Redis are off, so that no look-up's delay is measured."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from stack import Process, wait_for  # noqa: E402

OFF = ("rbl surbl spf dkim dmarc arc hfilter mx_check asn once_received phishing fuzzy_check "
       "greylist ratelimit history_redis reputation replies neural mid whitelist url_redirector "
       "rspamd_update dkim_signing metric_exporter clickhouse elastic external_services "
       "antivirus").split()

NORMAL = 'bind_socket = "{folder}/normal.sock mode=0666"; count = 2;\n'
PROXY = """\
bind_socket = "{folder}/milter.sock mode=0666";
count = 2;
milter = yes;
timeout = 20s;
upstream "local" {{ default = yes; self_scan = yes; }}
"""
OPTIONS = """\
dns { nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }
task_timeout = 8s;
"""


class Rspamd:
    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.process = None
        for name in ("local.d", "db", "run", "log"):
            (self.folder / name).mkdir(parents=True)
            (self.folder / name).chmod(0o777)
        self.folder.chmod(0o777)
        self.configure()

    def configure(self):
        local = self.folder / "local.d"
        for module in OFF:
            (local / f"{module}.conf").write_text("enabled = false;\n")
        for worker in ("controller", "fuzzy"):
            (local / f"worker-{worker}.inc").write_text("enabled = false;\n")
        (local / "worker-normal.inc").write_text(NORMAL.format(folder=self.folder))
        (local / "worker-proxy.inc").write_text(PROXY.format(folder=self.folder))
        (local / "options.inc").write_text(OPTIONS)
        (local / "logging.inc").write_text('type = "console"; level = "warning";\n')

    def start(self):
        names = {"LOCAL_CONFDIR": "", "DBDIR": "/db", "RUNDIR": "/run", "LOGDIR": "/log"}
        argv = ["rspamd", "-u", "_rspamd", "-g", "_rspamd", "-f", "-c",
                "/etc/rspamd/rspamd.conf"]
        argv += [f"--var={name}={self.folder}{path}" for name, path in names.items()]
        self.process = Process("rspamd", argv, dict(os.environ), self.folder / "rspamd.log")
        wait_for(self.is_up, 60, "rspamd")

    def is_up(self):
        if not self.process.is_running():
            raise RuntimeError(f"rspamd ended:\n{self.process.tail()}")
        return all((self.folder / f"{name}.sock").exists() for name in ("normal", "milter"))

    @property
    def question(self):
        """Where Postern's scanner asks."""
        return f"unix:{self.folder}/normal.sock"

    @property
    def milter(self):
        return f"unix:{self.folder}/milter.sock"

    def pids(self):
        return [self.process.pid]

    def stop(self):
        if self.process:
            self.process.stop()
