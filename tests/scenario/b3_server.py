#!/usr/bin/env python3
"""A stand-in for B3's index service on loopback, which misbehaves on demand in every way the real one has been seen to.

    with B3Server({"IBOV": make_portfolio("IBOV")}) as b3:
        b3.misbehave("status", times=3, code=520)
        ...  run the program with --url b3.url ...
        assert b3.count(endpoint=DOWNLOAD) == 4

FAULTS below names every misbehaviour and its options. Every request is kept in memory, in order. Nothing here lasts: the service
stops with the block, after `seconds`, or after `max_requests`, whichever comes first. As a command it prints its URL and serves.
"""
import argparse
import base64
import binascii
import datetime
import email.utils
import gzip
import json
import pathlib
import socket
import socketserver
import struct
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixtures"))
from make_portfolio import INDICES, Portfolio, make_portfolio, to_json  # noqa: E402

PAGE, DOWNLOAD = "GetPortfolioDay", "GetDownloadPortfolioDay"

HTML = (b"<!DOCTYPE html>\n<html lang=\"pt-br\"><head><title>B3</title></head>\n"
        b"<body><h1>Erro</h1><p>Ocorreu um erro inesperado. Tente novamente mais tarde.</p></body></html>\n")


@dataclass
class Request:
    """One request as it came, and what was answered."""
    at: float          # seconds since the service started
    method: str
    path: str
    endpoint: str = ""
    index: str = ""
    page: int = 0      # of GetPortfolioDay
    argument: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    status: int = 0    # 0: no answer was given
    fault: str = ""


@dataclass
class Answer:
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    write: object = None  # a function(connection, head, body) that replaces one plain write


@dataclass
class Fault:
    name: str
    options: dict
    times: int | None      # how many requests it spoils; None: for ever
    after: int             # how many matching requests are left alone first
    endpoint: str | None
    index: str | None
    page: int | None
    spoiled: int = 0

    def matches(self, request):
        return (self.endpoint in (None, request.endpoint) and self.index in (None, request.index)
                and self.page in (None, request.page))


# ---- The misbehaviours. Each takes the service, the request, the honest answer and its options, and returns what is sent.

def fault_status(_service, _request, _honest, code=520):
    return Answer(code, "text/html", HTML)


def fault_too_many(_service, _request, _honest, retry_after=1, as_date=False, code=429):
    """Retry-After in seconds, or as an HTTP date."""
    value = email.utils.formatdate(time.time() + retry_after, usegmt=True) if as_date else str(retry_after)
    return Answer(code, "text/plain", b"Too Many Requests\n", {"Retry-After": value})


def fault_empty(_service, _request, honest):
    return replace(honest, body=b"")


def fault_html(_service, _request, honest, content_type="text/html; charset=utf-8"):
    return replace(honest, content_type=content_type, body=HTML)


def fault_double_json(_service, _request, honest):
    """A JSON string that holds the JSON, or the base64."""
    return replace(honest, body=to_json(honest.body.decode()))


def fault_double_base64(_service, _request, honest):
    return replace(honest, body=base64.b64encode(honest.body))


def fault_bad_base64(_service, _request, honest):
    return replace(honest, body=honest.body[:40] + b"!*" + honest.body[41:])


def fault_delay(service, _request, honest, seconds=20.0):
    service.pause(seconds)
    return honest


def fault_drip(service, _request, honest, seconds=0.05, size=64):
    """The body a few bytes at a time."""
    def write(connection, head, body):
        connection.sendall(head)
        for start in range(0, len(body), size):
            if service.pause(seconds):
                return
            connection.sendall(body[start:start + size])
    return replace(honest, write=write)


def fault_redirect(_service, _request, _honest, code=302, location="/erro.html"):
    """To an error page that answers 200 with HTML; give a location to send the client anywhere else."""
    return Answer(code, "text/html", b"", {"Location": location})


def fault_redirect_loop(_service, request, _honest, code=302):
    return Answer(code, "text/html", b"", {"Location": request.path})


def fault_same_page(service, request, honest):
    """Whatever page is asked for, the first one's bytes come back, its number included."""
    return replace(honest, body=to_json(service.page_of(request, 1)))


def fault_endless(service, request, honest):
    """Page after page, each with the first one's rows, and always one more to come."""
    page = service.page_of(request, 1)
    page["page"].update(pageNumber=request.page, totalPages=request.page + 1)
    return replace(honest, body=to_json(page))


