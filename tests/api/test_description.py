"""The api's description of itself is true: every schema has an example that fits, and nothing that fits is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from keeprate.api.examples import EXAMPLE_KEY
from keeprate.steps.session import Session
from support.api import Serving, over_unix
from support.catalogs import add_file
from support.waiting import COMMAND_S


def described(here: Serving) -> dict[str, Any]:
    answered = over_unix(here, "GET", "/openapi.json")
    assert answered.status == 200
    found: dict[str, Any] = answered.json
    return found


def test_every_schema_has_an_example_that_fits(here: Serving) -> None:
    description = described(here)
    schemas = description["components"]["schemas"]
    assert len(schemas) > 25
    for name, schema in schemas.items():
        assert schema.get("examples"), f"{name} has no example"
        whole = {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
        for example in schema["examples"]:
            jsonschema_rs.validate(whole, example)


def test_everything_is_described(here: Serving) -> None:
    operations = {
        f"{method.upper()} {path.removeprefix('/api/v1')}": operation
        for path, of_path in described(here)["paths"].items()
        for method, operation in of_path.items()
    }
    assert set(operations) == {
        "GET ", "GET /live", "GET /status", "GET /libraries", "GET /heads", "GET /heads/{head}", "GET /photos",
        "GET /photos/{key}", "GET /photos/{key}/thumbnail", "GET /labels", "POST /labels", "GET /problems",
        "GET /jobs", "GET /jobs/{name}", "POST /jobs/{name}/run", "POST /jobs/{name}/pause",
        "POST /jobs/{name}/resume", "POST /pause", "POST /resume", "POST /reload", "POST /make-way",
        "POST /catalog-changed", "POST /page-code", "GET /events",
    }  # fmt: skip
    for name, operation in operations.items():
        assert operation["description"], name


@pytest.mark.slow
def test_schemathesis_finds_nothing(scored: Session, here: Serving, tmp_path: Path) -> None:
    """Every address with sense and nonsense, over 127.0.0.1 with the token; the events never end and are left out."""
    add_file(scored.catalog, "/p/example.jpg", EXAMPLE_KEY)  # so that examples are of something
    assert here.server.url is not None
    token = here.home.token_file.read_text().strip()
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", f"{here.server.url}/api/v1/openapi.json",
            "--header", f"Authorization: Bearer {token}", "--exclude-path", "/api/v1/events", "--checks", "all",
            "--exclude-checks", "ignored_auth",  # what is not allowed in is tested by hand
            "--max-examples", "4", "--seed", "1", "--no-color", "--request-timeout", "60",
            "--phases", "examples,coverage,fuzzing",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=COMMAND_S, check=False,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
