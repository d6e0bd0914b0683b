"""Health checks over HTTP, as kube-proxy answers them (pkg/proxy/healthcheck/service_health.go)."""

from __future__ import annotations

import re
import time

from kcompile.apply.listen_file import Use

MOST_BYTES = 8192  # of a request's head; who asks for health sends a few hundred

_STATUS = {
    200: "OK",
    400: "Bad Request",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
_END = re.compile(rb"\r?\n\r?\n")
_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) [^ ]+ HTTP/1\.([01])")
_HOST = re.compile(rb"(?mi)^host[ \t]*:")


def reply(head: bytes, use: Use) -> bytes:
    """The whole answer to what has come so far; b"" if that is not yet a whole request.

    As in kube-proxy every method and every path is good.
    """
    end = _END.search(head)
    if end is None or end.end() > MOST_BYTES:
        return _refusal(431) if len(head) > MOST_BYTES else b""
    first, _, rest = head[: end.start()].partition(b"\n")
    request = _REQUEST.fullmatch(first.rstrip(b"\r"))
    if request is None:
        return _refusal(400)
    if request[2] == b"1" and len(_HOST.findall(rest)) != 1:
        return _refusal(400, ": missing required Host header")
    return _health(use, with_body=request[1] != b"HEAD")


def _health(use: Use, *, with_body: bool) -> bytes:
    namespace, _, name = use.service.partition("/")
    count = use.local_endpoints or 0
    body = (
        "{\n"
        '\t"service": {\n'
        f'\t\t"namespace": "{namespace}",\n'
        f'\t\t"name": "{name}"\n'
        "\t},\n"
        f'\t"localEndpoints": {count},\n'
        '\t"serviceProxyHealthy": true\n'
        "}"
    )
    more = {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "X-Load-Balancing-Endpoint-Weight": str(count),
    }
    return _response(200 if count else 503, more, body, with_body=with_body)


def _refusal(status: int, why: str = "") -> bytes:
    more = {"Content-Type": "text/plain; charset=utf-8"}
    return _response(status, more, f"{status} {_STATUS[status]}{why}", with_body=True)


def _response(status: int, more: dict[str, str], body: str, *, with_body: bool) -> bytes:
    fields = {
        **more,
        "Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
        "Content-Length": str(len(body)),
        # One answer a connection: nobody can keep one open.
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {status} {_STATUS[status]}", *(f"{k}: {v}" for k, v in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n" + (body if with_body else "")).encode()