def fault_repeat_page(service, request, honest):
    """The right page number over the rows of the page before."""
    page = service.page_of(request, request.page)
    page["results"] = service.page_of(request, max(1, request.page - 1))["results"]
    return replace(honest, body=to_json(page))


def fault_results_null(service, request, honest):
    page = service.page_of(request, request.page)
    page["results"] = None
    page["page"].update(totalRecords=None, totalPages=None)
    return replace(honest, body=to_json(page))


def fault_truncated(_service, _request, honest, keep=0.5):
    """Content-Length promises the whole body, and the connection closes early."""
    def write(connection, head, body):
        connection.sendall(head + body[:int(len(body) * keep)])
        connection.shutdown(socket.SHUT_RDWR)
    return replace(honest, write=write)


def fault_cut_text(_service, request, honest, keep=0.5):
    """A whole answer whose text was cut: the footer is missing."""
    if request.endpoint == DOWNLOAD:
        text = base64.b64decode(honest.body)
        return replace(honest, body=base64.b64encode(text[:int(len(text) * keep)]))
    return replace(honest, body=honest.body[:int(len(honest.body) * keep)])


def fault_huge(service, _request, honest, size=50_000_000, chunked=False):
    """Fifty megabytes, with a length or, chunked, without one."""
    block = honest.body[:1] + b"A" * 65_535

    def write(connection, head, _body):
        if chunked:
            head = drop_header(head, "Content-Length").replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        else:
            head = drop_header(head, "Content-Length").replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % size)
        connection.sendall(head)
        left = size
        while left and not service.stopping.is_set():
            part = block[:left]
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            left -= len(part)
        if chunked:
            connection.sendall(b"0\r\n\r\n")
    return replace(honest, write=write)


def fault_content_type(_service, _request, honest, value="application/octet-stream"):
    return replace(honest, content_type=value)


def fault_reset(_service, _request, honest, sent=0):
    """The connection is reset: at once, or after so many bytes of the answer."""
    def write(connection, head, body):
        if sent:
            connection.sendall((head + body)[:sent])
            time.sleep(0.05)  # so that the bytes are read before the reset throws them away
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    return replace(honest, write=write)


def fault_wrong_index(service, request, honest, index="XXXX"):
    """An honest portfolio under another index's name. JSON pages carry no name: they get another portfolio's rows."""
    portfolio = service.portfolios.get(index) or replace(service.portfolios[request.index], index=index)
    return service.answer_from(request, portfolio)


def fault_bad_sum(service, request, honest, quantity=1, share=0):
    """A footer that is off by so many papers, or so many thousandths of a percent."""
    portfolio = service.portfolios[request.index]
    return service.answer_from(request, replace(portfolio, quantity_total=portfolio.quantity_total + quantity,
                                                share_total=portfolio.share_total + share))


def fault_bad_row(service, request, honest, row=0, quantity=1, share=0):
    """One row is off, the footer is not."""
    portfolio = service.portfolios[request.index]
    rows = list(portfolio.rows)
    rows[row] = replace(rows[row], quantity=rows[row].quantity + quantity, share=rows[row].share + share)
    return service.answer_from(request, replace(portfolio, rows=tuple(rows)))


def fault_no_date(service, request, honest, put=""):
    """The session's date is missing, or replaced with other text."""
    portfolio = service.portfolios[request.index]
    date = f"{portfolio.session:%d/%m/%y}"
    if request.endpoint == DOWNLOAD:
        text = base64.b64decode(honest.body).replace(date.encode(), put.encode(), 1)
        return replace(honest, body=base64.b64encode(text))
    page = service.page_of(request, request.page)
    page["header"]["date"] = put or None
    return replace(honest, body=to_json(page))


def fault_gzip(_service, _request, honest):
    """Compressed although nobody may have asked for it."""
    return replace(honest, body=gzip.compress(honest.body, mtime=0), headers={"Content-Encoding": "gzip"})


def fault_gzip_bomb(_service, _request, honest, size=50_000_000):
    return replace(honest, body=gzip.compress(honest.body[:1] + b"A" * size, mtime=0), headers={"Content-Encoding": "gzip"})


def fault_chunked(_service, _request, honest, size=1000):
    """Not a fault: the same answer without a length, in chunks."""
    def write(connection, head, body):
        connection.sendall(drop_header(head, "Content-Length").replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"))
        for start in range(0, len(body), size):
            part = body[start:start + size]
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        connection.sendall(b"0\r\n\r\n")
    return replace(honest, write=write)


def fault_body(_service, _request, honest, body=b"", status=200):
    """Any bytes at all."""
    return replace(honest, status=status, body=body.encode() if isinstance(body, str) else body)


PAGE_ONLY = {"same_page", "endless", "repeat_page", "results_null"}  # they need the JSON answer
FAULTS = {name.removeprefix("fault_"): function for name, function in list(globals().items()) if name.startswith("fault_")}


def drop_header(head, name):
    lines = head.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(name.lower().encode() + b":"))


