"""A page on this machine alone, behind a token in its address, that fetches nothing from elsewhere.

Every request, of page, pictures and answers alike, names the token, and this machine as its host: a page of somebody
else's in the same browser can guess neither, nor read an answer by pointing a name of its own at 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import hmac
import html
import json
import re
import secrets
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gensynth.errors import DataError, UsageError
from gensynth.report.numbers import templates

if TYPE_CHECKING:
    from gensynth.review.session import Session

MOST_BYTES = 4096  # of a request's body
SECONDS = 30  # after which a silent connection is closed
DOOR = """\
<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>gensynth review</title>
<meta http-equiv="refresh" content="0; url={url}"><p><a href="{url}">To the review</a></p>
"""
_FILE = re.compile(r"(row|real)-([0-9]{1,9})\.(png|wav)")
_ITEM = re.compile(r"item/([0-9]{1,9})")


@contextlib.contextmanager
def serving(look: Session, port: int) -> Iterator[str]:
    """The page on 127.0.0.1 until the block is left; gives its address. Port 0: any free one.

    UsageError where the port is taken.
    """
    try:
        server = PageServer(look, port)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it must be below 65536"
        raise UsageError(f"review: port {port} cannot be used ({reason}); choose another: port=N") from None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{server.token}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def leading_to(url: str) -> Iterator[str]:
    """Address of a file of this user alone that leads a browser to `url`; it goes when the block is left.

    Every user of a machine can read the command line by which a browser is started, and the token would stand there.
    """
    with tempfile.TemporaryDirectory(prefix="gensynth-review-") as folder:  # for its owner alone
        path = Path(folder) / "open.html"
        path.touch(mode=0o600)
        path.write_text(DOOR.format(url=html.escape(url)), encoding="utf-8")
        yield path.as_uri()


class PageServer(ThreadingHTTPServer):
    """Answers requests for one look; `token` is drawn anew every time."""

    daemon_threads = True

    def __init__(self, look: Session, port: int) -> None:
        self.look, self.token = look, secrets.token_urlsafe(32)
        super().__init__(("127.0.0.1", port), Handler)

    def allows(self, host: str | None, token: str) -> bool:
        """Whether a request names this machine and the token."""
        known = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}
        same = hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())
        return host in known and same

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error; others show as the answer 500."""


class Handler(BaseHTTPRequestHandler):
    """GET of page, state, items and files; POST of answers; nothing else."""

    server: PageServer
    server_version, sys_version = "gensynth", ""
    timeout = SECONDS

    def do_GET(self) -> None:  # noqa: N802  (the name is the standard library's)
        if (place := self._place()) is None:
            return self._say(403, "not allowed")
        if not place:
            return self._page()
        return self._try(lambda: self._get(place))

    def do_POST(self) -> None:  # noqa: N802
        if (place := self._place()) is None or not self._from_here():
            return self._say(403, "not allowed")
        return self._try(lambda: self._post(place))

    def _place(self) -> str | None:
        """What stands behind the token; None where the request may not be answered."""
        _, token, place = (*self.path.split("?")[0].split("/", 2), "", "", "")[:3]
        return place if self.server.allows(self.headers["Host"], token) else None

    def _from_here(self) -> bool:
        """Whether our own page, or no page at all, sends an answer, as JSON, which no plain form can."""
        origin, kind = self.headers["Origin"], self.headers["Content-Type"] or ""
        own = f"http://{self.headers['Host']}"
        return origin in (None, own) and kind.split(";")[0].strip() == "application/json"

    def _try(self, answer: Any) -> None:
        try:
            answer()
        except (IndexError, KeyError):
            self._say(404, "there is no such thing here")
        except ValueError as error:
            self._say(400, str(error))
        except DataError as error:
            self._say(409, str(error))
        except OSError as error:
            self._say(500, f"not saved: {error.strerror}")

    def _get(self, place: str) -> None:
        if place == "state":
            return self._json(self.server.look.state())
        if match := _ITEM.fullmatch(place):
            return self._json(self.server.look.show(int(match[1])))
        if match := _FILE.fullmatch(place):
            return self._send(200, *self.server.look.file(match[1], int(match[2]), match[3]))
        return self._say(404, "there is no such thing here")

    def _post(self, place: str) -> None:
        length = self.headers["Content-Length"] or ""
        if not length.isdecimal() or int(length) > MOST_BYTES:
            return self._say(413, f"a verdict has at most {MOST_BYTES} bytes")
        requested = json.loads(self.rfile.read(int(length)))
        if not isinstance(requested, dict):
            raise ValueError("a verdict is a JSON object")
        given = {key: str(requested.get(key, "")) for key in ("answer", "relabel", "tab")}
        if place == "verdict" and isinstance(requested.get("item"), int):
            return self._json(self.server.look.decide(requested["item"], **given))
        if place == "undo":
            return self._json(self.server.look.undo(given["tab"]))
        return self._say(404, "there is no such thing here")

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        self._send(200, page(self.server.look.state(), nonce).encode(), "text/html; charset=utf-8", nonce)

    def _json(self, facts: dict[str, Any]) -> None:
        self._send(200, json.dumps(facts, ensure_ascii=False).encode(), "application/json")

    def _say(self, code: int, text: str) -> None:
        self._send(code, text.encode(), "text/plain; charset=utf-8")

    def _send(self, code: int, body: bytes, kind: str, nonce: str = "") -> None:
        allowed = f"; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'" if nonce else ""
        policy = (
            f"default-src 'none'; img-src 'self' data:; media-src 'self'; connect-src 'self'{allowed}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self.send_response(code)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", policy),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a line a request would hide the address, and carry the token."""


def page(state: dict[str, Any], nonce: str) -> str:
    """The page as text; it asks for everything else itself."""
    review = templates().get_template("review.html.j2")
    text = review.render(title=state["title"], blind=state["mode"] == "blind")
    return text.replace("<style>", f'<style nonce="{nonce}">').replace("<script>", f'<script nonce="{nonce}">')
