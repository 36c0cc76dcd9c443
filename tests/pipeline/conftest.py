# SPDX-License-Identifier: MIT
"""One running Postern for each test module."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from postern import Postern  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--bus", default="local", help="local, or kafka: starts a broker for each module")


@pytest.fixture(scope="module")
def postern(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("postern")
    with Postern(folder, request.config.getoption("--bus")) as stack:
        stack.prepare()
        stack.start_services()
        yield stack
