"""TensorFlow Serving's REST interface: predict, metadata, status; and Prometheus' metrics.

Paths, status codes and texts are those of http_rest_api_handler.cc, http_rest_api_util.cc and
http_server.cc.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import grpc
import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from rhymes.serving.handlers.rest_calls import (
    classify_or_regress,
    metadata_json,
    predict_json,
    status_json,
)
from rhymes.serving.handlers.service import Service, foreseen
from rhymes.wire.errors import WireError, invalid
from rhymes.wire.messages import ModelSpec

_POST = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:(classify|regress|predict)", re.I
)
_GET = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?(/metadata)?", re.I
)
_VERSION_LIMIT = 2**63
_MAX_VERSION_LENGTH = 100

_CODES = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
"""All others are 500."""


class RestApp:
    """An ASGI application.

    Args:
        service: what answers.
        threads: how many requests are worked on at once; the service's gate may let fewer run.
        timeout: seconds for a whole request.
        max_bytes: of a request's body.
        metrics_path: where Prometheus finds the metrics, None for nowhere.
    """

    def __init__(
        self,
        service: Service,
        *,
        threads: int,
        timeout: float,
        max_bytes: int,
        metrics_path: str | None,
    ) -> None:
        self._service = service
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rest")
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._metrics_path = metrics_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        # Nobody is left to be told anything, or reads it too slowly: the connection is closed.
        with contextlib.suppress(ClientDisconnect, TimeoutError):
            response = await self._respond(Request(scope, receive), receive)
            async with asyncio.timeout(self._timeout):
                await response(scope, receive, send)

    def close(self) -> None:
        """Start no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _respond(self, request: Request, receive: Receive) -> Response:
        path = request.scope["raw_path"].decode("ascii", "replace")
        if not path.lower().startswith("/v1/"):
            return self._metrics(request.method, path)
        end = time.monotonic() + self._timeout
        try:
            async with asyncio.timeout(self._timeout):
                body = await self._read(request)
                return await self._work(request.method, path, body, end, receive)
        except TimeoutError:
            failure = WireError(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"The request took longer than {self._timeout:g} s (--rest_api_timeout_in_ms).",
            )
            return _error(failure.message, _CODES[failure.code])
        except _TooLargeError:
            text = f"The body has more than the {self._max_bytes:,} bytes allowed"
            return _error(f"{text} (--max_message_bytes).", 413)

    def _metrics(self, method: str, path: str) -> Response:
        if self._metrics_path is None or method != "GET":
            return _error(f"Malformed request: {method} {path}", 404)
        if path != self._metrics_path:
            text = f"Unexpected path: {path}. Should be {self._metrics_path}"
            return PlainTextResponse(text, 400)
        return PlainTextResponse(self._service.metrics.text())

    async def _read(self, request: Request) -> bytes:
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            raise _TooLargeError
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._max_bytes:
                raise _TooLargeError
            chunks.append(chunk)
        return b"".join(chunks)

    async def _work(
        self, method: str, path: str, body: bytes, end: float, receive: Receive
    ) -> Response:
        gone = threading.Event()
        watcher = asyncio.create_task(_watch(receive, gone))
        work = asyncio.get_running_loop().run_in_executor(
            self._pool, self._answer, method, path, body, end, gone
        )
        try:
            return await work
        finally:
            gone.set()
            watcher.cancel()

    def _answer(
        self, method: str, path: str, body: bytes, end: float, gone: threading.Event
    ) -> Response:
        try:
            with foreseen(f"{method} {path}"):
                call = self._route(method, path, body, end, lambda: not gone.is_set())
                return Response(call(), media_type="application/json")
        except WireError as error:
            return _error(error.message, _CODES.get(error.code, 500))

    def _route(
        self, method: str, path: str, body: bytes, end: float, wanted: Callable[[], bool]
    ) -> Callable[[], bytes]:
        service = self._service
        if method == "POST" and (found := _POST.fullmatch(path)):
            spec = _to_spec(*found.groups()[:3])
            api = found[4].lower()
            if api == "predict":
                left = end - time.monotonic()
                return lambda: predict_json(service, spec, body, left, wanted)
            return lambda: classify_or_regress(service, spec, api)
        if method == "GET" and (found := _GET.fullmatch(path)):
            if not found[1]:
                raise invalid("Missing model name in request.")
            spec = _to_spec(*found.groups()[:3])
            answer = metadata_json if found[4] else status_json
            return lambda: answer(service.manager, spec)
        raise invalid(f"Malformed request: {method} {path}")


class _TooLargeError(Exception):
    pass


async def _watch(receive: Receive, gone: threading.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


def _to_spec(name: str, version: str | None, label: str | None) -> Any:
    spec = ModelSpec(name=unquote(name))
    if version:
        # Python refuses to read thousands of digits.
        number = int(version) if len(version) < _MAX_VERSION_LENGTH else _VERSION_LIMIT
        if number >= _VERSION_LIMIT:
            raise invalid(f"Failed to convert version: {version} to numeric.")
        spec.version.value = number
    if label:
        spec.version_label = unquote(label)
    return spec


def _error(text: str, status: int) -> Response:
    return Response(orjson.dumps({"error": text}), status, media_type="application/json")
