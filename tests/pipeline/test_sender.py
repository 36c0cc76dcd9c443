# SPDX-License-Identifier: MIT
"""The sender between real processes: destinations that put off, restart or dawdle; two senders."""
import json
import subprocess
import time
from pathlib import Path

import pytest
from ports import free_port
from postern import ROOT, mail, now_us, wait_for


class FarEnd:
    """A destination of its own, reached by a route for one domain."""

    def __init__(self, postern, name, *options):
        self.postern, self.domain, self.port = postern, f"{name}.example", free_port()
        self.journal = postern.folder / f"{name}.jsonl"
        self.process = postern.spawn(name, ["/usr/bin/python3",
                                            ROOT / "tests/pipeline/destination.py", "--port",
                                            self.port, "--journal", self.journal, *options])
        postern.posternctl("apply", "-f", "-", stdin=(
            f"kind: route\ndomain: {self.domain}\nhost: 127.0.0.1\nport: {self.port}\n"))
        time.sleep(0.5)

    def arrivals(self):
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [json.loads(line) for line in lines]

    def wait(self, count, seconds=30):
        return wait_for(lambda: len(self.arrivals()) >= count and self.arrivals(), seconds,
                        f"{count} at {self.domain}")

    def submit(self, token, client=None):
        return self.postern.submit(mail(token), recipients=[f"ann@{self.domain}"],
                                   client=client)


def test_what_was_put_off_is_delivered_when_it_is_due(postern):
    end = FarEnd(postern, "later", "--rule", "*=defer:1")
    message_id = end.submit("later")
    deferred = postern.wait_event(message_id, "deferred")
    assert deferred["reply"]["code"] == 451 and deferred["reply"]["enhanced"] == "4.7.1"
    delivered = postern.wait_event(message_id, "delivered")
    assert 3 < (delivered["time_us"] - deferred["time_us"]) / 1e6 < 9
    assert len(end.arrivals()) == 1


def test_a_destination_that_was_restarted_costs_no_deferral(postern):
    end = FarEnd(postern, "restarted")
    end.submit("before")
    end.wait(1)
    end.process.kill()
    end.process.child.wait()
    end.process.start()
    time.sleep(0.5)
    message_id = end.submit("after")
    postern.wait_event(message_id, "delivered")
    assert [e["kind"] for e in postern.events(message_id)].count("deferred") == 0
    assert [a["connection"] for a in end.arrivals()] == [1, 1]


def test_a_destination_that_is_back_is_found_again(postern):
    end = FarEnd(postern, "away")
    end.process.kill()
    end.process.child.wait()
    message_id = end.submit("away")
    assert postern.wait_event(message_id, "deferred")["reply"]["enhanced"] == "4.4.1"
    end.process.start()
    postern.wait_event(message_id, "delivered")


def test_one_slow_destination_does_not_delay_another(postern):
    slow, quick = FarEnd(postern, "slow", "--rule", "*=slow:2"), FarEnd(postern, "quick")
    client = postern.connect()
    quick.submit("alone", client)
    quick.wait(1)
    for n in range(100):
        slow.submit(f"slow-{n}", client)
    took = []
    for n in range(10):
        started = now_us()
        quick.submit(f"quick-{n}", client)
        took.append(quick.wait(n + 2)[-1]["time_us"] - started)
    assert len(slow.arrivals()) < 100
    print(f"beside a slow destination: median {sorted(took)[5] / 1000:.0f} ms")
    assert sorted(took)[5] < 500_000
    slow.wait(100, 60)
    assert slow.arrivals()[-1]["connections"] <= 20


def test_a_thousand_messages_reuse_few_connections(postern):
    end = FarEnd(postern, "many")
    client = postern.connect()
    for n in range(1000):
        end.submit(f"many-{n}", client)
    arrivals = end.wait(1000, 60)
    assert len({a["message_id"] for a in arrivals}) == len(arrivals) == 1000
    print(f"1,000 messages over {arrivals[-1]['connections']} connections")
    assert arrivals[-1]["connections"] <= 20


def test_a_change_of_the_pool_is_seen_at_once(postern):
    postern.posternctl("apply", "-f", "-",
                       stdin="kind: pool\nname: default\nhelo: mta7.shop.example\n")
    time.sleep(1)
    end = FarEnd(postern, "greeted")
    end.submit("greeted")
    assert end.wait(1)[0]["helo"] == "mta7.shop.example"


def test_two_senders_share_a_pool_and_drain(postern):
    end = FarEnd(postern, "shared", "--rule", "*=slow:0.05")
    second = postern.service("sender", name="sender-2", SENDER_RECORD=postern.sender.env[
        "POSTERN_SENDER_RECORD"])
    postern.wait_ready(second)
    client = postern.connect()
    for n in range(100):
        end.submit(f"shared-{n}", client)
    assert second.stop() == 0, second.tail()
    for n in range(100, 150):
        end.submit(f"shared-{n}", client)
    arrivals = end.wait(150, 60)
    assert len({a["message_id"] for a in arrivals}) == len(arrivals)
    assert "drained" in Path(second.log).read_text()


@pytest.mark.parametrize("signal_after", [0.0, 0.002, 0.005, 0.02])
def test_killed_while_it_delivers_it_loses_nothing(postern, signal_after):
    """A copy is repeated only where the kill came between the far end's 250 and our record."""
    end = FarEnd(postern, f"killed{int(signal_after * 1000)}")
    client = postern.connect()
    for n in range(50):
        end.submit(f"killed-{signal_after}-{n}", client)
    end.wait(5)
    time.sleep(signal_after)
    postern.sender.kill()
    killed_us = now_us()
    postern.sender.child.wait()
    postern.sender.start()
    postern.wait_ready(postern.sender)
    end.wait(50, 60)
    time.sleep(1)
    wait_for(lambda: len({a["message_id"] for a in end.arrivals()}) == 50, 30, "all")
    times = {}
    for arrival in end.arrivals():
        times.setdefault(arrival["message_id"], []).append(arrival["time_us"])
    repeated = [when for when in times.values() if len(when) > 1]
    print(f"killed after {signal_after} s: {len(repeated)} repeated")
    assert all(len(when) == 2 and killed_us - when[0] < 5_000_000 for when in repeated)


def test_redis_killed_and_flushed_stops_nothing(postern):
    end = FarEnd(postern, "redis")
    redis = getattr(postern, "redis", None)
    if not redis:
        where = postern.start_redis()
        redis = postern.redis
        assert postern.sender.stop() == 0, postern.sender.tail()
        postern.sender.env["POSTERN_SENDER_RECORD"] = where
        postern.sender.start()
        postern.wait_ready(postern.sender)

    def deliver(token):
        started = time.monotonic()
        message_id = end.submit(token)
        postern.wait_event(message_id, "delivered")
        assert [a["message_id"] for a in end.arrivals()].count(f"<{token}@shop.example>") == 1
        return time.monotonic() - started
    deliver("with")
    redis.kill()
    redis.child.wait()
    assert deliver("killed") < 5
    redis.start()
    time.sleep(1)
    deliver("back")
    port = postern.sender.env["POSTERN_SENDER_RECORD"].rsplit(":", 1)[1]
    subprocess.run(["redis-cli", "-p", port, "flushall"], check=True, capture_output=True)
    deliver("flushed")
    assert postern.sender.metrics()["postern_sender_record_faults_total"] >= 1
