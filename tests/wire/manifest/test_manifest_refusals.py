"""What a manifest cannot say is refused, and named with its line and what was expected."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.provision.manifests import ALIASES, HOST, Beside, refusal, specs, unknown

from remora.core.errors import ConfigProblem
from remora.wire.manifest.host_selection import Inventory
from remora.wire.manifest.host_spec import read_specs


@pytest.mark.parametrize(
    ("text", "place", "words", "hint"),
    [
        ("[[host]]\n", "box.toml:1: host", "'host' is not a key", "hosts"),
        ("[defaults]\n", "box.toml", "'hosts' is missing", ""),
        (
            HOST + "[hosts.codex]\nversin = '1'\n",
            "box.toml:4: hosts[0].codex.versin",
            "'versin' is not a key",
            "version",
        ),
        (HOST + "codex.source = 'whel'\n", ":3: hosts[0].codex.source", "wheel, npm, file, command, none", "wheel"),
        (HOST + "codex.version = 'lastest'\n", ":3: hosts[0].codex.version", "0.163.0, latest or installed", "latest"),
        (HOST + "codex.version = '0.163'\n", ":3: hosts[0].codex.version", '"0.163" is not a version', ""),
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
        (HOST + "files = [{ path = 'a', source = 'b' }]\n", "hosts[0].files[0].source", "it does not exist", ""),
        (HOST + "files = [{ path = '../a', content = '' }]\n", "hosts[0].files[0].path", "below CODEX_HOME", ""),
        (HOST + "files = [{ path = 'a', content = '', mode = '644' }]\n", "hosts[0].files[0].mode", "0644", ""),
        (HOST + "files = [{ path = 'a', content = '', mode = \"0644\\n\" }]\n", "hosts[0].files[0].mode", "0644", ""),
        (
            HOST + "files = [{ path = 'a', content = '' }, { path = './a', content = '' }]\n",
            "hosts[0].files[1].path",
            "path of files[0]",
            "",
        ),
        (
            HOST + "config.a = 1\nfiles = [{ path = 'config.toml', content = '' }]\n",
            "files[0].path",
            "already written by config",
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
        (HOST + "variables.'a b' = 'x'\n", 'hosts[0].variables."a b"', "not a variable name", ""),
        (HOST + "config.a = '{{ alis }}'\n", ":3: hosts[0].config.a", "{{ alis }} is not a variable", "alias"),
        (HOST + "[[hosts.projects]]\nfolder = '~/a'\n", ":3: hosts[0].projects[0]", "'repository' is missing", ""),
        (
            HOST + "projects = [{ repository = '--x', folder = '~/a' }]\n",
            "projects[0].repository",
            "address for git",
            "",
        ),
        (HOST + "projects = [{ repository = 'x', folder = 'a' }]\n", "projects[0].folder", "begins with / or ~/", ""),
        (
            HOST + "projects = [{ repository = 'x', folder = '/a', secrets = { A = { file = 'k' } } }]\n",
            "projects[0].secrets",
            "setup is missing",
            "",
        ),
        ("[[hosts]]\nselect = ['devbx']\n", ":2: hosts[0].select[0]", "No Host line matches 'devbx'", "devbox"),
        ("[[hosts]]\nselect = ['web-*']\n", ":2: hosts[0].select[0]", 'no alias of the SSH config matches "web-*"', ""),
        ("[[hosts]]\nselect = []\n", ":2: hosts[0].select", "a list that is not empty", ""),
        ("tags.team = ['gpu']\n[[hosts]]\nselect = ['tag:teem']\n", ":3: hosts[0].select[0]", "not a tag", "team"),
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
    assert hint in (error.message if error.seen else error.next_step), "of several problems each has its own advice"


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
        "repository: the part before the @ may be a password or token" in f"{caught.value.message}{caught.value.seen}"
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
    assert error.seen.splitlines()[1].endswith("Did you mean server?"), "each has its own advice"
    assert error.next_step.startswith("Correct them all.")
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
