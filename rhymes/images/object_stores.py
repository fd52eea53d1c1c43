"""Objects of S3, Google Cloud Storage and Azure, within the limits of other downloads.

The libraries behind fsspec (s3fs, gcsfs, adlfs) find credentials and endpoints in the environment,
as each of them documents. That is where requests go, whatever a URL says: it names bucket and
object alone. So nothing here checks addresses, and an export can name all that the credentials may
read.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from typing import Any

import fsspec
import tenacity

from rhymes.common.errors import InputError, UnavailableError
from rhymes.images.download import WHOLE_TIME, DownloadLimits

# Scheme -> fsspec's protocol, which is also the name of the extra that brings its library.
_STORES = {"s3": "s3", "gs": "gs", "az": "az", "abfs": "az", "abfss": "az"}

_URL = re.compile(r"([a-z0-9]+)://([^/]+)/(.+)", re.IGNORECASE | re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]*")
_ACCOUNT = re.compile(r"([a-z0-9]+)\.(?:dfs|blob)\.core\.windows\.net", re.IGNORECASE)
_NO_CONNECTION = re.compile("Connect|ServiceRequest")  # in the names of errors
_REASON_CHARACTERS = 200


def is_object_url(text: str) -> bool:
    """Say whether a URL is one of an object store."""
    return text.partition("://")[0].lower() in _STORES


class ObjectStores:
    """Reads objects; for several threads at once.

    Args:
        limits: of each object; those of addresses do not apply.
    """

    def __init__(self, limits: DownloadLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._opened: dict[str, Any] = {}
        self._retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(limits.attempts),
            retry=tenacity.retry_if_exception_type(_TransientError),
            wait=tenacity.wait_exponential_jitter(multiplier=limits.pause, jitter=limits.pause),
            reraise=True,
        )

    def url_to_bytes(self, url: str) -> bytes:
        """Read an object.

        Its name is taken as it stands: `%20` is no space. Tried again, with growing pauses, unless
        the store says that there is no such object or no access.

        Raises:
            UnavailableError: it could not be read now: no connection, no answer in time, no
                access, or a package that is missing.
            InputError: why there is no content: the URL, no such object, or its size.
        """
        protocol, path = _url_to_path(url)
        try:
            return self._retrying(self._try, protocol, path)
        except _TransientError as error:
            tries = f" ({self._limits.attempts} tries)" if self._limits.attempts > 1 else ""
            raise UnavailableError(f"{error}{tries}") from None

    def _try(self, protocol: str, path: str) -> bytes:
        whole = WHOLE_TIME * self._limits.timeout
        try:
            store = self._open(protocol)
            # A byte more than may be, so that a larger object is known by it.
            end = self._limits.max_bytes + 1
            content: bytes = store.cat_file(path, start=0, end=end, timeout=whole)
        except InputError:
            raise
        # The libraries raise what each of their own libraries does.
        except Exception as error:
            if _is_empty_range(error):
                return b""
            raise _explain(error, whole) from None
        if len(content) > self._limits.max_bytes:
            raise InputError(f"larger than the {self._limits.max_bytes:,} bytes allowed")
        return content

    def _open(self, protocol: str) -> Any:
        with self._lock:
            if protocol not in self._opened:
                self._opened[protocol] = _open_store(protocol, self._limits.timeout)
            return self._opened[protocol]


class _TransientError(Exception):
    """A failure that may be over soon."""


def _url_to_path(url: str) -> tuple[str, str]:
    """Split a URL into fsspec's protocol and path, `bucket/object`."""
    match = _URL.fullmatch(url)
    if not match:
        raise InputError("not a valid URL: expected SCHEME://BUCKET/OBJECT")
    scheme, bucket, name = match.groups()
    protocol = _STORES[scheme.lower()]
    if protocol == "az" and "@" in bucket:
        bucket, _, host = bucket.partition("@")
        _check_account(host)
    if not _BUCKET.fullmatch(bucket):
        raise InputError(f"not a valid URL: {bucket!r} is no name of a bucket")
    return protocol, f"{bucket}/{name}"


def _check_account(host: str) -> None:
    """Refuse an account other than the one that the credentials of the environment are for."""
    connection = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
    found = re.search(r"AccountName=([^;]+)", connection)
    own = os.environ.get("AZURE_STORAGE_ACCOUNT_NAME") or (found[1] if found else "")
    match = _ACCOUNT.fullmatch(host)
    if not match or match[1].lower() != own.lower():
        raise UnavailableError(
            f"{host!r} is not the account of the environment; set AZURE_STORAGE_ACCOUNT_NAME"
        )


def _open_store(protocol: str, timeout: float) -> Any:
    options: dict[str, Any] = {}
    if protocol == "s3":
        # Trying again is done here, for all stores alike.
        retries = {"total_max_attempts": 1, "mode": "standard"}
        options["config_kwargs"] = {
            "connect_timeout": timeout, "read_timeout": timeout, "retries": retries,
        }  # fmt: skip
    elif protocol == "az":
        options |= {"connection_timeout": timeout, "read_timeout": timeout}
    else:
        options["requests_timeout"] = timeout
    try:
        store = fsspec.filesystem(protocol, skip_instance_cache=True, **options)
    except ImportError as error:
        raise UnavailableError(
            f"{protocol}:// needs a package that is not installed ({error.name or error}): "
            f"pip install 'rhymes-detector[{protocol}]', in a checkout "
            f"uv pip install -c requirements.txt -e '.[{protocol}]'"
        ) from None
    if protocol == "s3":
        store.retries = 1
        store.connect()  # before several threads do
    elif protocol == "az":
        # Otherwise the library waits for minutes; adlfs has no public way to say so.
        getattr(store, "_timeout_kwargs", {})["retry_total"] = 0
    return store


def _is_empty_range(error: Exception) -> bool:
    """Say whether a store has no first byte of an object, as it is empty (RFC 9110, 15.5.17)."""
    is_invalid = isinstance(error, OSError) and error.errno == errno.EINVAL
    return _status(error) == 416 or (is_invalid and "range" in str(error).lower())


def _explain(error: Exception, whole: float) -> Exception:
    """Say what a store's error means; nothing of it may differ from one run to the next."""
    if isinstance(error, FileNotFoundError):
        return InputError("no such object")
    if isinstance(error, TimeoutError):
        return UnavailableError(f"not finished after {whole:g} s (10 x fetch.timeout)")
    if isinstance(error, ConnectionError) or _NO_CONNECTION.search(type(error).__name__):
        return _TransientError("no connection to the store")
    # Behind the first line stand times and numbers of requests.
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = " ".join(lines[0].split())[:_REASON_CHARACTERS]
    if isinstance(error, PermissionError) or _status(error) in (401, 403):
        return UnavailableError(f"no access: {reason}")
    if isinstance(error, ValueError) or "Credential" in type(error).__name__:
        return UnavailableError(f"no credentials, or wrong ones: {reason}")
    return _TransientError(f"the store failed: {reason}")


def _status(error: Exception) -> object:
    """Give the status of the answer as Azure's and Google's libraries name it."""
    return getattr(error, "status_code", None) or getattr(error, "code", None)
