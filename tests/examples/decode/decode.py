"""What main.go is for Go's libraries, for Apache Avro in Python."""

from __future__ import annotations

import json
import sys
from io import BytesIO
from typing import Any

import avro.errors
import avro.io
import avro.schema

from tests.examples.records import dump, plain_text


def answer(asked: dict[str, str]) -> dict[str, Any]:
    """Read a body as *asked*, and write it again."""
    body, again = BytesIO(bytes.fromhex(asked["body"])), BytesIO()
    try:
        writer = avro.schema.parse(plain_text(asked["writer"]))
        reader = avro.schema.parse(plain_text(asked["reader"])) if asked["reader"] else writer
        value = avro.io.DatumReader(writer, reader).read(avro.io.BinaryDecoder(body))
        avro.io.DatumWriter(reader).write(value, avro.io.BinaryEncoder(again))
    except avro.errors.AvroException as error:
        return {"error": str(error)}
    if body.read(1):
        return {"error": "bytes are left"}
    return {"value": dump(value), "again": again.getvalue().hex()}


for line in sys.stdin:
    sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
