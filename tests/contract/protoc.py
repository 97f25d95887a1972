"""Google's own compiler and library, as the oracle of what Protobuf is: nothing of ours is asked."""

from __future__ import annotations

import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

from fleet.encode.schemas import schema_text


def compiled(file: str) -> Any:
    """Give the class of the first message of a published *file*, as protoc and the library have it."""
    return compiled_text(schema_text(file))


@cache
def compiled_text(text: str) -> Any:
    """Give the class of the first message of a schema's *text*."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schema.proto").write_text(text, encoding="utf-8")
        said = folder / "said"
        # The tools' own path, or importing well-known types would fail.
        include = str(files("grpc_tools") / "_proto")
        code = protoc.main(
            ["protoc", f"-I{folder}", f"-I{include}", f"--descriptor_set_out={said}", str(folder / "schema.proto")]
        )
        assert code == 0, "protoc takes it"
        (described,) = descriptor_pb2.FileDescriptorSet.FromString(said.read_bytes()).file
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(described.SerializeToString())
    path = f"{described.package}.{described.message_type[0].name}".lstrip(".")
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(path))
