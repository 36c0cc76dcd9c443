#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""rspamd.py PORT FILE: answers as rspamd does, or as FILE says: ok, slow, rubbish, error, cut.
Spam is what has SPAM in it."""
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SPAM = b"Buy-this-now-for-nothing"
ANSWER = '{"is_skipped":false,"score":%s,"required_score":15.0,"action":"%s","symbols":{},"messages":{}}'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mood = MOOD.read_text()
        if mood == "cut":
            self.close_connection = True
            return
        if mood == "slow":
            time.sleep(4)
        answer = (ANSWER % (("20.5", "reject") if SPAM in content else ("0.5", "no action"))).encode()
        if mood == "rubbish":
            answer = b'{"action":"no action","score":"many"'
        self.send_response(500 if mood == "error" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """The scanner has hung up."""


if __name__ == "__main__":
    MOOD = Path(sys.argv[2])
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
