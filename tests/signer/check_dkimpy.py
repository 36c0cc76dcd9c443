#!/usr/bin/python3
"""check_dkimpy.py FOLDER: has dkimpy verify every signature of d=example.test in each
FOLDER/*.eml against the records in FOLDER/*.txt (named as in the DNS). Prints a line for each
message: its file name and good or bad for each signature, topmost first."""
import glob
import os
import sys

import dkim

folder = sys.argv[1]
records = {}
for path in glob.glob(os.path.join(folder, "*.txt")):
    with open(path, "rb") as file:
        records[os.path.basename(path)[:-4].encode() + b"."] = file.read()


def look_up(name, timeout=5):
    return records.get(name.rstrip(b".") + b".")


for path in sorted(glob.glob(os.path.join(folder, "*.eml"))):
    with open(path, "rb") as file:
        text = file.read()
    results = []
    for index in range(text.count(b"d=example.test;")):
        try:
            good = dkim.DKIM(text).verify(idx=index, dnsfunc=look_up)
        except dkim.DKIMException as error:
            good = False
            print(path, error, file=sys.stderr)
        results.append("good" if good else "bad")
    print(os.path.basename(path), *results)
