"""What of the caller's `GIT_*` environment says how repositories are reached, and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

_VARIABLES = re.compile(
    r"GIT_(ASKPASS|SSH|SSH_COMMAND|SSH_VARIANT|TERMINAL_PROMPT|PROXY_COMMAND|ALLOW_PROTOCOL"
    r"|(HTTP|SSL|PROXY_SSL)_\w+|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM))"
)

_SETTINGS = re.compile(
    r"(credential|http|protocol|safe|ssh|url)\..+|core\.(askpass|gitproxy|sshcommand)",
    re.IGNORECASE,
)
"""The keys that count of those in `GIT_CONFIG_COUNT`; others would change content or commands."""


def variables(settings: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """Credentials, transports and places of configuration; then `settings`, which win."""
    found = {name: value for name, value in os.environ.items() if _VARIABLES.fullmatch(name)}
    pairs = [*_given(), *settings]
    if pairs:
        found["GIT_CONFIG_COUNT"] = str(len(pairs))
    for number, (key, value) in enumerate(pairs):
        found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def _given() -> list[tuple[str, str]]:
    count = os.environ.get("GIT_CONFIG_COUNT", "")
    numbers = range(int(count) if re.fullmatch(r"\d{1,4}", count, re.ASCII) else 0)
    pairs = [
        (os.environ.get(f"GIT_CONFIG_KEY_{n}", ""), os.environ.get(f"GIT_CONFIG_VALUE_{n}"))
        for n in numbers
    ]
    return [(key, value) for key, value in pairs if value is not None and _SETTINGS.fullmatch(key)]
