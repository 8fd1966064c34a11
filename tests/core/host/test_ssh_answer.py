"""What ``ssh -G`` prints, made ready to use."""

import pytest

from remora.core.errors import Code, ConfigProblem
from remora.core.host.hosts import AddressFamily, Host, StrictHostKeyChecking
from remora.core.host.ssh_answer import LocalAccount, parse_answer

_ACCOUNT = LocalAccount(
    home="/home/me",
    user="me",
    uid=1000,
    hostname="laptop.example.org",
    environment={"SSH_AUTH_SOCK": "/run/agent", "OTHER": "/run/other", "KEYS": "/keys"},
)
_BASE = "host box\nuser dev\nhostname box.example.com\nport 2222\n"


def _parse(*lines: str) -> Host:
    return parse_answer("box", _BASE + "".join(f"{line}\n" for line in lines), _ACCOUNT)


def test_the_plain_values() -> None:
    host = _parse(
        "identitiesonly yes",
        "stricthostkeychecking accept-new",
        "hashknownhosts yes",
        "addressfamily inet6",
        "bindaddress 127.0.0.1",
        "connecttimeout 7",
        "serveraliveinterval 9",
        "serveralivecountmax 4",
        "batchmode yes",
        "compression yes",
        "preferredauthentications publickey,password",
        "proxyjump one,me@two:23",
        "hostkeyalias key-name",
        "forwardagent yes",
    )
    assert (host.alias, host.user, host.hostname, host.port) == ("box", "dev", "box.example.com", 2222)
    assert host.identities_only
    assert host.batch_mode
    assert host.compression
    assert host.hash_known_hosts
    assert host.strict_host_key_checking is StrictHostKeyChecking.ACCEPT_NEW
    assert host.address_family is AddressFamily.IPV6
    assert host.bind_address == "127.0.0.1"
    assert (host.connect_timeout, host.keepalive_interval, host.keepalive_count) == (7, 9, 4)
    assert host.preferred_authentications == ("publickey", "password")
    assert host.proxy_jump == ("one", "me@two:23")
    assert host.host_key_alias == "key-name"
    assert host.forward_agent == "yes"
    assert host.options["proxyjump"] == ("one,me@two:23",)


def test_none_means_absent() -> None:
    host = _parse(
        "identityfile none",
        "certificatefile none",
        "identityagent none",
        "userknownhostsfile none",
        "globalknownhostsfile none",
        "proxycommand none",
        "proxyjump none",
        "connecttimeout none",
        "serveraliveinterval 0",
        "forwardagent no",
    )
    assert host.identity_files == host.certificate_files == ()
    assert host.user_known_hosts == host.global_known_hosts == ()
    assert host.identity_agent is host.proxy_command is host.forward_agent is None
    assert host.proxy_jump == ()
    assert host.connect_timeout is host.keepalive_interval is None


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("~/.ssh/id", "/home/me/.ssh/id"),
        ("~/with space/a  b", "/home/me/with space/a  b"),
        ("${KEYS}/%n", "/keys/box"),
        ("${MISSING}/x", "${MISSING}/x"),
        ("/k/%h_%n_%p_%r_%u_%i", "/k/box.example.com_box_2222_dev_me_1000"),
        ("%d/%L/%l/%k/%%", "/home/me/laptop/laptop.example.org/box/%"),
        ("/k/%z", "/k/%z"),
        ("relative/key", "relative/key"),
    ],
)
def test_paths_are_ready_to_use(value: str, path: str) -> None:
    host = _parse(f"identityfile {value}", f"certificatefile {value}", f"revokedhostkeys {value}")
    assert host.identity_files == host.certificate_files == (path,)
    assert host.revoked_host_keys == path


def test_identity_files_keep_their_order() -> None:
    host = _parse("identityfile ~/a", "identityfile ~/b", "identityfile ~/a b")
    assert host.identity_files == ("/home/me/a", "/home/me/b", "/home/me/a b")


@pytest.mark.parametrize(
    ("value", "files"),
    [
        ("/a /b", ("/a", "/b")),
        ("/home/me/a  b /c", ("/home/me/a  b", "/c")),
        ("known", ("known",)),
        ("~/k", ("/home/me/k",)),
    ],
)
def test_file_lists_are_told_apart_where_spaces_allow(value: str, files: tuple[str, ...]) -> None:
    assert _parse(f"userknownhostsfile {value}").user_known_hosts == files


@pytest.mark.parametrize(
    ("line", "agent"),
    [
        ("port 2222", "/run/agent"),
        ("identityagent SSH_AUTH_SOCK", "/run/agent"),
        ("identityagent $OTHER", "/run/other"),
        ("identityagent $MISSING", None),
        ("identityagent ~/agent", "/home/me/agent"),
        ("identityagent none", None),
    ],
)
def test_the_agent_is_the_configured_one_or_that_of_the_environment(line: str, agent: str | None) -> None:
    assert _parse(line).identity_agent == agent


def test_a_proxy_command_has_its_tokens_filled_in() -> None:
    command = _parse('proxycommand sh -c "nc %h %p # %n %r %%h %k"').proxy_command
    assert command == 'sh -c "nc box.example.com 2222 # box dev %h %k"'


@pytest.mark.parametrize("hostname", ["`touch x`", "$(touch x)", "a;b", "-oProxyCommand=x", "a'b", "a b"])
def test_f86_nothing_that_a_shell_would_read_is_put_into_a_proxy_command(hostname: str) -> None:
    """F86: a host name with shell text, where the user's ProxyCommand has %h."""
    answer = f"user dev\nhostname {hostname}\nport 22\nproxycommand nc %h %p\n"
    with pytest.raises(ConfigProblem) as caught:
        parse_answer("box", answer, _ACCOUNT)
    assert caught.value.code is Code.ALIAS_UNSAFE


@pytest.mark.parametrize("answer", ["", "user x\n", "user x\nhostname y\nport zz\n"])
def test_what_is_no_answer_is_refused(answer: str) -> None:
    with pytest.raises(ConfigProblem) as caught:
        parse_answer("box", answer, _ACCOUNT)
    assert caught.value.code is Code.CONFIG_REJECTED


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("true", StrictHostKeyChecking.YES),
        ("false", StrictHostKeyChecking.NO),
        ("off", StrictHostKeyChecking.NO),
        ("ask", StrictHostKeyChecking.ASK),
        ("something-new", StrictHostKeyChecking.ASK),
    ],
)
def test_how_strict(word: str, meaning: StrictHostKeyChecking) -> None:
    assert _parse(f"stricthostkeychecking {word}").strict_host_key_checking is meaning
