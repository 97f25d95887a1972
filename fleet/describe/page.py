"""The page of an AsyncAPI document: one file with AsyncAPI's own React component in it, which needs nothing else."""

from __future__ import annotations

import gzip
import html
import importlib.resources
import json
import re
from typing import Any

FOLDER = "react_component"
SCRIPT, STYLE = "index.js.gz", "default.min.css"

OURS = """
body { margin: 0; }
.aui-root .prose code::before, .aui-root .prose code::after { content: none; }
.aui-root .prose td, .aui-root .prose th { padding: 0.3rem 0.8rem 0.3rem 0; }
"""
"""What the component leaves to the page; code and tables are those of descriptions."""

CONFIG = {
    "show": {"sidebar": True, "errors": True, "messages": False},  # every message is shown where it is sent and read
    "expand": {"messageExamples": True},
    "sidebar": {"showOperations": "byDefault", "useChannelAddressAsIdentifier": True},
    "sendLabel": "SENT",
    "receiveLabel": "READ",
}
SHOW = """
const place = document.getElementById('asyncapi');
AsyncApiStandalone.render({schema: DOCUMENT, config: CONFIG}, place);
// The component shows the fields of payloads only when asked to, and draws all of it anew when it knows how wide it
// is: so ask until nothing was closed for a while. Where a message is sent they stay closed: it is the same again.
let calm = 0;
const asking = setInterval(() => {
  const buttons = [...place.querySelectorAll('button')].filter(one =>
    / all$/.test(one.textContent) && one.parentElement.parentElement.textContent.startsWith('Payload') &&
    !one.closest('[id^="operation-send-"]'));
  const closed = buttons.filter(one => one.textContent === 'Expand all');
  closed.forEach(one => one.click());
  calm = buttons.length && !closed.length ? calm + 1 : 0;
  if (calm < 10) return;
  clearInterval(asking);
  document.documentElement.dataset.shown = 'whole';
}, 50);
"""
"""Draws the document, and says on the page itself when it is there as a whole."""

ENDING = re.compile(r"<(/script|!--)", re.IGNORECASE)


def page(document: dict[str, Any]) -> str:
    """Give the page of *document*, in which nothing is by reference to another file."""
    folder = importlib.resources.files("fleet.describe") / FOLDER
    script = gzip.decompress((folder / SCRIPT).read_bytes()).decode()
    style = (folder / STYLE).read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(document['info']['title'])}</title>\n"
        f"<style>{style}{OURS}</style>\n</head>\n<body>\n"
        f'<div id="asyncapi"></div>\n<script>{_inside(script)}</script>\n'
        f"<script>const DOCUMENT = {_inside(json.dumps(document, ensure_ascii=False))};\n"
        f"const CONFIG = {json.dumps(CONFIG)};{SHOW}</script>\n</body>\n</html>\n"
    )


def _inside(script: str) -> str:
    r"""Write a *script* so that it may stand inside a page: ``</script`` in any case and ``<!--`` would end or hide it.

    Both occur in strings only, where a backslash before the second character changes nothing.
    """
    return ENDING.sub(r"<\\\1", script)
