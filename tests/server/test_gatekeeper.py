import pytest
from tornado.httpclient import HTTPClientError

from labmon.config import ServerConfig
from labmon.errors import ConfigError
from labmon.web.security import Gatekeeper, check_listening


async def test_own_names_are_let_in(node):
    for host in ("127.0.0.1", "localhost", "[::1]", f"LocalHost:{node.port}"):
        response = await node.fetch("/healthz", headers={"Host": host})
        assert response.code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil:8765", "", "a b", "127.0.0.1@evil"]
)
async def test_a_request_to_another_name_is_refused(node, host):
    for path in ("/", "/healthz", "/api/v1/latest", "/api/v1/ws", "/static/index.html"):
        answer = await node.raw(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.split()[1] in {b"421", b"400"}


async def test_a_configured_name_is_let_in(make_node):
    node = await make_node(allowed_hosts=["lab.example"])
    assert (await node.fetch("/healthz", headers={"Host": "lab.example:80"})).code == 200


@pytest.mark.parametrize(
    ("host", "code"),
    [("192.0.2.7", 200), ("192.0.2.7:8765", 200), ("[2001:db8::7]:80", 200), ("lab.example", 421)],
)
async def test_a_server_on_every_address_is_known_under_each(make_node, host, code):
    node = await make_node(host="0.0.0.0", anonymous="viewer")
    assert (await node.fetch("/healthz", headers={"Host": host})).code == code


async def test_a_server_on_one_address_is_not_known_under_others(node):
    assert (await node.fetch("/healthz", headers={"Host": "192.0.2.7"})).code == 421


@pytest.mark.parametrize(("host", "opener"), [("localhost", "same-origin"), ("lab.example", None)])
async def test_no_browser_complains_of_a_header_that_needs_tls(make_node, host, opener):
    node = await make_node(allowed_hosts=["lab.example"])
    response = await node.fetch("/", headers={"Host": host})
    assert response.code == 200
    assert response.headers.get("Cross-Origin-Opener-Policy") == opener


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1.evil.example", "https://127.0.0.1", "x"],
)
async def test_pages_of_another_site_are_refused_everywhere(node, origin):
    headers = {"Origin": origin}
    for path in ("/", "/api/v1/latest", "/api/v1/live", "/static/index.html"):
        assert (await node.refused(path, 403, headers=headers))["code"] == "forbidden"
    await node.refused("/api/v1/append", 403, "POST", [], headers=headers)
    await node.refused("/rpc", 403, "POST", {}, headers=headers)
    with pytest.raises(HTTPClientError, match="403"):
        await node.socket(headers=headers)


async def test_own_pages_are_let_in(node):
    headers = {"Origin": f"http://127.0.0.1:{node.port}"}
    assert (await node.fetch("/api/v1/latest", headers=headers)).code == 200
    socket = await node.socket(headers=headers)
    socket.close()


async def test_what_another_site_embeds_is_refused_but_a_link_is_not(node):
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert (await node.fetch("/api/v1/latest", headers=embedded)).code == 403
    assert (await node.fetch("/graph", headers=link)).code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_changes_need_a_content_type_that_no_form_can_send(node, content_type):
    for path, method in (
        ("/rpc", "POST"),
        ("/api/v1/append", "POST"),
        ("/api/v1/devices/oven/disable", "POST"),
        ("/api/v1/streams/oven/temperature", "PATCH"),
    ):
        error = await node.refused(path, 415, method, b"[]", headers={"Content-Type": content_type})
        assert "application/json" in error["message"]
    assert node.devices["oven"].state != "disabled"


async def test_nothing_changes_by_get(node):
    for path in ("/rpc", "/api/v1/append", "/api/v1/devices/oven/disable"):
        response = await node.fetch(path)
        assert response.code == 405
        assert response.headers["Allow"] == "POST"


async def test_every_answer_is_guarded(node):
    for path in ("/", "/healthz", "/nowhere", "/api/v1/data", "/static/index.html"):
        headers = (await node.fetch(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"]
        assert "Tornado" not in headers["Server"]


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("/static/../config.yaml", {404, 403}),
        ("/static/..%2fconfig.yaml", {404, 403}),
        ("/static/%2e%2e/config.yaml", {404, 403}),
        ("/static//etc/passwd", {404, 403}),
        ("/static/..%5cconfig.yaml", {404, 403}),
        ("/static/%252e%252e/config.yaml", {404, 403}),
        ("/static/../labmon/__init__.py", {404, 403}),
        ("/static/../static2/x", {404, 403}),
        ("/static/index.html%00.png", {400}),
        ("/static/%0d%0aX-Evil:1", {400}),
        ("/devices/a%00b", {400}),
        ("/api/v1/streams/a%00b", {400}),
        ("/static/", {404, 403}),
        ("/static/css", {404, 403}),
        ("/static/%ff", {400, 404}),
        ("/api/v1/streams/%ff", {400, 404}),
    ],
)
async def test_no_path_leads_out_of_the_folder_or_to_a_bug(node, path, codes):
    answer = await node.raw(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    )
    assert int(answer.split()[1]) in codes, answer


