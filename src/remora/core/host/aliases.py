"""The aliases of an SSH config, each with the place where it is written.

Names are found as OpenSSH would find them: through every ``Include``, and only where a block can be in
force for the name. Nothing is executed and nothing is asked of the network: what ``Match`` lines would
decide stays open.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from remora.core.errors import Code, ConfigProblem
from remora.core.host.hosts import is_safe_alias
from remora.core.host.patterns import is_pattern, list_matches, matches

EXECUTES: Final = frozenset({"exec", "!exec"})
"""Criteria of a ``Match`` line that run a command."""


class Alias(NamedTuple):
    """A concrete name on a ``Host`` line."""

    name: str
    file: str
    line: int


class AliasProblem(NamedTuple):
    """A place that could not be read as OpenSSH wants it; the rest was read."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


Patterns = tuple[str, ...]
"""The patterns of a ``Host`` line. Empty for a ``Match`` line, which may or may not be in force."""


@dataclass(frozen=True)
class HostLine:
    """A ``Host`` line and the blocks that include its file, outermost first."""

    file: str
    line: int
    patterns: Patterns
    within: tuple[Patterns, ...]

    def in_force(self, name: str) -> bool:
        """Whether the block applies to `name`, as far as can be known without executing anything."""
        return list_matches(self.patterns, name) and self.reachable(name)

    def rules_out(self, name: str) -> bool:
        """Whether a negated pattern of the line matches `name`."""
        return any(pattern[:1] == "!" and matches(pattern[1:], name) for pattern in self.negated)

    @functools.cached_property
    def negated(self) -> Patterns:
        """The patterns that rule names out: on a line with thousands of names there are few."""
        return tuple(pattern for pattern in self.patterns if pattern[:1] == "!")

    def reachable(self, name: str) -> bool:
        """Whether the blocks around it let `name` in."""
        return all(list_matches(patterns, name) for patterns in self.within if patterns)


@dataclass(frozen=True, slots=True)
class MatchLine:
    """A ``Match`` line, in words."""

    file: str
    line: int
    words: tuple[str, ...]

    @property
    def executes(self) -> bool:
        """Whether asking OpenSSH about a name may run a command because of this line."""
        return any(word.lower().partition("=")[0] in EXECUTES for word in self.words)

    def names(self) -> Iterator[str]:
        """The host patterns that it mentions."""
        words = [part for word in self.words for part in word.split("=", 1)]
        for criterion, value in pairwise(words):
            if criterion.lower() in ("host", "originalhost"):
                yield from value.split(",")


class VariableUse(NamedTuple):
    """A line that mentions environment variables."""

    file: str
    line: int
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Listing:
    """All that was read, in the order of reading. `files` are the ones reading began with."""

    files: tuple[str, ...]
    aliases: tuple[Alias, ...]
    host_lines: tuple[HostLine, ...]
    match_lines: tuple[MatchLine, ...]
    problems: tuple[AliasProblem, ...]
    variables: tuple[VariableUse, ...] = ()


def list_aliases(host_lines: Sequence[HostLine]) -> tuple[tuple[Alias, ...], tuple[AliasProblem, ...]]:
    """The concrete names, each once, at the first line that is in force for it.

    A name that no ``ssh`` command line should carry, or that its surroundings never let in, is a problem.
    """
    found: dict[str, Alias] = {}
    shut_out: dict[str, HostLine] = {}
    problems: list[AliasProblem] = []
    for line in host_lines:
        for name in line.patterns:
            if name in found or name[:1] == "!" or not name or is_pattern(name):
                continue
            if not is_safe_alias(name):
                problems.append(
                    AliasProblem(line.file, line.line, f"{name!r} is not usable as a host name; it is skipped.")
                )
            elif not line.rules_out(name) and line.reachable(name):
                found[name] = Alias(name, line.file, line.line)
            elif not line.reachable(name):
                shut_out.setdefault(name, line)
    problems += [
        AliasProblem(
            line.file,
            line.line,
            f"{name!r} has no effect: this file is included inside a Host block that does not match it.",
        )
        for name, line in shut_out.items()
        if name not in found
    ]
    return tuple(found.values()), tuple(problems)


def config_unusable(problems: Sequence[AliasProblem], *, host: str | None = None) -> ConfigProblem:
    """The configuration names no host at all, and its lines are the reason."""
    first, *others = problems
    return ConfigProblem(
        Code.CONFIG_UNREADABLE,
        f"The SSH config names no host, and {first.file}:{first.line} cannot be used: {first.message}",
        seen="\n".join(map(str, others)),
        next_step="Correct the file, or name an SSH config with --ssh-config; list the aliases with: remora hosts",
        host=host,
    )


def explain_unknown(alias: str, listing: Listing) -> ConfigProblem | None:
    """Why `alias` is no host of this configuration, or `None` when it is one.

    ``ssh -G`` answers for any word, so a typing error would become a host. A name is known when a ``Host``
    line other than ``*`` is in force for it, or a ``Match`` line mentions it.
    """
    if any(line.in_force(alias) and not _matches_all(line.patterns, alias) for line in listing.host_lines):
        return None
    mentioned = [name for line in listing.match_lines for name in line.names() if name.strip("*?")]
    if any(name[:1] != "!" and matches(name, alias) for name in mentioned):
        return None
    if listing.problems and not listing.aliases:
        return config_unusable(listing.problems, host=alias)
    user, at, name = alias.rpartition("@")
    near = near_aliases(name, listing)
    if at:
        if explain_unknown(name, listing) is None:
            known = f"Name the alias alone: {name}. "
        else:
            known = f"Did you mean {' or '.join(near)}? " if near else ""
        next_step = f"{known}Put the user into its Host block of the SSH config: User {user}"
    elif near:
        next_step = f"Did you mean {' or '.join(near)}? List the aliases with: remora hosts"
    else:
        place = f" to {listing.files[0]}" if listing.files else " to your SSH config"
        next_step = f"Add a Host block for {alias}{place}; list the aliases with: remora hosts"
    return ConfigProblem(
        Code.ALIAS_UNKNOWN,
        f"No Host line of the SSH config matches {alias!r}.",
        seen="\n".join(map(str, listing.problems)),
        next_step=next_step,
        host=alias,
    )


def near_aliases(alias: str, listing: Listing) -> list[str]:
    """At most three aliases that look like `alias`."""
    from difflib import get_close_matches

    return get_close_matches(alias, [known.name for known in listing.aliases], n=3)


def _matches_all(patterns: Patterns, alias: str) -> bool:
    """Whether only a bare ``*`` or its like brought `alias` in."""
    return not any(matches(pattern, alias) for pattern in patterns if pattern[:1] != "!" and pattern.strip("*?"))