# ---- The service

class B3Server:
    """url is what to give as --url. portfolios maps an index to a Portfolio, or to CSV bytes that only the download serves; it may
    be changed between requests, which is how a payload of the same session changes."""

    def __init__(self, portfolios=None, port=0, seconds=300.0, max_requests=100_000):
        self.portfolios = dict(portfolios or {})
        self.requests = []
        self.faults = []
        self.stopping = threading.Event()
        self.max_requests = max_requests
        self._seconds = seconds
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._listener = _Listener(("127.0.0.1", port), _Handler)
        self._listener.service = self
        self.port = self._listener.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._thread = threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._deadline = threading.Timer(seconds, self.stop)
        self._deadline.daemon = True

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._thread.start()
        self._deadline.start()
        return self

    def stop(self):
        """Ends the service; pauses and drips in progress end with it. May be called twice."""
        if not self.stopping.is_set():
            self.stopping.set()
            self._deadline.cancel()
            self._listener.shutdown()
            self._listener.server_close()

    def wait(self):
        self.stopping.wait(self._seconds + 5)

    def pause(self, seconds):
        """Sleeps unless the service stops; True if it did."""
        return self.stopping.wait(seconds)

    def misbehave(self, name, times=None, after=0, endpoint=None, index=None, page=None, **options):
        """From the next matching request on (or after so many more), `times` answers are spoiled. Faults queue: the first that
        matches and is not used up acts."""
        if name not in FAULTS:
            raise ValueError(f"no fault called {name!r}; there are {', '.join(sorted(FAULTS))}")
        if name in PAGE_ONLY:
            endpoint = PAGE
        fault = Fault(name, options, times, after, endpoint, index, page)
        with self._lock:
            self.faults.append(fault)
        return fault

    def behave(self):
        """Forgets every misbehaviour."""
        with self._lock:
            self.faults.clear()

    def forget(self):
        """Empties the log of requests."""
        with self._lock:
            self.requests.clear()

    def log(self, endpoint=None, index=None, page=None):
        with self._lock:
            return [r for r in self.requests if endpoint in (None, r.endpoint) and index in (None, r.index) and page in (None, r.page)]

    def count(self, **which):
        """How many requests came; no arguments: all of them, followed redirects and unknown paths included."""
        return len(self.log(**which))

    # What the handler asks.

    def note(self, request):
        """Logs a request; False when there have been too many."""
        with self._lock:
            request.at = time.monotonic() - self._started
            self.requests.append(request)
            return len(self.requests) <= self.max_requests

    def fault_for(self, request):
        with self._lock:
            for fault in self.faults:
                if not fault.matches(request):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times is None or fault.spoiled < fault.times:
                    fault.spoiled += 1
                    return fault
        return None

    def page_of(self, request, number):
        size = positive(request.argument.get("pageSize"), 20)
        return self.portfolios[request.index].page(number, size, request.argument.get("segment", "1"))

    def answer_from(self, request, portfolio):
        if request.endpoint == DOWNLOAD:
            text = portfolio if isinstance(portfolio, bytes) else portfolio.csv()
            return Answer(content_type="text/plain; charset=utf-8", body=base64.b64encode(text))
        size = positive(request.argument.get("pageSize"), 20)
        return Answer(body=portfolio.page_bytes(request.page, size, request.argument.get("segment", "1")))

    def honest(self, request):
        portfolio = self.portfolios.get(request.index)
        if request.endpoint == DOWNLOAD:
            return self.answer_from(request, portfolio) if portfolio else Answer(content_type="text/plain; charset=utf-8")
        if isinstance(portfolio, Portfolio):
            return self.answer_from(request, portfolio)
        return Answer(body=to_json({  # an index without a portfolio
            "page": {"pageNumber": request.page, "pageSize": positive(request.argument.get("pageSize"), 20),
                     "totalRecords": None, "totalPages": None},
            "header": {"date": None, "text": "Quantidade Teórica Total", "part": None, "partAcum": None,
                       "textReductor": "Redutor", "reductor": None, "theoricalQty": None},
            "results": None}))

    def answer(self, request):
        if not request.endpoint:
            return Answer(200, "text/html; charset=utf-8", HTML) if request.path.endswith(".html") else Answer(404, "text/html", HTML)
        if not request.argument:
            return Answer(400, "text/html", HTML)
        fault = self.fault_for(request)
        honest = self.honest(request)
        if fault is None:
            return honest
        request.fault = fault.name
        return FAULTS[fault.name](self, request, honest, **fault.options)


