"""``fleet asyncapi``: the document on standard output, in a folder with its schemas, or as a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.contract.access import access
from fleet.describe.command import write_pieces
from fleet.describe.document import Document
from fleet.describe.examples import examples_of
from fleet.describe.page import page
from fleet.describe.servers import Servers, named, shown
from fleet.describe.subject import described
from fleet.describe.yaml import in_yaml
from fleet.errors import RequestError, without_user
from fleet.scenario.library import expected
from fleet.scenario.model import Scenario
from fleet.scenario.proto import is_proto
from fleet.scenario.texts import read_text
from fleet.sinks.properties import connection

FILE, SCHEMAS = "asyncapi.yaml", "schemas"
YAML, HTML = (".yaml", ".yml"), (".html", ".htm")
SCENARIO_BYTES_MAX = 4 << 20


@dataclass(frozen=True, slots=True)
class AsyncApiRequest:
    """What was asked for; None and nothing where it was not said."""

    scenario: Scenario
    source: str
    to: str | None = None
    kafka_config: Path | None = None
    registry: str | None = None
    run_header: bool = False
    headers: str | None = None
    out: Path | None = None
    html: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What was written, for people, and what goes to standard output."""

    files: tuple[Path, ...] = ()
    text: str = ""


def carry_out(request: AsyncApiRequest, environment: Mapping[str, str]) -> Told:
    """Describe the scenario of *request*; RequestError where that cannot be. *environment* may have secrets."""
    folder, file = _places(request)
    servers = _servers(request, environment)
    if file is None and folder is None:
        return Told(text=in_yaml(_document(request, servers, _inline)))
    assert file is not None, "a folder has a file in it"
    if request.html:
        write_pieces(file, [page(_document(request, servers, _inline))])
        return Told((file,))
    texts: dict[str, str] = {}

    def beside(name: str, text: str) -> Any:
        texts[name] = text
        if is_proto(text):
            return text  # parsers follow references to YAML and JSON only
        return {"$ref": f"./{SCHEMAS}/{name}"}

    document = in_yaml(_document(request, servers, beside))
    schemas = [file.parent / SCHEMAS / name for name in texts]
    for schema, text in zip(schemas, texts.values(), strict=True):
        write_pieces(schema, [text])
    write_pieces(file, [document])
    return Told((file, *schemas))


def _document(request: AsyncApiRequest, servers: Servers, payload: Callable[[str, str], Any]) -> dict[str, Any]:
    plan = described(request.scenario, request.source, run_header=request.run_header, headers=request.headers)
    return Document(plan, servers, examples_of(plan), _expect(request.scenario), payload).values()


def _inline(_: str, text: str) -> Any:
    return text if is_proto(text) else json.loads(text)


def _expect(scenario: Scenario) -> str:
    """Give what the comments of the scenario's file say to expect."""
    file = Path(scenario.file)
    return expected(read_text(file, bytes_max=SCENARIO_BYTES_MAX)) if scenario.file and file.is_file() else ""


def _places(request: AsyncApiRequest) -> tuple[Path | None, Path | None]:
    """Settle the folder and the file that are written; neither for standard output."""
    out = request.out
    if out is None:
        return None, Path(f"{request.scenario.name}-asyncapi.html") if request.html else None
    suffix = out.suffix.lower()
    wanted = HTML if request.html else YAML
    if suffix in (*HTML, *YAML) and not out.is_dir():
        if suffix not in wanted:
            what = "a page; name it .html" if request.html else "a document; name it .yaml, or ask for --html"
            raise RequestError(f"--out {out}: what is written is {what}")
        return out.parent, out
    return out, out / ("asyncapi.html" if request.html else FILE)


def _servers(request: AsyncApiRequest, environment: Mapping[str, str]) -> Servers:
    there = access(request.registry, environment)
    registry = there.urls[0] if there is not None and there.urls else ""
    if request.to is None and request.kafka_config is None:
        return shown(registry)
    url = request.to or "kafka://"
    if not url.startswith("kafka://"):
        raise RequestError(f"--to: must be kafka://HOST:PORT, got {without_user(url)!r}")
    return named(connection(url.removeprefix("kafka://"), request.kafka_config, environment).connection, registry)
