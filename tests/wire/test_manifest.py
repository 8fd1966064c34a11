"""What a manifest says of each host, and what its author is told when it cannot be used."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from remora.core.aliases import Listing
from remora.core.errors import Code, ConfigProblem, UsageProblem
from remora.core.settings import HostSettings, Settings
from remora.wire.host_selection import Inventory, narrow, take_inventory
from remora.wire.host_spec import HostSpec, read_specs, simple_specs
from remora.wire.manifest_schema import manifest_schema
from remora.wire.variables import read_assignments

ALIASES = ("devbox", "ci-1", "ci-2", "gpu")
EXAMPLE = (files("remora.wire") / "manifest_example.toml").read_text("utf-8")
SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "manifest.schema.json"


class Beside:
    """A :class:`remora.wire.host_spec.ManifestPlace` with files in memory."""

    name = "box.toml"

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def absolute(self, path: str) -> str:
        return f"/manifests/{path}"

    def read(self, path: str) -> str:
        if path not in self._files:
            raise ValueError("there is no such file")
        return self._files[path]


def unknown(alias: str) -> ConfigProblem | None:
    if alias in ALIASES:
        return None
    return ConfigProblem(Code.ALIAS_UNKNOWN, f"No Host line matches {alias!r}.", next_step="Did you mean devbox?")


def specs(
    text: str, beside: Mapping[str, str] | None = None, *, tags: Mapping[str, Sequence[str]] | None = None
) -> dict[str, HostSpec]:
    """The hosts of a manifest by alias; `beside` are files that lie there."""
    inventory = Inventory(ALIASES, unknown, tags or {})
    found = read_specs(tomllib.loads(text), text=text, place=Beside(beside or {}), inventory=inventory)
    return {spec.alias: spec for spec in found}


def refusal(text: str) -> ConfigProblem:
    with pytest.raises(ConfigProblem) as caught:
        specs(text)
    assert caught.value.code is Code.MANIFEST_INVALID
    return caught.value


HOST = '[[hosts]]\nselect = ["devbox"]\n'


def test_the_example_is_a_manifest() -> None:
    (spec,) = specs(EXAMPLE).values()
    assert spec.tables.config["model"] == "gpt-5"
    assert spec.tables.instructions is not UNSET
    assert "devbox, a devbox" in (spec.tables.instructions.content or "")


def test_what_the_example_has_commented_out_can_be_used_too() -> None:
    lines = [line.removeprefix("# ") if line.startswith(("# [", "# ")) else line for line in EXAMPLE.splitlines()[3:]]
    text = "\n".join("" if line == "#" else line for line in lines).replace("# folder", "folder")
    project = specs(text)["ci-1"].tables.projects[0]
    assert project.secrets["NPM_TOKEN"].file == "/manifests/npm-token"
    assert "projects" in text
    assert specs(text)["ci-1"].tables.login is not UNSET


def test_the_example_fits_the_published_schema_and_the_schema_is_the_one_of_the_types() -> None:
    schema = manifest_schema()
    jsonschema.validate(json.loads(json.dumps(tomllib.loads(EXAMPLE), default=str)), schema)
    assert json.loads(SCHEMA_FILE.read_text()) == schema, (
        "write it anew: remora provision --schema > docs/manifest.schema.json"
    )
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"hosts": [{"select": ["a"], "codex": {"versin": "1"}}]}, schema)


def test_every_block_that_fits_counts_in_the_order_of_the_file() -> None:
    found = specs("""
        defaults.codex = { version = "0.120.0", keep = 3 }
        defaults.config = { model = "a", features = { x = true, y = 1 } }
        defaults.files = [{ path = "one", content = "1" }]
        [[hosts]]
        select = ["ci-*", "devbox"]
        codex.version = "0.133.0"
        config.features = { y = 2 }
        [[hosts]]
        select = ["ci-2", "gpu"]
        codex = { version = "latest" }
        files = [{ path = "two", content = "2" }]
        """)
    assert list(found) == ["ci-1", "ci-2", "devbox", "gpu"]
    versions = {alias: spec.tables.codex.version for alias, spec in found.items() if spec.tables.codex is not UNSET}
    assert versions == {"ci-1": "0.133.0", "ci-2": "latest", "devbox": "0.133.0", "gpu": "latest"}
    assert found["ci-2"].tables.config == {"model": "a", "features": {"x": True, "y": 2}}
    assert [file.path for file in found["ci-2"].tables.files] == ["two"]
    assert [file.path for file in found["ci-1"].tables.files] == ["one"]


def test_a_later_block_takes_back_the_other_way_to_say_the_same() -> None:
    found = specs(
        """
        [defaults]
        instructions.content = "here"
        login = { kind = "api-key", secret = { environment = "KEY" } }
        [[hosts]]
        select = ["devbox"]
        instructions.source = "AGENTS.md"
        login.secret.file = "key"
        """,
        {"AGENTS.md": "there"},
    )["devbox"]
    assert found.tables.instructions is not UNSET
    assert found.tables.instructions.content == "there"
    assert found.secret_files == ("/manifests/key",)


def test_variables_are_filled_everywhere_and_only_in_text_that_names_them() -> None:
    tables = specs(
        """
        defaults.variables = { team = "core", port = 80, fast = true, home = "/srv/{{ alias }}" }
        [[hosts]]
        select = ["devbox"]
        variables.team = "infra"
        config = { name = "{{team}}-{{ port }}", nested = [{ fast = "{{ fast }}" }] }
        instructions = { source = "plain" }
        [[hosts.files]]
        path = "{{ team }}.md"
        source = "template"
        template = true
        [[hosts.projects]]
        repository = "git@example.org:{{ team }}/app"
        folder = "{{ home }}/app"
        setup = "docker ps --format '{{ .Names }}' '{{{{ team }}}}' ${{ secrets.X }}"
        """,
        {"plain": "{{ team }}", "template": "of {{ team }}"},
    )["devbox"].tables
    assert tables.config == {"name": "infra-80", "nested": [{"fast": "true"}]}
    assert tables.instructions is not UNSET
    assert tables.instructions.content == "{{ team }}"
    assert (tables.files[0].path, tables.files[0].content) == ("infra.md", "of infra")
    assert (tables.projects[0].repository, tables.projects[0].folder) == (
        "git@example.org:infra/app",
        "/srv/devbox/app",
    )
    assert tables.projects[0].setup == "docker ps --format '{{ .Names }}' '{{ team }}' ${{ secrets.X }}"


def test_a_variable_of_the_command_line_counts_more_than_the_file() -> None:
    text = HOST + "variables.ref = 'main'\nconfig.ref = '{{ ref }}'\n"
    inventory = Inventory(ALIASES, unknown)
    (spec,) = read_specs(
        tomllib.loads(text),
        text=text,
        place=Beside({}),
        inventory=inventory,
        variables=read_assignments(["ref=a=b"]),
    )
    assert spec.tables.config == {"ref": "a=b"}
    with pytest.raises(UsageProblem, match="UTF-8"):
        read_assignments(["ref=\udcff"])


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("rf", "Did you mean ref?"),
        ("codex", "It has: part, ref, team"),
        ("alias", "It has: part, ref, team"),
    ],
)
def test_a_variable_of_the_command_line_that_the_manifest_does_not_know_is_refused(name: str, advice: str) -> None:
    text = HOST + (
        "variables.ref = 'main'\ncodex.version = '0.163.0'\nconfig.x = '{{ team }} {{ alias }}'\n"
        "files = [{ path = 'a', source = 'b', template = true }]\n"
    )
    given = {"team": "core", "part": "one"}
    inventory = Inventory(ALIASES, unknown)
    place = Beside({"b": "{{ part }}"})
    (spec,) = read_specs(tomllib.loads(text), text=text, place=place, inventory=inventory, variables=given)
    assert spec.tables.files[0].content == "one"
    with pytest.raises(UsageProblem) as caught:
        read_specs(tomllib.loads(text), text=text, place=place, inventory=inventory, variables={**given, name: "x"})
    assert caught.value.next_step == advice


def test_the_digest_is_that_of_the_meaning_without_secrets() -> None:
    text = """
        [[hosts]]
        select = ["devbox"]
        codex.version = "0.163.0"
        codex.keep = 3
        config = { a = 1, b = { c = 2, d = 3 } }
        login = { kind = "api-key", secret = { environment = "KEY" } }
        """
    first = specs(text)["devbox"].digest
    same = text.replace('environment = "KEY"', 'file = "elsewhere"').replace(
        "a = 1, b = { c = 2, d = 3 }", "b = { d = 3, c = 2 }, a = 1"
    )
    assert specs(same)["devbox"].digest == first
    for old, new in (("0.163.0", "0.164.0"), ("a = 1", "a = 2"), ("api-key", "access-token")):
        assert specs(text.replace(old, new))["devbox"].digest != first


def test_the_digest_of_variables_is_where_they_are_used() -> None:
    used = 'defaults.variables = {{ a = "x" }}\n{host}config.k = "{value}"\n'
    assert (
        specs(used.format(host=HOST, value="{{ a }}"))["devbox"].digest
        == specs(used.format(host=HOST, value="x"))["devbox"].digest
    )


def test_tags_come_from_the_manifest_and_from_the_settings() -> None:
    text = '[tags]\nci = ["ci-*"]\n[[hosts]]\nselect = ["tag:gpus", "tag:ci"]\n'
    assert list(specs(text, tags={"gpus": ["gpu"], "ci": ["devbox"]})) == ["gpu", "ci-1", "ci-2", "devbox"]
    settings = Settings(hosts={"gpu": HostSettings(tags=("a", "b")), "ci-1": HostSettings(tags=("b",))})
    assert take_inventory(Listing((), (), (), (), ()), settings).tags == {"a": ["gpu"], "b": ["gpu", "ci-1"]}


def test_a_tag_of_the_settings_for_a_host_that_is_none_is_told() -> None:
    with pytest.raises(ConfigProblem) as caught:
        specs('[[hosts]]\nselect = ["tag:gpus"]\n', tags={"gpus": ["gpu", "gp"]})
    assert ":2: hosts[0].select[0]: your settings give this tag to a host that is none." in caught.value.message
    assert "'gp'" in caught.value.message


@pytest.mark.parametrize(
    ("text", "place", "words", "hint"),
    [
        ("[[host]]\n", "box.toml:1: host", "'host' is no key", "hosts"),
        ("[defaults]\n", "box.toml", "'hosts' is missing", ""),
        (HOST + "[hosts.codex]\nversin = '1'\n", "box.toml:4: hosts[0].codex.versin", "'versin' is no key", "version"),
        (HOST + "codex.source = 'whel'\n", ":3: hosts[0].codex.source", "wheel, npm, file, command, none", "wheel"),
        (HOST + "codex.version = 'lastest'\n", ":3: hosts[0].codex.version", "0.163.0, latest or installed", "latest"),
        (HOST + "codex.version = '0.163'\n", ":3: hosts[0].codex.version", '"0.163" is no version', ""),
        (HOST + "codex.keep = 0\n", ":3: hosts[0].codex.keep", "a whole number of 1 or more", ""),
        (HOST + "codex.source = 'file'\n", ":3: hosts[0].codex.source", "needs file", ""),
        (HOST + "codex.digest = 'sha256:1'\n", ":3: hosts[0].codex.digest", "sha256:[0-9a-f]{64}", ""),
        (HOST + "codex.location = 'opt'\n", ":3: hosts[0].codex.location", "begins with / or ~/", ""),
        (HOST + "path.how = 'line'\n", ":3: hosts[0].path.how", "allow_shell_edit = true", "allow_shell_edit"),
        (HOST + "files = [{ path = 'a' }]\n", ":3: hosts[0].files[0]", "exactly one", ""),
        (
            HOST + "files = [{ path = 'a', content = '', source = 'b' }]\n",
            "hosts[0].files[0]",
            "exclude each other",
            "",
        ),
        (HOST + "files = [{ path = 'a', source = 'b' }]\n", "hosts[0].files[0].source", "there is no such file", ""),
        (HOST + "files = [{ path = '../a', content = '' }]\n", "hosts[0].files[0].path", "below CODEX_HOME", ""),
        (HOST + "files = [{ path = 'a', content = '', mode = '644' }]\n", "hosts[0].files[0].mode", "0644", ""),
        (HOST + "files = [{ path = 'a', content = '', mode = \"0644\\n\" }]\n", "hosts[0].files[0].mode", "0644", ""),
        (
            HOST + "files = [{ path = 'a', content = '' }, { path = './a', content = '' }]\n",
            "hosts[0].files[1].path",
            "files[0] already",
            "",
        ),
        (
            HOST + "config.a = 1\nfiles = [{ path = 'config.toml', content = '' }]\n",
            "files[0].path",
            "config already",
            "",
        ),
        (HOST + "login.kind = 'api-key'\n", ":3: hosts[0].login.kind", "needs secret", ""),
        (HOST + "login.secret.file = 'a'\n", ":3: hosts[0].login.secret", "needs a kind", ""),
        (HOST + "login = { kind = 'api-key', secret = {} }\n", "hosts[0].login.secret", "exactly one of", ""),
        (HOST + "login.expires = '2027-01-01'\n", "hosts[0].login.expires", "without quotes", ""),
        (HOST + "server.memory = '4GB'\n", "hosts[0].server.memory", "expected is a number with KiB, MiB or GiB", ""),
        (HOST + 'server.memory = "4GiB\\n"\n', "hosts[0].server.memory", "KiB, MiB or GiB", ""),
        (HOST + f"server.memory = '{'9' * 5000}GiB'\n", "hosts[0].server.memory", "KiB, MiB or GiB", ""),
        (HOST + "server.cpu = true\n", "hosts[0].server.cpu", "a number greater than 0", ""),
        (HOST + "server.cpu = inf\n", "hosts[0].server.cpu", "a number greater than 0", ""),
        (HOST + "server.cpu = 1e308\n", "hosts[0].server.cpu", "at most", ""),
        (HOST + f"server.processes = 1{'0' * 400}\n", "hosts[0].server.processes", "at most", ""),
        (
            HOST + "projects = [{ repository = 'x', folder = '/a', setup = 'x', setup_limit = inf }]\n",
            "projects[0].setup_limit",
            "at most",
            "",
        ),
        (HOST + "variables.a = []\n", "hosts[0].variables.a", "text, a whole number, a number or true or false", ""),
        (HOST + "variables.alias = 'x'\n", "hosts[0].variables.alias", "taken", ""),
        (HOST + "variables.'a b' = 'x'\n", 'hosts[0].variables."a b"', "no name of a variable", ""),
        (HOST + "config.a = '{{ alis }}'\n", ":3: hosts[0].config.a", "{{ alis }} is no variable", "alias"),
        (HOST + "[[hosts.projects]]\nfolder = '~/a'\n", ":3: hosts[0].projects[0]", "'repository' is missing", ""),
        (HOST + "projects = [{ repository = '--x', folder = '~/a' }]\n", "projects[0].repository", "to git", ""),
        (HOST + "projects = [{ repository = 'x', folder = 'a' }]\n", "projects[0].folder", "begins with / or ~/", ""),
        (
            HOST + "projects = [{ repository = 'x', folder = '/a', secrets = { A = { file = 'k' } } }]\n",
            "projects[0].secrets",
            "there is no setup",
            "",
        ),
        ("[[hosts]]\nselect = ['devbx']\n", ":2: hosts[0].select[0]", "No Host line matches 'devbx'", "devbox"),
        ("[[hosts]]\nselect = ['web-*']\n", ":2: hosts[0].select[0]", 'no alias of the SSH config fits "web-*"', ""),
        ("[[hosts]]\nselect = []\n", ":2: hosts[0].select", "a list that is not empty", ""),
        ("tags.team = ['gpu']\n[[hosts]]\nselect = ['tag:teem']\n", ":3: hosts[0].select[0]", "no tag", "team"),
        ("tags.team = []\n[[hosts]]\nselect = ['tag:team']\n", ":1: tags.team", "no host has this tag", ""),
        ("tags.team = ['gp']\n[[hosts]]\nselect = ['tag:team']\n", ":1: tags.team[0]", "No Host line", ""),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line_and_what_was_expected(
    text: str, place: str, words: str, hint: str
) -> None:
    error = refusal(text)
    assert place in error.message
    assert words in error.message
    assert hint in error.next_step


@pytest.mark.parametrize(
    "address",
    [
        "https://canary@example.com/app",
        "https://me:canary@example.com/app",
        "https://{{ key }}@example.com/app",
        "http://canary@example.com",
        "ssh://git:canary@example.com/app",
        "-https://canary@example.com/app",
    ],
)
def test_an_address_that_holds_a_secret_is_refused_and_not_repeated(address: str) -> None:
    text = f"""
