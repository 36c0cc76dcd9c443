# SPDX-License-Identifier: MIT
"""The stack that a user would run instead: Debian's Postfix with OpenDKIM and clamav-milter.

Well tuned: milters and clamd on UNIX sockets, raised process and concurrency limits, processes that
last, no in_flow_delay, temporary files in memory. Connections to the destination are reused on demand,
as by default: reusing them always (smtp_connection_cache_destinations = static:all) made it slower in
each of four rounds. Everything lives in a folder of its own.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from ports import free_port  # noqa: E402
from stack import Process, is_listening, wait_for  # noqa: E402

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = peer.example
mydestination =
mynetworks =
relayhost = [127.0.0.1]:{sink}
disable_dns_lookups = yes
smtpd_peername_lookup = no
local_header_rewrite_clients =
append_dot_mydomain = no
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = encrypt
smtpd_tls_loglevel = 0
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtp_tls_security_level = none
smtpd_milters = {milters}
milter_default_action = tempfail
milter_protocol = 6
in_flow_delay = 0
default_process_limit = 300
qmgr_message_active_limit = 200000
qmgr_message_recipient_limit = 200000
default_destination_concurrency_limit = 100
initial_destination_concurrency = 20
max_use = 10000
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
message_size_limit = 60000000
minimal_backoff_time = 30s
queue_run_delay = 30s
"""

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""

OPENDKIM = """\
Mode s
Domain {domain}
Selector rsa1
KeyFile {dkim}
Canonicalization relaxed/relaxed
SignatureAlgorithm rsa-sha256
OversignHeaders From
ExternalIgnoreList csl:0.0.0.0/0
InternalHosts csl:0.0.0.0/0
Socket local:{folder}/opendkim.sock
UMask 000
Syslog no
Background no
RequireSafeKeys no
"""

CLAMD = """\
LocalSocket {folder}/clamd.sock
DatabaseDirectory {signatures}
TemporaryDirectory {tmp}
Foreground yes
MaxThreads 12
LogFile {folder}/clamd-own.log
User root
"""

CLAMAV_MILTER = """\
MilterSocket {folder}/clamav-milter.sock
MilterSocketMode 666
ClamdSocket unix:{folder}/clamd.sock
Foreground yes
OnInfected Reject
OnFail Defer
AddHeader No
TemporaryDirectory {tmp}
LogFile {folder}/clamav-milter-own.log
User root
"""


def memory_folder():
    """A new one on tmpfs; the caller's to remove."""
    return Path(tempfile.mkdtemp(prefix="postern-bench-", dir=os.environ.get(
        "BENCH_SHM", "/dev/shm")))


class Peer:
    """Postfix, with or without the malware scan and rspamd. The same certificate, key and
    signatures as the Postern beside it."""

    def __init__(self, folder, sink_port, tls, dkim_key, signatures, domain, scans=True,
                 spam=None):
        self.folder = Path(folder).resolve()
        for name in ("spool", "data", "config/sasl"):
            (self.folder / name).mkdir(parents=True)
        self.port = free_port()
        self.secret = "bench-secret"
        self.processes = []
        self.tmp = memory_folder()
        self.values = dict(folder=self.folder, sink=sink_port, port=self.port, domain=domain,
                           certificate=tls / "certificate.pem", key=tls / "key.pem",
                           dkim=dkim_key, signatures=signatures, tmp=self.tmp)
        # What scans comes first, as in any such set-up; what signs comes last.
        milters = [spam.milter] if spam else []
        milters += [f"unix:{self.folder}/{name}.sock"
                    for name in ["clamav-milter"] * scans + ["opendkim"]]
        self.values["milters"] = ", ".join(milters)
        try:
            self.start_milters(scans)
            self.start_postfix()
        except BaseException:
            self.stop()
            raise

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text.format(**self.values))
        return path

    def spawn(self, name, argv):
        process = Process(name, argv, dict(os.environ), self.folder / f"{name}.log")
        self.processes.append(process)
        socket = self.folder / f"{name}.sock"
        wait_for(lambda: socket.exists() or self.check(process), 30, name)

    @staticmethod
    def check(process):
        if not process.is_running():
            raise RuntimeError(f"{process.name} ended:\n{process.tail()}")

    def start_milters(self, scans):
        self.spawn("opendkim", ["opendkim", "-f", "-x", self.write("opendkim.conf", OPENDKIM)])
        if scans:
            self.spawn("clamd", ["clamd", "-c", self.write("clamd.conf", CLAMD)])
            self.spawn("clamav-milter", ["clamav-milter", "-c",
                                         self.write("clamav-milter.conf", CLAMAV_MILTER)])

    def start_postfix(self):
        config = self.folder / "config"
        self.write("config/main.cf", MAIN)
        self.write("config/master.cf", MASTER)
        database = self.folder / "sasldb2"
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", database, "-u", "peer.example", "shop"],
                       input=self.secret, text=True, check=True)
        (config / "sasl/smtpd.conf").write_text(
            "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN\n"
            f"sasldb_path: {database}\n")
        shutil.chown(self.folder / "data", "postfix")
        database.chmod(0o644)
        self.folder.chmod(0o755)
        self.postfix("start")
        wait_for(lambda: is_listening(self.port), 20, "Postfix")

    def postfix(self, command):
        subprocess.run(["postfix", "-c", self.folder / "config", command], check=True,
                       capture_output=True)

    @property
    def user(self):
        return "shop@peer.example"

    def pids(self):
        return [int(self.pid_file.read_text())] + [p.pid for p in self.processes]

    @property
    def pid_file(self):
        return self.folder / "spool/pid/master.pid"

    def stop(self):
        if self.pid_file.exists():
            self.postfix("stop")
        # A milter waits for up to 5 s before it sees SIGTERM, and has nothing to lose.
        for process in reversed(self.processes):
            process.kill()
            process.child.wait()
        shutil.rmtree(self.tmp, ignore_errors=True)
