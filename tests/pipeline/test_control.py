# SPDX-License-Identifier: MIT
"""The operator's hand: suspend, credentials, certificates, health, and idle cost."""
import os
import signal
import smtplib
import ssl
import time

import pytest
from postern import mail, wait_for
from stack import family


def test_suspend_stops_an_app_within_a_second_everywhere(postern):
    open_session = postern.connect()
    postern.submit(mail("before"), client=open_session)
    postern.arrival("before")
    postern.signer.kill(signal.SIGSTOP)
    on_its_way = postern.submit(mail("on-its-way"), client=open_session)
    postern.wait_event(on_its_way, "cleared")
    postern.posternctl("app", "suspend", "shop", "--reason", "stolen credential")
    time.sleep(1)
    with pytest.raises((smtplib.SMTPException, OSError)):
        postern.submit(mail("in-the-open-session"), client=open_session)
    with pytest.raises((smtplib.SMTPException, OSError)):
        postern.submit(mail("in-a-new-session"))
    postern.signer.kill(signal.SIGCONT)
    held = postern.wait_event(on_its_way, "held")
    assert "suspended" in held["reason"]
    postern.submit(mail("other-app"), app="news")
    assert postern.arrival("other-app")
    assert not postern.arrivals_of("on-its-way")
    postern.posternctl("app", "resume", "shop")
    postern.posternctl("quarantine", "release", on_its_way)
    assert postern.arrival("on-its-way")
    wait_for(lambda: not fails(postern), 5, "resumed")


def fails(postern):
    try:
        postern.submit(mail("again"))
    except (smtplib.SMTPException, OSError) as why:
        return why


def test_two_credentials_are_valid_during_rotation_and_expiry_works(postern):
    old = postern.secrets["news"]
    new = postern.credential("news", "second", "--expires", "4s")
    expires = time.monotonic() + 4
    third = postern.posternctl("credential", "create", "news", "third", check=False)
    assert third.returncode != 0 and "delete" in third.stderr
    for secret in (old, new):
        postern.secrets["news"] = secret
        wait_for(lambda: can_log_in(postern), 2, "login")
    time.sleep(max(0, expires - time.monotonic()) + 0.2)
    assert not can_log_in(postern)
    postern.secrets["news"] = old
    assert can_log_in(postern)


def can_log_in(postern):
    try:
        postern.connect("news").close()
        return True
    except smtplib.SMTPAuthenticationError:
        return False


def test_a_certificate_is_replaced_without_dropping_sessions(postern):
    session = postern.connect()
    folder = postern.folder / "tls"
    before = (folder / "certificate.pem").read_bytes()
    postern.posternctl("tls", "sample", "--folder", folder, "--force")
    assert (folder / "certificate.pem").read_bytes() != before

    def serves_new():
        try:
            postern.connect().close()
            return True
        except ssl.SSLError:
            return False
    wait_for(serves_new, 5, "new certificate")
    postern.submit(mail("old-session"), client=session)
    assert postern.arrival("old-session")


def test_bad_yaml_is_refused_with_its_place(postern):
    done = postern.posternctl("apply", "-f", "-", check=False,
                              stdin="kind: app\nname: x\nlane: fast\nsendrs: []\n")
    assert done.returncode != 0
    assert ":3:" in done.stderr and ":4:" in done.stderr
    assert postern.posternctl("get", "app", "x", check=False).returncode != 0


def test_metrics_and_health_are_served(postern):
    for process in (postern.gateway, postern.scanner, postern.signer, postern.sender):
        assert process.is_ready()
        assert any(name.startswith("postern_") for name in process.metrics())


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_idle_pipeline_uses_under_one_percent_of_a_core(postern, request):
    time.sleep(3)
    pids = family([process.pid for process in postern.services()])
    before, started = sum(map(cpu_seconds, pids)), time.monotonic()
    time.sleep(20)
    used = (sum(map(cpu_seconds, pids)) - before) / (time.monotonic() - started)
    print(f"idle: {used * 100:.2f} % of a core in {len(pids)} processes")
    if request.config.getoption("--bus") == "local":
        assert used < 0.01
    assert used < 0.05  # librdkafka's threads fetch and beat


def test_sigterm_drains(postern):
    client = postern.connect()
    for n in range(50):
        postern.submit(mail(f"drain-{n}"), client=client)
    for process in (postern.gateway, postern.scanner, postern.signer, postern.sender):
        assert process.stop() == 0, process.tail()
        process.start()
        postern.wait_ready(process)
    for n in range(50):
        postern.arrival(f"drain-{n}")
    assert len({a["token"] for a in postern.arrivals()
                if a["token"].startswith("drain-")}) == 50