def positive(value, otherwise):
    try:
        return max(1, int(value))
    except (TypeError, ValueError):
        return otherwise


def parse_path(path):
    """(endpoint, argument) of a path under any base; ("", {}) for a path of another kind, an empty argument if it cannot be read."""
    for endpoint in (PAGE, DOWNLOAD):
        _, found, rest = path.partition(f"/{endpoint}/")
        if found:
            text = urllib.parse.unquote(rest.partition("?")[0]).replace("-", "+").replace("_", "/")
            try:
                value = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
            except (binascii.Error, ValueError):
                return endpoint, {}
            return endpoint, value if isinstance(value, dict) else {}
    return "", {}


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "b3-stand-in"
    sys_version = ""
    timeout = 60
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        service = self.server.service
        endpoint, argument = parse_path(self.path)
        request = Request(0.0, self.command, self.path, endpoint, str(argument.get("index", "")),
                          positive(argument.get("pageNumber"), 1) if endpoint == PAGE else 0, argument,
                          {name.lower(): value for name, value in self.headers.items()})
        if not service.note(request):
            self.close_connection = True
            return
        answer = service.answer(request)
        if service.stopping.is_set():
            self.close_connection = True
            return
        request.status = answer.status
        reason = {520: "Web Server Returned an Unknown Error"}.get(answer.status) or self.responses.get(answer.status, ("",))[0]
        head = [f"HTTP/1.1 {answer.status} {reason}", f"Date: {self.date_time_string()}", "Server: b3-stand-in",
                f"Content-Type: {answer.content_type}", f"Content-Length: {len(answer.body)}", "Cache-Control: no-store"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        head = ("\r\n".join(head) + "\r\n\r\n").encode()
        body = b"" if self.command == "HEAD" else answer.body
        if answer.write is None:
            self.connection.sendall(head + body)
        else:
            self.close_connection = True
            answer.write(self.connection, head, body)

    do_HEAD = do_GET

    def do_POST(self):
        """Logged and refused: the service only answers GET."""
        request = Request(0.0, self.command, self.path, headers={name.lower(): value for name, value in self.headers.items()}, status=405)
        self.server.service.note(request)
        self.close_connection = True
        self.connection.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def parse_fault(text):
    """NAME or NAME:option=value,option=value, as the command line gives it."""
    name, _, rest = text.partition(":")
    options = {}
    for pair in filter(None, rest.split(",")):
        key, _, value = pair.partition("=")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return name, options


def main():
    parser = argparse.ArgumentParser(description="Serve made-up portfolios as B3's index service does; prints the base URL.",
                                     epilog="faults: " + ", ".join(sorted(FAULTS)))
    parser.add_argument("--index", default="IBOV", help="one or more, separated by commas; or a number: that many of the usual ones")
    parser.add_argument("--session", type=datetime.date.fromisoformat, default=datetime.date(2024, 7, 15), metavar="DATE")
    parser.add_argument("--stocks", type=int, default=85)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--file", action="append", default=[], metavar="INDEX=FILE", help="serve a CSV file as the download of an index")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=300.0, help="stop after so long")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[:option=value,...]",
                        help="options are the fault's own and times, after, endpoint, index, page; may be repeated")
    options = parser.parse_args()
    indices = INDICES[:int(options.index)] if options.index.isdigit() else options.index.split(",")
    portfolios = {index: make_portfolio(index, options.session, options.stocks, options.seed) for index in indices}
    for pair in options.file:
        index, _, file = pair.partition("=")
        portfolios[index] = pathlib.Path(file).read_bytes()
    service = B3Server(portfolios, options.port, options.seconds)
    for text in options.fault:
        name, fault = parse_fault(text)
        service.misbehave(name, **fault)
    with service:
        print(service.url, flush=True)
        try:
            service.wait()
        except KeyboardInterrupt:
            pass
        for request in service.log():
            print(f"{request.at:9.3f} {request.method} {request.status or '---'} {request.endpoint or request.path} "
                  f"{request.index} {request.page or ''} {request.fault}".rstrip(), file=sys.stderr)


if __name__ == "__main__":
    main()
