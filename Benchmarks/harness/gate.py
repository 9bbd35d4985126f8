"""The gate for continuous integration: exact counts against the limits in `Thresholds/`."""

import json
from dataclasses import dataclass
from pathlib import Path

from . import BenchmarkError, allocations, instructions, state
from .context import Context

_THRESHOLDS = Path(__file__).parent.parent / "Thresholds"


@dataclass(frozen=True)
class Verdict:
    """One measured figure beside its limit."""

    name: str
    measured: float
    limit: float
    unit: str

    @property
    def passes(self) -> bool:
        return self.measured <= self.limit

    def __str__(self) -> str:
        word = "pass" if self.passes else "FAIL"
        return f"{word}  {self.name}: {self.measured:.3f}, limit {self.limit:g} ({self.unit})"


def check(context: Context) -> list[Verdict]:
    """Counts instructions, allocations and bytes over few requests and objects; judges each row that has a limit."""
    counted_instructions = instructions.count(context, few=200, many=1000)
    counted_allocations = allocations.count(context, warm_up_calls=500, counted_calls=2000)
    base_instructions = counted_instructions[instructions.BASE]
    base_allocations = counted_allocations[instructions.BASE].allocations
    ratios = {name: value / base_instructions for name, value in counted_instructions.items()}
    beyond = {name: value.allocations - base_allocations for name, value in counted_allocations.items()}
    return _judge("instructions", ratios) + _judge("allocations", beyond) + _judge("state", state.count(context))


def _judge(kind: str, measured: dict[str, float]) -> list[Verdict]:
    thresholds = json.loads((_THRESHOLDS / f"{kind}.json").read_text())
    verdicts = []
    for name, limit in thresholds["limits"].items():
        if name not in measured:
            raise BenchmarkError(f"Thresholds/{kind}.json limits {name}, which is not measured")
        verdicts.append(Verdict(f"{kind} {name}", measured[name], limit, thresholds["unit"]))
    return verdicts
