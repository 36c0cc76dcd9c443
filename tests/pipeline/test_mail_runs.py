# SPDX-License-Identifier: MIT
"""One message at a time: what is delivered, held, refused, released, and what a trace shows."""
import base64
import io
import json
import re
import smtplib
import ssl
import subprocess
import zipfile
from pathlib import Path

import pytest
from postern import ROOT, mail, wait_for

EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
CARD = "4111 1111 1111 1111"


def zipped(name, content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    encoded = base64.encodebytes(packed.getvalue()).decode().replace("\n", "\r\n")
    return ("MIME-Version: 1.0\r\nContent-Type: application/zip; name=a.zip\r\n"
            f"Content-Transfer-Encoding: base64\r\n", encoded)


def test_a_message_is_delivered_signed_and_traced(postern):
    message_id = postern.submit(mail("plain", "An order.\r\n.dot at the line's start"))
    arrival = postern.arrival("plain")
    assert arrival["recipients"] == ["ann@customer.example"]
    postern.wait_event(message_id, "delivered")
    kinds = [event["kind"] for event in postern.events(message_id)]
    assert kinds.count("delivered") == 1
    assert {"accepted", "cleared", "signed", "delivered"} <= set(kinds)
    text = postern.posternctl("trace", message_id)
    assert "delivered" in text and "ann@customer.example" in text


@pytest.mark.parametrize("check", ["tools/dkim_check.py", "tests/pipeline/verify-mail-dkim"])
def test_verifiers_that_are_not_ours_pass_the_signatures(postern, check):
    token = f"verify-{Path(check).stem}"
    postern.submit(mail(token, "Signed? =E4\r\n \r\n\r\n", subject="a\r\n folded one"))
    content = postern.arrival(token)["content"]
    assert content.count(b"DKIM-Signature:") == 2
    done = subprocess.run([ROOT / check, str(postern.dns_port)],
                          input=content, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"rsa-sha256 pass" in done.stdout
    # A tampered copy must fail, or the check checks nothing.
    done = subprocess.run([ROOT / check, str(postern.dns_port)],
                          input=content.replace(b"Signed?", b"Forged!"), capture_output=True)
    assert done.returncode != 0


def test_the_content_arrives_unaltered(postern):
    body = "x" * 998 + "\r\n" + "..\r\n.\tdot\r\n" + "end\r\n" * 2000
    postern.submit(mail("same", body))
    content = postern.arrival("same")["content"]
    assert content.endswith(mail("same", body).encode())


def test_malware_is_held(postern):
    extra, body = zipped("eicar.txt", EICAR)
    message_id = postern.submit(mail("virus", body, extra=extra))
    event = postern.wait_event(message_id, "held")
    assert "eicar" in json.dumps(event).lower()
    # The event and the held record become durable side by side.
    wait_for(lambda: message_id in postern.posternctl("quarantine", "list"), 5, "listed")


def test_a_card_number_is_held_masked_and_released(postern):
    message_id = postern.submit(mail("card", f"Paid with {CARD}."))
    postern.wait_event(message_id, "held")
    shown = postern.posternctl("quarantine", "show", message_id)
    shown += json.dumps(postern.events(message_id))
    assert "card_number" in shown
    assert not re.search(r"4111[ -]?1111[ -]?1111[ -]?1111", shown)
    postern.posternctl("quarantine", "release", message_id, "--why", "asked for")
    postern.wait_event(message_id, "delivered")
    assert postern.arrival("card")
    assert message_id not in postern.posternctl("quarantine", "list")
    kinds = [event["kind"] for event in postern.events(message_id)]
    assert kinds.count("released") == 1 and kinds.count("delivered") == 1


def test_discard_is_final(postern):
    message_id = postern.submit(mail("discard", f"Paid with {CARD}."))
    postern.wait_event(message_id, "held")
    postern.posternctl("quarantine", "discard", message_id)
    postern.wait_event(message_id, "discarded")
    assert message_id not in postern.posternctl("quarantine", "list")


def test_rescan_judges_by_todays_policy(postern):
    message_id = postern.submit(mail("rescan", f"Paid with {CARD}."))
    postern.wait_event(message_id, "held")
    postern.posternctl("apply", "-f", "-", stdin="kind: policy\nname: lax\n")
    app = postern.posternctl("get", "app", "shop", "-o", "yaml")
    postern.posternctl("apply", "-f", "-", stdin=app + "policy: lax\n")
    postern.posternctl("quarantine", "rescan", message_id)
    postern.wait_event(message_id, "delivered")
    postern.posternctl("apply", "-f", "-", stdin=app)


def test_a_sender_that_is_not_the_apps_is_refused(postern):
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        postern.submit(mail("forged", sender="ceo@bigbank.example"))
    assert refused.value.smtp_code == 550
    assert refused.value.smtp_error.startswith(b"5.7.1 ")
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        postern.submit(mail("forged"), sender="x@bigbank.example")
    assert refused.value.smtp_code == 550


def test_replay_goes_to_the_same_recipients_only_when_told(postern):
    message_id = postern.submit(mail("replay"))
    postern.wait_event(message_id, "delivered")
    where = ("replay", "--topic", "mail.cleared.urgent", "--since", "1h", "--where",
             f"id={message_id}", "--into", "mail.cleared")
    assert "1" in postern.posternctl(*where, "--dry-run")
    postern.posternctl(*where, "--yes")
    postern.wait_event(message_id, "duplicate")
    assert len(postern.arrivals_of("replay")) == 1
    postern.posternctl(*where, "--again", "--yes")
    wait_for(lambda: len(postern.arrivals_of("replay")) == 2,
             30, "second arrival")


def test_a_large_message_passes(postern):
    line = "0123456789abcdef" * 4 + "\r\n"
    message_id = postern.submit(mail("large", line * (12 * 1024 * 1024 // len(line))))
    postern.wait_event(message_id, "delivered", seconds=90)
    assert postern.arrival("large")["size"] > 12 * 1024 * 1024


def test_many_recipients_have_a_final_state_each(postern):
    recipients = [f"r{n}@customer.example" for n in range(40)]
    message_id = postern.submit(mail("many"), recipients)
    wait_for(lambda: {e["recipient"] for e in postern.events(message_id)
                      if e["kind"] == "delivered"} == set(recipients), 30, "all delivered")
    arrived = [r for a in postern.arrivals_of("many") for r in a["recipients"]]
    assert sorted(arrived) == sorted(recipients)


def test_implicit_tls_works_too(postern):
    context = ssl.create_default_context(cafile=postern.folder / "tls/certificate.pem")
    with smtplib.SMTP_SSL("localhost", postern.tls_port, context=context) as client:
        client.login("shop", postern.secrets["shop"])
        postern.submit(mail("implicit"), client=client)
    assert postern.arrival("implicit")
