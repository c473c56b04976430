"""The verdict as data: five answers → runtime, reasons, and what would change it.

The rule itself stands in the template's includes/verdict.jinja, so that `copier copy` computes the
same; here it is only read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FIVE = ("concurrent_io", "workload", "scale", "team_ready", "cancellation")
"""The questions to ask before going async, in order."""

DECIDING = (*FIVE, "interfaces")
"""What `decide` takes: the five, and the interfaces, since gRPC forces tokio."""


@dataclass(frozen=True)
class Change:
    """An answer that would give another runtime."""

    question: str
    answer: Any
    runtime: str


@dataclass(frozen=True)
class Verdict:
    """`reasons` has the deciding one first; `costs` is a sentence of what was measured at the scale
    that was answered, or empty; `suggests` names capabilities worth having, `renders`
    the runtimes that are built."""

    runtime: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    costs: str
    suggests: tuple[str, ...]
    changes: tuple[Change, ...]
    renders: tuple[str, ...]

    @classmethod
    def of(cls, computed: Mapping[str, Any]) -> Verdict | None:
        """The verdict among a template's computed answers; None for a template without one."""
        data = computed.get("verdict")
        if not isinstance(data, dict) or "runtime" not in data:
            return None
        return cls(
            runtime=data["runtime"],
            reasons=tuple(data.get("reasons", ())),
            warnings=tuple(data.get("warnings", ())),
            costs=data.get("costs", ""),
            suggests=tuple(data.get("suggests", ())),
            changes=tuple(Change(**change) for change in data.get("changes", ())),
            renders=tuple(data.get("renders", (data["runtime"],))),
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def ways_back(self) -> list[str]:
        """The commands that move a project to the runtimes another answer would have given."""
        changes = [change.runtime for change in self.changes if change.runtime in self.renders]
        others = dict.fromkeys(changes)
        return [f"asyncscaffold update --set runtime={runtime}" for runtime in others]