async def test_somebody_behind_a_proxy_is_no_operator(make_node):
    node = await make_node(anonymous="viewer")
    headers = {"X-Forwarded-For": "192.0.2.7"}
    assert (await node.fetch("/api/v1/latest", headers=headers)).code == 200
    body = [{"stream": "a/b", "value": 1}]
    refusal = await node.refused("/api/v1/append", 403, "POST", body, headers=headers)
    assert refusal["message"] == "only somebody at the server's own machine may do this"
    assert node.datastream.stream_id("a/b") is None
    reply = await node.fetch(
        "/rpc",
        "POST",
        {"jsonrpc": "2.0", "id": 1, "method": "oven.heat", "params": {"celsius": 5}},
        headers=headers,
    )
    assert b"-32004" in reply.body


async def test_nobody_from_elsewhere_is_let_in_without_being_told_so(node):
    await node.refused("/api/v1/latest", 403, headers={"X-Forwarded-For": "192.0.2.7"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "lab.example"])
def test_refuses_to_listen_elsewhere_without_being_told_so(host):
    with pytest.raises(ConfigError, match="anonymous: viewer"):
        check_listening(ServerConfig(host=host), host)
    check_listening(ServerConfig(host=host, anonymous="viewer"), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_listens_on_the_loopback(host):
    check_listening(ServerConfig(host=host), host)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        ([], "192.0.2.7", "127.0.0.1"),
        (["127.0.0.1"], "192.0.2.7", "192.0.2.7"),
        (["127.0.0.0/8"], "192.0.2.7", "192.0.2.7"),
        (["10.0.0.1"], "192.0.2.7", "127.0.0.1"),
        (["127.0.0.1"], "127.0.0.1, 192.0.2.7", "192.0.2.7"),
        (["127.0.0.1", "10.0.0.0/8"], "198.51.100.1, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
        (["127.0.0.1"], "192.0.2.7, nonsense", "127.0.0.1"),
        (["127.0.0.1", "::1"], "2001:db8::7", "2001:db8::7"),
        (["127.0.0.1"], "127.0.0.1", "127.0.0.1"),
    ],
)
async def test_only_listed_proxies_are_believed(make_node, proxies, forwarded, address, eventually):
    node = await make_node(anonymous="viewer", trusted_proxies=proxies)
    sse = await node.events("", {"X-Forwarded-For": forwarded})
    await eventually(lambda: list(node.live.addresses) == [address])
    await sse.close()


async def test_the_address_that_a_proxy_names_has_its_share(make_node, eventually):
    node = await make_node(
        anonymous="viewer", trusted_proxies=["127.0.0.1"], max_connections_per_address=2
    )
    headers = {"X-Forwarded-For": "192.0.2.7"}
    opened = [await node.events("", headers) for _ in range(2)]
    await eventually(lambda: node.live.addresses["192.0.2.7"] == 2)
    await node.refused("/api/v1/live", 429, headers=headers)
    with pytest.raises(HTTPClientError, match="429"):
        await node.socket(headers=headers)
    opened.append(await node.events("", {"X-Forwarded-For": "192.0.2.8"}))
    for sse in opened:
        await sse.close()


async def test_nobody_behind_a_proxy_is_taken_for_somebody_at_this_machine(make_node):
    node = await make_node(anonymous="viewer", trusted_proxies=["127.0.0.1"])
    body = [{"stream": "a/b", "value": 1}]
    for address in ("127.0.0.1", "::1", "192.0.2.7"):
        headers = {"X-Forwarded-For": address}
        await node.refused("/api/v1/append", 403, "POST", body, headers=headers)


def test_a_trusted_proxy_is_an_address():
    with pytest.raises(ConfigError, match=r"trusted_proxies: 'lab\.example' is no address"):
        Gatekeeper(ServerConfig(trusted_proxies=["lab.example"]))


async def test_an_answer_before_the_body_says_that_the_connection_ends(node):
    """A proxy keeps connections open, and would send the next request into one that is gone."""
    for request in (
        b"POST /api/v1/append HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n[]",
        b"GET /api/v1/latest HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /api/v1/latest?nonsense=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ):
        answer = await node.raw(request)
        assert answer.split()[1] in {b"415", b"421", b"400"}
        assert b"\r\nConnection: close\r\n" in answer
