"""A decoder that asks for the schemas it does not know, before it decodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.contract.lookup import Lookup
from fleet.encode.decode import Decoder, schema_id_of
from fleet.encode.layouts import Layout


class Asking:
    """Decodes what a run wrote, whose *schemas* are known by id; those of other ids are *lookup*'s.

    All that are known stand in *texts*, which may have some already.
    """

    def __init__(
        self,
        schemas: Mapping[int, str],
        lookup: Lookup,
        *,
        owns: Sequence[Layout] = (),
        texts: dict[int, str] | None = None,
    ) -> None:
        self.texts = {} if texts is None else texts
        self.texts |= lookup.known(schemas)
        self.decoder = Decoder(self.texts, owns=owns)
        self._lookup = lookup

    async def learn(self, value: bytes | None) -> None:
        """Ask for the schema of a *value*, if nobody knows it yet."""
        number = schema_id_of(value)
        if number is None or number in self.texts:
            return
        text = await self._lookup.text(number)
        if text is not None:
            self.texts[number] = text
            self.decoder.learn(number, text)

    async def decode(self, value: bytes | None) -> dict[str, Any]:
        """Give the fields of *value*, as `Decoder.decode` does."""
        await self.learn(value)
        return self.decoder.decode(value)
