import pytest
from hypothesis import given
from hypothesis import strategies as st

from remora.wire.proxy.heads import BadHead, answer, connect_head, read_head, read_status


def test_a_tunnel_is_asked_for_by_host_and_port() -> None:
    request = read_head(b"CONNECT API.example.com:443 HTTP/1.1\r\nHost: elsewhere\r\nProxy-Authorization: Basic x")
    assert (request.host, request.port, request.target) == ("api.example.com", 443, None)
    assert request.header("proxy-authorization") == "Basic x"


def test_a_plain_request_is_passed_on_for_its_target_whatever_its_host_says() -> None:
    head = (
        b"POST http://Api.Example.com:8080/v1/x?y=1#part HTTP/1.1\r\n"
        b"Host: evil.example\r\nProxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\n"
        b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nContent-Length: 3\r\nAccept: */*"
    )
    assert read_head(head).head_for_server() == (
        b"POST /v1/x?y=1 HTTP/1.1\r\nHost: api.example.com:8080\r\nContent-Length: 3\r\nAccept: */*\r\n"
        b"Connection: close\r\n\r\n"
    )
    bare = read_head(b"GET http://example.com?q HTTP/1.0")
    assert (bare.host, bare.port, bare.target) == ("example.com", 80, "/?q")
    assert b"Host: example.com\r\n" in bare.head_for_server()


@pytest.mark.parametrize(
    "head",
    [
        *(b"", b"GET", b"GET / HTTP/1.1", b"GET /x HTTP/1.1\r\nHost: a", b"OPTIONS * HTTP/1.1", b"\x16\x03\x01"),
        *(b"CONNECT example.com HTTP/1.1", b"CONNECT http://example.com:1 HTTP/1.1", b"CONNECT a:b:1 HTTP/1.1"),
        *(b"GET https://example.com/ HTTP/1.1", b"GET http:// HTTP/1.1", b"GET http://me@example.com/ HTTP/1.1"),
        *(b"GET http://a/ HTTP/2", b"GET  http://a/ HTTP/1.1", b"GET http://a/ x HTTP/1.1", b"G T http://a/ HTTP/1.1"),
        *(b"GET http://a\\@b/ HTTP/1.1", b"GET http://a\x00b/ HTTP/1.1", b"GET http://[::1/ HTTP/1.1"),
        *(b"GET http://a/ HTTP/1.1\r\nno colon", b"GET http://a/ HTTP/1.1\r\n folded: x"),
        *(b"GET http://a/ HTTP/1.1\r\nA : x", b"GET http://a/ HTTP/1.1\r\nA: x\nB: y", b"GET http://a/ HTTP/1.1\nA: x"),
    ],
)
def test_what_is_not_exactly_understood_is_answered_and_not_passed_on(head: bytes) -> None:
    with pytest.raises(BadHead) as caught:
        read_head(head)
    assert caught.value.status == 400


def test_a_header_that_comes_twice_says_nothing() -> None:
    request = read_head(b"CONNECT a.b:1 HTTP/1.1\r\nProxy-Authorization: x\r\nproxy-authorization: y")
    assert request.header("proxy-authorization") is None


def test_answers_say_one_clear_line() -> None:
    said = answer(403, "no")
    assert said.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert said.endswith(b"Content-Length: 11\r\nConnection: close\r\n\r\nremora: no\n")
    assert b"Proxy-Authenticate: Basic" in answer(407, "no")
    assert answer(200) == b"HTTP/1.1 200 Connection established\r\n\r\n"


def test_another_proxy_is_asked_and_understood() -> None:
    assert connect_head("::1", 443, "Basic x") == (
        b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic x\r\n\r\n"
    )
    assert read_status(b"HTTP/1.1 200 OK\r\nA: b") == 200
    assert read_status(b"HTTP/1.0 407") == 407
    assert [read_status(head) for head in (b"", b"SSH-2.0-x", b"HTTP/1.1 2000 x", b"HTTP/1.1 999 x")] == [None] * 4


@given(st.binary(max_size=200))
def test_no_head_does_anything_but_be_read_or_be_bad(head: bytes) -> None:
    for begin in (b"", b"CONNECT ", b"GET http://"):
        try:
            request = read_head(begin + head)
        except BadHead:
            continue
        if request.target is not None:
            passed = request.head_for_server()
            assert passed.count(b"\r\n\r\n") == 1
            assert b"\n" not in passed.replace(b"\r\n", b"")
