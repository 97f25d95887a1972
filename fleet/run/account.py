"""What became of every record.

scheduled = withheld + produced; produced + injected = acknowledged + failed + in doubt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from fleet.data import INJECTED, Delivery


@dataclass(slots=True)
class StreamAccount:
    """The account of one stream in one sink."""

    scheduled: int = 0  # due by the plan until the run ended
    withheld: int = 0  # by report policy, lost by a fault, or skipped because the run was late
    by_policy: int = 0  # of these: by policy
    by_label: int = 0  # of these: lost by a fault
    holes: int = 0  # numbers that its logs lack before the last one of each machine
    produced: int = 0  # handed to the sink
    injected: int = 0  # handed to it beside the plan
    acknowledged: int = 0
    failed: int = 0  # refused for good
    in_doubt: int = 0  # tried, no answer within the deadline
    refused: int = 0  # of those that failed: what a wrong client sent

    @property
    def balanced(self) -> bool:
        """Whether both equations hold."""
        settled = self.acknowledged + self.failed + self.in_doubt
        return self.scheduled == self.withheld + self.produced and self.produced + self.injected == settled

    @property
    def lost(self) -> int:
        """How many records of ours cannot be said to have arrived."""
        return self.failed + self.in_doubt


class Account:
    """The accounts of a run's streams in one sink."""

    def __init__(self) -> None:
        self.streams: dict[str, StreamAccount] = {}
        self._refused: Counter[str] = Counter()  # produced, and not taken over by the sink

    def of(self, stream: str) -> StreamAccount:
        """Give the account of *stream*."""
        return self.streams.setdefault(stream, StreamAccount())

    def refuse(self, stream: str, records: int) -> None:
        """Book *records* that were produced but that the sink did not take over: they have failed."""
        self._refused[stream] += records

    def unwanted(self, stream: str, records: int) -> None:
        """Take *records* back for which there was no reader any more: the run ended before they were due."""
        account = self.of(stream)
        if stream == INJECTED:
            account.injected -= records
            return
        account.scheduled -= records
        account.produced -= records

    def settle(self, delivery: Mapping[str, Delivery]) -> None:
        """Take over what a sink says became of what it was handed; what it has not settled is in doubt."""
        for stream in (*delivery, *(self._refused.keys() - delivery.keys())):
            account, found = self.of(stream), delivery.get(stream, Delivery())
            account.acknowledged, account.failed = found.acknowledged, found.failed + self._refused[stream]
            account.in_doubt = found.in_doubt + found.pending
            account.refused = account.failed if stream == INJECTED else 0

    @property
    def balanced(self) -> bool:
        """Whether every stream's account is."""
        return all(account.balanced for account in self.streams.values())

    @property
    def lost(self) -> int:
        """How many records cannot be said to have arrived, of all streams but a wrong client's."""
        return sum(account.lost for stream, account in self.streams.items() if stream != INJECTED)

    def as_fields(self) -> dict[str, dict[str, int]]:
        """Give the numbers by stream and name, as the run's records and reports carry them."""
        return {stream: asdict(account) for stream, account in self.streams.items() if stream != "runs"}
