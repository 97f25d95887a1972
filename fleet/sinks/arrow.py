"""pyarrow, imported where it is used: records of one schema as columns, row groups as bytes, and rows back.

Parquet keeps where each row group lies in a footer at the end of the file, and the library writes that when it
closes the file, never before: whoever is killed leaves a file that nobody can open. So each group is written as a
small file of its own, but at the place it will have, and a footer of all groups so far goes behind it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from fleet.errors import RequestError, RunError
from fleet.scenario.avsc import STEPS_US, Avsc, AvscField, read_avsc

INSTALL = "pip install 'thingum-fleet[parquet]'"
MAGIC = b"PAR1"
TAIL_BYTES = 8  # at the end of any Parquet file: four for the footer's length, and the magic
COMPRESSION = "zstd"
PARSED_BYTES = 1 << 20  # of JSON at once, where no line is longer
READ_ROWS = 8192


def see_that_it_is_there() -> None:
    """Raise RequestError with the way out where pyarrow is not installed."""
    try:
        import pyarrow.json
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise RequestError(f"file: Parquet needs pyarrow ({error}); install it with: {INSTALL}") from None


# ---------------------------------------------------------------- columns


class Columns:
    """The columns that records of an Avro *schema* have, and the way there from their JSON texts.

    RequestError where a field is of a type that no column has.
    """

    def __init__(self, schema: str) -> None:
        import pyarrow as pa

        avsc = read_avsc(schema)
        self.schema = pa.schema([(field.name, _arrow_type(avsc, field)) for field in avsc.fields])
        self.texts = [field.name for field in self.schema if pa.types.is_string(field.type)]
        self._instants = [field.name for field in self.schema if pa.types.is_timestamp(field.type)]
        self._parsed: Any = None

    def table(self, values: Sequence[bytes]) -> Any:
        """Make a table of records that are JSON texts, in their order; RunError where one does not fit."""
        import pyarrow as pa
        import pyarrow.json as pa_json

        strange = next((value for value in values if value[:1] != b"{"), None)
        if strange is not None:  # the library must not see it: it dies of a null
            raise RunError(f"file: a row must be a JSON object, got {strange[:40].decode(errors='replace')!r}")
        self._parsed = self._parsed or self._parsed_as(values[0])
        longest = max(map(len, values))
        try:
            found = pa_json.read_json(
                pa.BufferReader(b"\n".join(values)),
                read_options=pa_json.ReadOptions(use_threads=False, block_size=max(PARSED_BYTES, 2 * longest)),
                parse_options=pa_json.ParseOptions(explicit_schema=self._parsed, unexpected_field_behavior="error"),
            )
            return found.cast(self.schema)
        except pa.ArrowException as error:
            raise RunError(f"file: a record does not fit the columns: {_line(error)}") from None

    def _parsed_as(self, value: bytes) -> Any:
        """Say what to read: instants are texts in whole microseconds, but numbers where they are a default's."""
        import pyarrow as pa

        first, schema = json.loads(value), self.schema
        for name in self._instants:
            is_text = not isinstance(first.get(name), int)
            schema = schema.set(
                schema.get_field_index(name), pa.field(name, pa.timestamp("us", "UTC") if is_text else pa.int64())
            )
        return schema


def _arrow_type(avsc: Avsc, field: AvscField) -> Any:
    """Give the column type of a *field*. Decimals are doubles: the texts have all digits of the sensor's."""
    import pyarrow as pa

    there = [branch for branch in avsc.branches(field) if branch.form.kind != "null"]
    if len(there) != 1:
        raise RequestError(
            f"file: a Parquet column has one type, field {field.name!r} has {len(there)}; use file:PATH.avro"
        )
    form, node = there[0].form, there[0].node
    if form.kind == "array":
        return pa.list_(_arrow_type(avsc, field._replace(type=node["items"])))
    if form.logical == "decimal" and form.kind in {"bytes", "fixed"}:
        return pa.float64()
    if form.kind == "long" and form.logical in STEPS_US and form.logical:
        unit = {"millis": "ms", "micros": "us", "nanos": "ns"}[form.logical.rpartition("-")[2]]
        return pa.timestamp(unit, None if form.logical.startswith("local") else "UTC")
    simple = {
        "string": pa.string(), "enum": pa.string(), "bytes": pa.binary(), "boolean": pa.bool_(),
        "int": pa.int32(), "long": pa.int64(), "float": pa.float32(), "double": pa.float64(),
    }  # fmt: skip
    if form.kind not in simple:
        raise RequestError(f"file: no Parquet column has the type of field {field.name!r}, {form}; use file:PATH.avro")
    return simple[form.kind]


# ---------------------------------------------------------------- row groups


class RowGroups:
    """Row groups, one after the other, and the footer that says where they are."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._meta = self._written(columns.schema.empty_table(), len(MAGIC))[1]

    def footer(self) -> bytes:
        """Write what ends a file with all groups so far."""
        out = BytesIO()
        self._meta.write_metadata_file(out)
        return out.getvalue()[len(MAGIC) :]

    def add(self, tables: Sequence[Any], at: int) -> bytes:
        """Give the bytes of a group with the rows of *tables*, which must come to lie *at* that place of the file.

        OSError where there is no room to prepare it.
        """
        import pyarrow as pa

        group, meta = self._written(pa.concat_tables(tables), at)
        self._meta.append_row_groups(meta)
        return group

    def _written(self, table: Any, at: int) -> tuple[bytes, Any]:
        """Write *table* as a file that lacks all between its magic and *at*; give what is from there to the footer.

        The hole takes no room on the disk, and places in a Parquet file are counted from its start.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        with tempfile.NamedTemporaryFile(prefix="fleet-") as tray:
            with pa.OSFile(tray.name, "wb") as out:
                writer = pq.ParquetWriter(
                    out, table.schema, compression=COMPRESSION, use_dictionary=self._columns.texts
                )
                os.lseek(out.fileno(), at, os.SEEK_SET)
                if len(table):
                    writer.write_table(table, row_group_size=len(table))
                writer.close()
            tray.seek(at)
            data = tray.read()
        meta = writer.writer.metadata
        if len(table):
            first = meta.row_group(0).column(0)
            assert at in {first.dictionary_page_offset, first.data_page_offset}, "the library asks where it is"
        footer_bytes = int.from_bytes(data[-TAIL_BYTES : -len(MAGIC)], "little") + TAIL_BYTES
        return data[:-footer_bytes], meta


# ---------------------------------------------------------------- back


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of the Parquet file at *path*; instants are whole numbers in their column's unit, null is NaN.

    RequestError where it cannot be read, or pyarrow is not there; RunError where it is no whole Parquet file.
    """
    see_that_it_is_there()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=READ_ROWS):
                yield from pa.table({name: _plain(batch.column(name)) for name in batch.schema.names}).to_pylist()
    except pa.ArrowException as error:
        raise RunError(f"file: {str(path)!r} is no whole Parquet file: {_line(error)}") from None
    except OSError as error:
        if error.errno is None:  # the library's own: a page that cannot be what it says
            raise RunError(f"file: {str(path)!r} is no whole Parquet file: {_line(error)}") from None
        raise RequestError(f"file: cannot read {str(path)!r}: {(os.strerror(error.errno)).lower()}") from None


def _plain(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    if pa.types.is_floating(column.type):
        return column.fill_null(float("nan"))
    return column


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0].strip()
