# SPDX-License-Identifier: MIT
"""The promise under SIGKILL: 1,000 messages while each service is killed once."""
import smtplib
import threading
import time

from postern import mail, now_us, wait_for

MESSAGES, CLIENTS = 1000, 10


class Clients:
    """Submit until every message has its 250. Each try has a token of its own: a try whose
    answer never came may have been taken or not, and must not arrive more than once."""

    def __init__(self, postern):
        self.postern = postern
        self.lock = threading.Lock()
        self.next = 0
        self.acknowledged, self.unknown = {}, set()
        self.threads = [threading.Thread(target=self.run) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def take(self):
        with self.lock:
            self.next += 1
            return self.next if self.next <= MESSAGES else None

    def run(self):
        client = None
        number = self.take()
        attempt = 0
        while number:
            attempt += 1
            token = f"kill-{number}-{attempt}"
            try:
                client = client or self.postern.connect()
                message_id = self.postern.submit(mail(token), client=client)
            except (OSError, smtplib.SMTPException):
                with self.lock:
                    self.unknown.add(token)
                client = None
                time.sleep(0.1)
                continue
            with self.lock:
                self.acknowledged[token] = message_id
            number, attempt = self.take(), 0


def test_a_thousand_messages_survive_the_kill_of_each_service(postern):
    clients = Clients(postern)
    killed_us = {}
    services = (postern.scanner, postern.signer, postern.sender, postern.gateway)
    for count, process in enumerate(services, 1):
        wait_for(lambda: len(clients.acknowledged) >= count * MESSAGES // 6, 120, "progress")
        process.kill()
        killed_us[process.name] = now_us()
        process.child.wait()
        time.sleep(0.3)
        process.start()
        postern.wait_ready(process)
    for thread in clients.threads:
        thread.join()
    assert len(clients.acknowledged) == MESSAGES

    def copies():
        arrived = {}
        for arrival in postern.arrivals():
            arrived.setdefault(arrival["token"], []).append(arrival)
        return arrived
    wait_for(lambda: clients.acknowledged.keys() <= copies().keys(), 120, "all arrivals")
    time.sleep(2)
    repeated = {token: same for token, same in copies().items() if len(same) > 1}
    print(f"{MESSAGES} acknowledged, {len(clients.unknown)} unknown, {len(repeated)} repeated")
    # Only where the sender was killed between the destination's 250 and its own record of it: the
    # first came over a connection that the kill cut.
    for token, same in repeated.items():
        assert len(same) == 2, token
        first = min(same, key=lambda copy: copy["time_us"])
        assert first["began_us"] < killed_us["sender"] < first["time_us"] + 5_000_000, token
    assert len(repeated) <= CLIENTS
    delivered = {}
    for event in postern.events():
        if event["kind"] == "delivered":
            delivered.setdefault(event["message_id"], []).append(event)
    for token, message_id in clients.acknowledged.items():
        assert message_id in delivered, token


def test_a_small_message_arrives_quickly(postern, request):
    """End of data to arrival at the inbox, one message at a time."""
    client = postern.connect()
    took = []
    for n in range(60):
        message_id = postern.submit(mail(f"quick-{n}"), client=client)
        arrived = postern.arrival(f"quick-{n}")["time_us"]
        accepted = postern.wait_event(message_id, "accepted")
        took.append(arrived - accepted["time_us"])
    took = sorted(took[10:])
    p50 = took[len(took) // 2] / 1000
    print(f"latency p50 {p50:.1f} ms, max {took[-1] / 1000:.1f} ms")
    assert p50 < (12 if request.config.getoption("--bus") == "local" else 25)
