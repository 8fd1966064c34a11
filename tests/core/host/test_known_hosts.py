"""Known hosts files, read as OpenSSH reads them."""

import base64
import subprocess
from pathlib import Path

import pytest
from tests.support.sshd.system_sshd import make_key, public_key

from remora.core.host.known_hosts import (
    KeyJudgement,
    KeyMarker,
    KnownKeys,
    fingerprint,
    format_known_host,
    host_name_for_keys,
    parse_known_hosts,
    parse_revoked_keys,
    select_known_keys,
)


def blob(name: str, key_type: str = "ssh-ed25519") -> bytes:
    encoded = key_type.encode()
    return len(encoded).to_bytes(4, "big") + encoded + name.encode()


def line(names: str, key: bytes, key_type: str = "ssh-ed25519", marker: str = "") -> str:
    return f"{marker} {names} {key_type} {base64.b64encode(key).decode()} comment\n".lstrip()


OURS, THEIRS = blob("ours"), blob("theirs")


def known(text: str, name: str = "host") -> KnownKeys:
    return select_known_keys(parse_known_hosts(text, "file"), name)


@pytest.mark.parametrize(
    ("text", "judgement"),
    [
        ("", KeyJudgement.UNKNOWN),
        (line("host", OURS), KeyJudgement.TRUSTED),
        (line("HOST", OURS), KeyJudgement.TRUSTED),
        (line("other,host,third", OURS), KeyJudgement.TRUSTED),
        (line("h*t", OURS), KeyJudgement.TRUSTED),
        (line("h?st", OURS), KeyJudgement.TRUSTED),
        (line("*,!host", OURS), KeyJudgement.UNKNOWN),
        (line("host.example", OURS), KeyJudgement.UNKNOWN),
        (line("host", THEIRS), KeyJudgement.CHANGED),
        (line("host", blob("rsa", "ssh-rsa"), "ssh-rsa"), KeyJudgement.CHANGED),
        (line("host", THEIRS) + line("host", OURS), KeyJudgement.TRUSTED),
        (line("host", OURS) + line("*", OURS, marker="@revoked"), KeyJudgement.REVOKED),
        (line("host", OURS) + line("host", THEIRS, marker="@revoked"), KeyJudgement.TRUSTED),
        (line("host", OURS, marker="@cert-authority"), KeyJudgement.UNKNOWN),
        (line("host", OURS, marker="@something"), KeyJudgement.UNKNOWN),
        (f"# comment\n\nhost\nhost ssh-ed25519 !!!\n{line('host', OURS)}", KeyJudgement.TRUSTED),
        (line("host", OURS, key_type="ssh-rsa"), KeyJudgement.UNKNOWN),
    ],
)
def test_judging_a_key(text: str, judgement: KeyJudgement) -> None:
    assert known(text).judge(OURS) is judgement


@pytest.mark.parametrize(
    ("text", "judgement"),
    [
        (line("host", OURS, marker="@cert-authority"), KeyJudgement.TRUSTED),
        (line("host", OURS), KeyJudgement.UNKNOWN),
        (
            line("host", OURS, marker="@cert-authority") + line("*", OURS, marker="@revoked"),
            KeyJudgement.REVOKED,
        ),
    ],
)
def test_judging_an_authority(text: str, judgement: KeyJudgement) -> None:
    assert known(text).judge_authority(OURS) is judgement


@pytest.mark.parametrize(
    ("text", "judgement"),
    [
        (line("[host]:2222", OURS), KeyJudgement.TRUSTED),
        (line("[host]:2222", THEIRS) + line("host", OURS), KeyJudgement.CHANGED),
        (line("host", OURS), KeyJudgement.TRUSTED),
        (line("host", THEIRS), KeyJudgement.UNKNOWN),
        (line("host", OURS, marker="@revoked"), KeyJudgement.REVOKED),
        (line("[host]:2223", OURS), KeyJudgement.UNKNOWN),
    ],
)
def test_a_port_of_its_own_is_part_of_the_name(text: str, judgement: KeyJudgement) -> None:
    assert known(text, host_name_for_keys("Host", 2222, None)).judge(OURS) is judgement


def test_an_alias_stands_without_its_port() -> None:
    assert host_name_for_keys("host", 2222, "Cluster") == "cluster"


def test_the_types_on_record_are_told_in_order() -> None:
    text = line("host", blob("r", "ssh-rsa"), "ssh-rsa") + line("host", OURS) + line("host", THEIRS)
    assert known(text).key_types == ("ssh-rsa", "ssh-ed25519")


def test_entries_say_where_they_stand() -> None:
    (entry,) = known(f"# one\n\n{line('host', OURS)}").plain
    assert (entry.file, entry.line, entry.marker) == ("file", 3, KeyMarker.PLAIN)


@pytest.mark.parametrize("salt", [None, b"0123456789abcdefghij"])
def test_what_is_written_is_read_again(salt: bytes | None) -> None:
    text = format_known_host("[host]:2222", "ssh-ed25519", OURS, salt=salt)
    assert ("host" in text) is (salt is None)
    assert known(text, "[host]:2222").judge(OURS) is KeyJudgement.TRUSTED
    assert known(text, "[host]:2223").judge(OURS) is KeyJudgement.UNKNOWN


def test_a_revoked_keys_file_is_a_list_of_keys() -> None:
    entries, strange = parse_revoked_keys(f"# gone\nssh-ed25519 {base64.b64encode(OURS).decode()} old\r\n", "revoked")
    assert not strange
    assert select_known_keys(entries, "host").judge(OURS) is KeyJudgement.REVOKED
    assert select_known_keys(entries, "[host]:2222").judge(OURS) is KeyJudgement.REVOKED


@pytest.mark.parametrize(
    "text", ["name {key}", "@revoked * {key}", "\ufeff{key}", "SHA256:abc", "\r", "ssh-ed25519\x0b{key}"]
)
def test_a_line_that_is_no_revoked_key_is_told(text: str) -> None:
    key = f"ssh-ed25519 {base64.b64encode(OURS).decode()}"
    assert parse_revoked_keys(f"{key}\n\n  # comment\n{text.format(key=key)}\n", "revoked")[1] == [4]


@pytest.mark.parametrize("separator", ["\r", "\x0b", "\x0c", "\x1c", "\u0085", "\u2028"])
def test_only_a_line_feed_ends_a_line(separator: str) -> None:
    assert known(f"# comment{separator}{line('host', OURS)}").judge(OURS) is KeyJudgement.UNKNOWN
    assert known(f"{line('other', THEIRS).rstrip()}{separator}{line('host', OURS)}").judge(OURS) is KeyJudgement.UNKNOWN


@pytest.mark.parametrize("signature", ["rsa-sha2-256", "rsa-sha2-512"])
def test_an_rsa_key_may_stand_under_the_name_of_its_signature(signature: str) -> None:
    key = blob("rsa", "ssh-rsa")
    assert known(line("host", key, signature)).judge(key) is KeyJudgement.TRUSTED
    assert known(line("host", key, signature)).key_types == ("ssh-rsa",)
    assert (
        known(line("host", key, "ssh-rsa") + line("*", key, signature, "@revoked")).judge(key) is KeyJudgement.REVOKED
    )


def test_fingerprints_and_hashes_are_those_of_openssh(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    data = base64.b64decode(public_key(key).split()[1])
    listing = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], check=True, capture_output=True, text=True)
    assert fingerprint(data) == listing.stdout.split()[1]
    file = tmp_path / "known_hosts"
    file.write_text(f"devbox {public_key(key)}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert known(file.read_text(), "devbox").judge(data) is KeyJudgement.TRUSTED
