"""Turns errors of the Hub's libraries into one line: what is wrong with which repository, and what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from matekd_bench.errors import BenchError, first_line, os_reason
from matekd_bench.files.hub.network import ANSWER_TIMEOUT, fetch_hint, hub_silence

if TYPE_CHECKING:
    from matekd_bench.files.hub.hub_repository import HubRepository

LOG_IN = "log in with 'hf auth login' or set HF_TOKEN"
AGAIN = "Run the same command again later."
FULL = {errno.ENOSPC, errno.EDQUOT}
UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


class Cause(NamedTuple):
    """The problem, as a clause, and what to do."""

    problem: str
    todo: str


@contextmanager
def hub_errors(kind: type[BenchError], repository: HubRepository, otherwise: str) -> Iterator[None]:
    """Raise `kind`, naming the repository, for errors of the network, of the Hub and of its cache.

    `otherwise` says what to do if the Hub cannot be reached. Other errors pass.
    """
    try:
        yield
    except BenchError:
        raise
    except Exception as error:  # httpx's errors have no common type, and the package has several names
        cause = _cause(error, repository, otherwise)
        if cause is None:
            raise
        raise kind(f"{repository}: {cause.problem}.", hint=cause.todo) from error


def _cause(error: BaseException, repository: HubRepository, otherwise: str) -> Cause | None:
    """Return the first known cause in the chain of an error: libraries wrap the errors that they catch."""
    chain, link = [], error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__  # type: ignore[assignment]
    causes = (_answered(link, repository) or _connection(link) or _system(link) for link in chain)
    if known := next(filter(None, causes), None):
        return known
    if {"ConnectError", "ConnectionError", "LocalEntryNotFoundError"} & set().union(*map(_names, chain)):
        reason = hub_silence(ANSWER_TIMEOUT)
        why = f" ({reason})" if reason else ""
        return Cause(
            f"the Hub cannot be reached{why}, and the local cache does not have it", fetch_hint(otherwise)
        )
    foreign = isinstance(error, (OSError, RuntimeError)) or {"HTTPError", "InvalidURL"} & _names(error)
    return Cause(first_line(error).rstrip("."), fetch_hint(otherwise)) if foreign else None


def _names(error: BaseException) -> set[str]:
    """Return the names of an error's types."""
    return {kind.__name__ for kind in type(error).__mro__}


def _answered(error: BaseException, repository: HubRepository) -> Cause | None:
    """Return the cause of an error that was the Hub's own answer."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if response is None or status is None:
        return None
    names, page = _names(error), repository.page
    has_token = "authorization" in response.request.headers
    if "GatedRepoError" in names:
        return Cause("it is a gated repository", f"Request access at {page}, then {LOG_IN}.")
    if "RevisionNotFoundError" in names:
        return Cause(f"there is no revision '{repository.revision}'", f"{page}/commits lists them.")
    if status == 401 and has_token:
        return Cause("the Hub refuses the token (401)", f"To replace it, {LOG_IN}.")
    if "RepositoryNotFoundError" in names or status == 401:
        return Cause("no repository has this name, or it is private", f"If it is private, {LOG_IN}.")
    return _of_status(status, response.headers.get("Retry-After"), page)


def _of_status(status: int, wait: str | None, page: str) -> Cause | None:
    """Return the cause for a status that is not about the repository."""
    if status == 403:
        return Cause("access is refused (403)", f"See {page}; the token may lack the permission.")
    if status == 407:
        return Cause("the proxy requires a login (407)", "Set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT.")
    if status == 429:
        after = f" Wait {wait} seconds." if wait else ""
        return Cause("the Hub limits requests (429)", f"{AGAIN}{after} With a token the limit is higher.")
    if status >= 500:
        return Cause(f"the Hub has an internal error ({status})", AGAIN)
    return Cause("a file that it should have is missing (404)", f"See {page}.") if status == 404 else None


def _connection(error: BaseException) -> Cause | None:
    """Return the cause of a connection that was lost or that a proxy refused."""
    names = _names(error)
    if "ProxyError" in names:
        return Cause(f"the proxy refuses the connection ({os_reason(error)})", "Check HTTPS_PROXY.")
    if names & {"TimeoutException", "TimeoutError"}:
        return Cause(
            "the Hub did not answer in time", f"{AGAIN} Set HF_HUB_DOWNLOAD_TIMEOUT=60 to wait longer."
        )
    if "FileMetadataError" in names:
        return Cause("the server that answers is not the Hub", "Check HF_ENDPOINT and the proxy.")
    broken = names & {"ReadError", "WriteError", "RemoteProtocolError", "IncompleteRead"}
    if broken or "Consistency check failed" in str(error):
        return Cause("the connection was lost", AGAIN)
    return None


def _system(error: BaseException) -> Cause | None:
    """Return the cause of an error of this machine's files."""
    from huggingface_hub import constants

    code = error.errno if isinstance(error, OSError) else None
    place = getattr(error, "filename", None) or constants.HF_HOME
    if code in FULL:
        return Cause(f"the disk is full ('{place}')", "Free space, or set HF_HOME to a folder elsewhere.")
    if code in UNWRITABLE:
        return Cause(
            f"the cache cannot be written ('{place}': {os_reason(error)})",
            "Set HF_HOME to a writable folder.",
        )
    return None
