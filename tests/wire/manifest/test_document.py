"""What a manifest means: blocks, variables, tags, digests."""

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec import UNSET
from tests.support.provision.manifests import ALIASES, HOST, Beside, specs, unknown

from remora.core.errors import ConfigProblem, UsageProblem
from remora.core.host.aliases import Listing
from remora.core.settings import HostSettings, Settings
from remora.wire.manifest.host_selection import Inventory, narrow, take_inventory
from remora.wire.manifest.host_spec import read_specs, simple_specs
from remora.wire.manifest.schema import manifest_schema
from remora.wire.manifest.variables import read_assignments

EXAMPLE = (files("remora.wire.manifest") / "example.toml").read_text("utf-8")
SCHEMA_FILE = Path(__file__).parents[3] / "docs" / "manifest.schema.json"


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
        ("codex", "The variables are: part, ref, team"),
        ("alias", "The variables are: part, ref, team"),
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
    assert ":2: hosts[0].select[0]: the settings give this tag to an unknown host." in caught.value.message
    assert "'gp'" in caught.value.message


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
        (
            {"version": "latest", "source": "command", "file": None},
            "Invalid value 'command' for --source; use wheel, npm or file",
        ),
        (
            {"version": "latest", "source": "none", "file": None},
            "Invalid value 'none' for --source; use wheel, npm or file",
        ),
    ],
)
def test_options_that_do_not_go_together_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        simple_specs(["devbox"], **options)
    assert named in caught.value.message