[[hosts]]
select = ["devbox"]
variables = {{ key = "canary" }}
[[hosts.projects]]
repository = "{address}"
folder = "~/app"
"""
    with pytest.raises(ConfigProblem) as caught:
        specs(text)
    assert (
        "repository: what stands before the @ is a password or may be a token"
        in f"{caught.value.message}{caught.value.seen}"
    )
    assert "canary" not in f"{caught.value.message}{caught.value.seen}{caught.value.next_step}"


@pytest.mark.parametrize("address", ["git@example.com:app", "ssh://git@example.com:22/app", "https://example.com/a@b"])
def test_a_name_before_the_host_is_no_secret_where_a_key_is_what_counts(address: str) -> None:
    text = f'[[hosts]]\nselect = ["devbox"]\n[[hosts.projects]]\nrepository = "{address}"\nfolder = "~/app"\n'
    assert specs(text)["devbox"].tables.projects[0].repository == address


def test_a_value_of_the_defaults_is_named_where_it_was_written() -> None:
    text = "[defaults]\npath.how = 'line'\n" + HOST + "[[hosts]]\nselect = ['gpu']\npath.allow_shell_edit = true\n"
    assert refusal(text).message.startswith("box.toml:2: defaults.path.how:")


def test_all_problems_are_told_at_once_in_the_order_of_the_file_each_once() -> None:
    text = "[defaults]\ncodex.keep = 0\npath.hwo = 'link'\n" + HOST + "serve.start = true\n"
    error = refusal(text)
    assert "defaults.codex.keep" in error.message
    assert [line.split(": ")[1] for line in error.seen.splitlines()] == ["defaults.path.hwo", "hosts[0].serve"]
    values = refusal("[[hosts]]\nselect = ['devbx', 'tag:x', 'devbox']\nconfig = { a = '{{ b }}', c = ['{{ d }}'] }\n")
    assert "hosts[0].select[0]" in values.message
    places = ["hosts[0].select[1]", "hosts[0].config.a", "hosts[0].config.c[0]"]
    assert [line.split(": ")[1] for line in values.seen.splitlines()] == places
    twice = refusal("[defaults]\ncodex.version = 'x'\n[[hosts]]\nselect = ['devbox', 'gpu']\n")
    assert twice.seen == ""


def test_lines_are_found_behind_long_texts_and_in_sub_tables() -> None:
    text = (
        '[[hosts]]\nselect = ["devbox"]\ninstructions.content = """\n[[hosts]]\nkeep = 1\n"""\n'
        '[hosts.config."a.b"]\nx = 1\n[[hosts]]\nselect = ["gpu"]\n[[hosts.files]]\npath = "a"\ncontent = ""\n'
        '[[hosts.files]]\npath = "b"\nmod = "0644"\n'
    )
    assert refusal(text).message.startswith("box.toml:16: hosts[1].files[1].mod:")


def test_hosts_are_narrowed_by_alias_or_glob() -> None:
    assert narrow(ALIASES, []) == frozenset(ALIASES)
    assert narrow(ALIASES, ["ci-*", "gpu"]) == {"ci-1", "ci-2", "gpu"}
    with pytest.raises(UsageProblem) as caught:
        narrow(ALIASES, ["devbx"])
    assert "devbox" in caught.value.next_step


def test_the_simple_case_is_codex_and_its_visibility_alone() -> None:
    (spec,) = simple_specs(["devbox"], version="0.163.0", source=None, file=None)
    assert spec.tables.codex is not UNSET
    assert spec.tables.path is not UNSET
    assert (spec.tables.config, spec.tables.login, spec.tables.server) == ({}, UNSET, UNSET)
    as_manifest = specs(HOST + "codex.version = '0.163.0'\npath.how = 'link'\n")["devbox"]
    assert as_manifest.digest == spec.digest
    (edit,) = simple_specs(["devbox"], version="0.163.0", source=None, file=None, allow_shell_edit=True)
    assert edit.tables.path is not UNSET
    assert (edit.tables.path.how, edit.tables.path.allow_shell_edit) == ("link", True)
    (own,) = simple_specs(["devbox"], version="latest", source=None, file="/tmp/codex.tgz")
    assert own.tables.codex is not UNSET
    assert own.tables.codex.source == "file"
    assert simple_specs(["devbox"], version="latest", source=None, file="/tmp/\udcff"), "a name need not be UTF-8"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"version": "lastest", "source": None, "file": None}, "--codex"),
        ({"version": "latest", "source": "file", "file": None}, "--source"),
        ({"version": "latest", "source": "pip", "file": None}, "--source"),
        ({"version": "latest", "source": "npm", "file": "/f"}, "--file"),
        ({"version": "latest", "source": "command", "file": None}, "manifest"),
    ],
)
def test_options_that_do_not_go_together_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        simple_specs(["devbox"], **options)
    assert named in caught.value.message


WORDS = st.sampled_from(["select", "codex", "version", "files", "path", "{{ x }}", "", "devbox", "0644", "defaults"])
VALUES = st.recursive(
    WORDS | st.integers(-1, 2) | st.booleans() | st.floats() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(WORDS, VALUES, max_size=3), st.dictionaries(WORDS, VALUES, max_size=3))
def test_whatever_stands_in_a_manifest_is_accepted_or_refused_as_one(
    block: dict[str, Any], top: dict[str, Any]
) -> None:
    values = {**top, "hosts": [{**block, "select": ["devbox"]}]}
    with suppress(ConfigProblem):
        assert read_specs(values, text="", place=Beside({}), inventory=Inventory(ALIASES, unknown, {}))
