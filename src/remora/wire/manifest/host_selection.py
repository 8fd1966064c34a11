"""Which hosts the blocks of a manifest mean: aliases, globs over the aliases of the SSH config, and tags."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from remora.core.errors import Code, ConfigProblem, UsageProblem
from remora.core.host.aliases import Listing, explain_unknown
from remora.core.host.patterns import is_pattern, matches
from remora.core.settings import Settings
from remora.wire.manifest.problems import Path, Problem, near

_TAG: Final = "tag:"


@dataclass(frozen=True, slots=True)
class Inventory:
    """The hosts there are. `explain` says why a name is no host, `None` when it is one; `tags` gives aliases by tag."""

    aliases: Sequence[str]
    explain: Callable[[str], ConfigProblem | None]
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)


def take_inventory(listing: Listing, settings: Settings) -> Inventory:
    """The hosts of an SSH config, with the tags that the user's settings give them."""
    tags: dict[str, list[str]] = {}
    for alias, host in settings.hosts.items():
        for tag in host.tags:
            tags.setdefault(tag, []).append(alias)
    return Inventory([alias.name for alias in listing.aliases], partial(explain_unknown, listing=listing), tags)


def narrow(aliases: Sequence[str], words: Sequence[str]) -> frozenset[str]:
    """Those of `aliases` that `words`, aliases or globs, name; all when there are none.

    Raises :class:`UsageProblem` for a word that names none of them.
    """
    if not words:
        return frozenset(aliases)
    chosen: set[str] = set()
    for word in words:
        found = [alias for alias in aliases if matches(word, alias)]
        if not found:
            next_step = near(word, aliases) or f"The manifest has: {', '.join(aliases)}"
            raise UsageProblem(Code.USAGE, f"The manifest has no host {word!r}.", next_step=next_step)
        chosen.update(found)
    return frozenset(chosen)


class Selector:
    """Reads `select` lists. `tags` are the manifest's own; those of the inventory count as well.

    A word that means no host is one of `problems`.
    """

    def __init__(self, inventory: Inventory, tags: Mapping[str, Sequence[str]]) -> None:
        self.problems: list[Problem] = []
        self._inventory = inventory
        self._tags = tags

    def select(self, words: Sequence[str], path: Path) -> tuple[str, ...]:
        """The aliases that `words`, written at `path`, mean, each once in their order."""
        found = (alias for number, word in enumerate(words) for alias in self._word(word, (*path, number)))
        return tuple(dict.fromkeys(found))

    def _word(self, word: str, path: Path) -> Iterator[str]:
        if word.startswith(_TAG):
            return self._tag(word.removeprefix(_TAG), path)
        return self._names(word, path)

    def _tag(self, name: str, path: Path) -> Iterator[str]:
        known = {*self._tags, *self._inventory.tags}
        if name not in known:
            listed = f"the tags are: {', '.join(sorted(known))}" if known else "no tags exist"
            self._refuse(path, f"{name!r} is not a tag; {listed}.", near(name, known))
            return
        own, of_settings = self._tags.get(name, ()), self._inventory.tags.get(name, ())
        if not own and not of_settings:
            self._refuse(
                ("tags", name), "no host has this tag.", "Name an existing tag, or select hosts in another way."
            )
        for number, word in enumerate(own):
            yield from self._names(word, ("tags", name, number))
        for alias in of_settings:
            unknown = self._inventory.explain(alias)
            if unknown is None:
                yield alias
            else:
                message = f"the settings give this tag to an unknown host. {unknown.message}"
                self._refuse(path, message, unknown.next_step)

    def _names(self, word: str, path: Path) -> Iterator[str]:
        if is_pattern(word):
            found = [alias for alias in self._inventory.aliases if matches(word, alias)]
            if not found:
                self._refuse(
                    path, f'no alias of the SSH config matches "{word}".', "List the aliases with: remora hosts"
                )
            yield from found
            return
        unknown = self._inventory.explain(word)
        if unknown is None:
            yield word
        else:
            self._refuse(path, unknown.message, unknown.next_step)

    def _refuse(self, path: Path, message: str, hint: str) -> None:
        self.problems.append(Problem(path, message, hint))
