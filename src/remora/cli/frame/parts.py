"""What every command module is built from."""

from collections.abc import Iterator
from typing import Any, Final

import typer
from typer.core import TyperGroup

_SETTINGS: Final = {"help_option_names": ["--help", "-h"]}


def make_app(
    *, default: str | None = None, cls: type[TyperGroup] | None = None, epilog: str | None = None
) -> typer.Typer:
    """An application in the style of all others: plain help text, and no library's own error pages.

    `default` names the command that runs when none of the family is named.
    """
    group = cls or (type("DefaultGroup", (_DefaultGroup,), {"default": default}) if default else None)
    return typer.Typer(
        cls=group,
        epilog=epilog,
        context_settings=dict(_SETTINGS),
        add_completion=cls is not None,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


class _DefaultGroup(TyperGroup):
    default: str

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing and self._needs_default(args):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Those of the command that runs when none is named come first: they may be said without it."""
        default = self.commands[self.default]
        shared = {name for option in self._options() for name in option.opts}
        with ctx.__class__(default, info_name=self.default, parent=ctx) as inner:
            own = [p for p in default.params if p.param_type_name == "option" and not shared & {*p.opts}]
            rows = [row for row in (option.get_help_record(inner) for option in own) if row is not None]
        if rows:
            with formatter.section(f"Options of {self.default}"):
                formatter.write_dl(rows)
        super().format_options(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The commands, and what the first argument of the default one can be."""
        first = next((p for p in self.commands[self.default].params if p.param_type_name == "argument"), None)
        return [*super().shell_complete(ctx, incomplete), *(first.shell_complete(ctx, incomplete) if first else [])]

    def _needs_default(self, args: list[str]) -> bool:
        """Whether no command of the family is named; options of the family itself may come first."""
        takes_value = {name: not (option.is_flag or option.count) for option in self._options() for name in option.opts}
        words = iter(args)
        for word in words:
            if not word.startswith("-"):
                return word not in self.commands
            name, equals, _ = word.partition("=")
            if name in ("--help", "-h"):
                return False
            if takes_value.get(name) and not equals:
                next(words, None)
        return True

    def _options(self) -> Iterator[Any]:
        return (parameter for parameter in self.params if parameter.param_type_name == "option")
