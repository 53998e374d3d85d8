"""The customer's web server of the functional suite.

It writes its TwiML with the official library and lets the official validator judge the signature of every request.
The last segment of the path names a scenario, the query holds its options:

    http://127.0.0.1:PORT/dial?uri=sip%3Abob%40127.0.0.1&action=%2Fafter

With --pages FILE the documents that a test has written down stand beside the scenarios (pages.py), with --files FOLDER
its files under /files/, and with --streams there is a WebSocket server for media streams (streams.py). With --certificate
FILE there is a second port for each of the two, with TLS.

Standard output carries one JSON object a line: first {"event": "ready", "port": …, "tls_port": …}, then
{"event": "request", …} for each request and {"event": "gone", …} when a client leaves before its answer. A request for
/told?number=N is none of these but {"event": "told", "number": "N"}: all before it was told. The end of
standard input ends the process.
"""

import argparse
import json
import mimetypes
import select
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from twilio.request_validator import RequestValidator
from twilio.twiml import GenericNode
from twilio.twiml.voice_response import Client, Dial, Gather, Refer, VoiceResponse

from pages import Pages

mimetypes.add_type("audio/basic", ".ulaw")
mimetypes.add_type("audio/x-gsm", ".gsm")
mimetypes.add_type("audio/x-wav", ".wav")

SCENARIOS = {}


def scenario(function):
    """Makes a function reachable under its own name: it takes the options and returns a document."""
    SCENARIOS[function.__name__] = function
    return function


class Answer(Exception):
    """An answer that is not simply a document."""

    def __init__(self, status=200, body=b"", content_type="text/xml", headers=(), delay=0.0):
        super().__init__(status)
        self.status, self.body, self.content_type = status, body, content_type
        self.headers, self.delay = headers, delay


def then(options, response=None):
    """The document of another scenario, appended to `response`."""
    following = SCENARIOS[options["then"]](options | {"then": "hangup"}) if options.get("then") else VoiceResponse()
    if response is None:
        return following
    for verb in following.verbs:
        response.append(verb)
    return response


def attributes(options, *names):
    """The options of these names, as keyword arguments of the library."""
    return {name: options[name] for name in names if name in options}


# --- verbs


@scenario
def say(options):
    response = VoiceResponse()
    response.say(options.get("text", "Hello."))
    return then(options, response)


@scenario
def play(options):
    response = VoiceResponse()
    response.play(options.get("url", "/sound.wav"))
    return then(options, response)


@scenario
def record(options):
    response = VoiceResponse()
    response.record(max_length=2, timeout=1, **attributes(options, "action"))
    return then(options, response)


@scenario
def gather(options):
    response = VoiceResponse()
    verb = Gather(timeout=options.get("timeout", 1), num_digits=4, **attributes(options, "action"))
    verb.say("Digits, please.")
    response.append(verb)
    return then(options, response)


@scenario
def pause(options):
    response = VoiceResponse()
    response.pause(length=options.get("length", 1))
    return then(options, response)


@scenario
def reject(_options):
    response = VoiceResponse()
    response.reject()
    return response


@scenario
def rejected(_options):
    response = VoiceResponse()
    response.reject(reason="rejected")
    return response


@scenario
def busy(_options):
    response = VoiceResponse()
    response.reject(reason="busy")
    return response


@scenario
def hangup(_options):
    response = VoiceResponse()
    response.hangup()
    return response


@scenario
def empty(_options):
    return VoiceResponse()


@scenario
def redirect(options):
    """A chain of `n` redirects that ends in the scenario `then`."""
    left = int(options.get("n", 1))
    target = options.get("then", "say")
    response = VoiceResponse()
    if left > 1:
        response.redirect("redirect?" + urlencode({"n": left - 1, "then": target}))
    else:
        response.redirect(target)
    return response


@scenario
def forever(_options):
    response = VoiceResponse()
    response.redirect("forever")
    return response


@scenario
def refer(options):
    response = VoiceResponse()
    if options.get("first"):
        response.append(SCENARIOS[options["first"]]({}).verbs[0])
    verb = Refer(**attributes(options, "action", "method"))
    verb.sip(options["uri"])
    response.append(verb)
    return then(options, response)


@scenario
def dial(options):
    """Dials `uri`, `number` or `identity` (with `parameters` and the older spelling `params`, as name:value lists)."""
    response = VoiceResponse()
    verb = Dial(**attributes(options, "action", "method", "timeout", "answer_on_bridge", "caller_id", "sequential"))
    for uri in options.get("uri", "").split():
        verb.sip(uri, **attributes(options, "url"))
    if "number" in options:
        verb.number(options["number"])
    if "identity" in options:
        client = Client()
        client.identity(options["identity"])
        for name, value in pairs(options.get("parameters", "")):
            client.parameter(name=name, value=value)
        for name, value in pairs(options.get("params", "")):
            parameter = GenericNode("Param", "")
            parameter.attrs = {"name": name, "value": value}
            client.append(parameter)
        verb.append(client)
    response.append(verb)
    return then(options, response)


def pairs(text):
    """`a:1,b:2` as pairs."""
    return [tuple(item.split(":", 1)) for item in text.split(",") if item]


@scenario
def after(options):
    """What an `action` is pointed at: nothing more to do unless `then` says so."""
    return then(options)


# --- answers that are not documents, or not good ones


@scenario
def slow(options):
    raise Answer(body=str(say(options)).encode(), delay=float(options.get("seconds", 3)))


@scenario
def status(options):
    raise Answer(status=int(options.get("code", 500)), body=b"out of order", content_type="text/plain")


@scenario
def accepted(_options):
    raise Answer(status=204)


@scenario
def malformed(_options):
    raise Answer(body=b"<Response><Say>unfinished</Response>")


@scenario
def leading(_options):
    raise Answer(body=b' \n<?xml version="1.0"?><Response><Say>late prolog</Say></Response>')


@scenario
def doctype(_options):
    bomb = b'<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    raise Answer(body=bomb + b"<Response><Say>&b;</Say></Response>")


@scenario
def lowercase(_options):
    raise Answer(body=b"<Response><say>ignored</say><Reject reason='busy'/></Response>")


@scenario
def huge(options):
    raise Answer(body=b"<Response><Say>" + b"a" * int(options.get("bytes", 70000)) + b"</Say></Response>")


@scenario
def plain(_options):
    raise Answer(body=b"Good morning.", content_type="text/plain; charset=utf-8")


@scenario
def picture(_options):
    raise Answer(body=b"\x89PNG", content_type="image/png")


@scenario
def nobody(_options):
    raise Answer(body=b"")


@scenario
def moved(options):
    """`n` HTTP redirects before the scenario `then`."""
    left = int(options.get("n", 1))
    target = options.get("then", "say")
    location = "moved?" + urlencode({"n": left - 1, "then": target}) if left > 1 else target
    raise Answer(status=int(options.get("code", 302)), headers=[("Location", location)])


# --- the server


class Form:
    """Repeated names, as the validator asks for them."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(name for name, _ in self.items)

    def getall(self, name):
        return [value for key, value in self.items if key == name]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "webhook"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        began = time.time()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if parts.path == "/told":
            emit(event="told", number=dict(query).get("number"))
            return self.reply(Answer(status=204))
        form = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        url = f"{self.server.scheme}://{self.headers.get('Host')}{self.path}"
        signature = self.headers.get("X-Twilio-Signature") or ""
        valid = self.server.validator.validate(url, Form(form), signature)
        emit(
            event="request",
            at=began,
            method=self.command,
            path=parts.path,
            url=url,
            query=query,
            form=form,
            body=body.decode("utf-8", "replace"),
            signature=signature,
            valid=valid,
            headers=[[name.lower(), value] for name, value in self.headers.items()],
        )
        if parts.path in self.server.pages:
            self.server.pages.called(parts.path, dict(form or query).get("CallSid", ""))
        self.answer(parts.path, dict(query))

    def answer(self, path, options):
        if path in self.server.pages:
            return self.reply(Answer(body=self.server.pages.document(path).encode()))
        if path.startswith("/files/"):
            return self.reply(self.file(path.removeprefix("/files/")))
        name = path.rstrip("/").rsplit("/", 1)[-1]
        if name == "sound.wav":
            return self.reply(Answer(body=silence(), content_type="audio/wav"))
        if name not in SCENARIOS:
            return self.reply(Answer(status=404, body=b"no such scenario", content_type="text/plain"))
        try:
            return self.reply(Answer(body=str(SCENARIOS[name](options)).encode()))
        except Answer as answer:
            if answer.delay and not self.waits(answer.delay):
                return emit(event="gone", at=time.time(), path=path)
            return self.reply(answer)

    def file(self, name):
        path = Path(self.server.files, name)
        if "/" in name or not path.is_file():
            return Answer(status=404, body=b"no such file", content_type="text/plain")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Answer(body=path.read_bytes(), content_type=kind)

    def waits(self, seconds):
        """True when the client is still there after so long."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        self.close_connection = bool(readable)
        return not readable

    def reply(self, answer):
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_):
        pass


def silence(seconds=1):
    """A WAV file of that length, 8 kHz, 16 bit, mono."""
    data = bytes(16000 * seconds)
    head = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    fields = ((1, 2), (1, 2), (8000, 4), (16000, 4), (2, 2), (16, 2))
    head += b"".join(value.to_bytes(size, "little") for value, size in fields)
    return head + b"data" + len(data).to_bytes(4, "little") + data


class Server(ThreadingHTTPServer):
    """A web server on loopback; with a context it speaks TLS, and each client's handshake is its own thread's."""

    request_queue_size = 512
    daemon_threads = True

    def __init__(self, port, arguments, context=None):
        super().__init__(("127.0.0.1", port), Handler)
        self.scheme = "https" if context else "http"
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.address = f"{self.scheme}://127.0.0.1:{self.server_address[1]}"
        self.validator = RequestValidator(arguments.token)
        self.files, self.pages = arguments.files, {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that does not trust our certificate leaves in the middle of the handshake."""
        if not isinstance(sys.exc_info()[1], ssl.SSLError):
            super().handle_error(request, client_address)


LOCK = threading.Lock()


def emit(**fields):
    with LOCK:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--token", required=True, help="the auth token that signs the requests")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pages", help="documents of a test")
    parser.add_argument("--files", default=".", help="files of a test")
    parser.add_argument("--streams", action="store_true", help="serve media streams as well")
    parser.add_argument("--certificate", help="serve by TLS as well: a PEM file with a certificate and its key")
    arguments = parser.parse_args()
    servers = [Server(arguments.port, arguments)]
    contexts = [None]
    if arguments.certificate:
        contexts.append(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
        contexts[1].load_cert_chain(arguments.certificate)
        servers.append(Server(0, arguments, contexts[1]))
    places = {server.scheme: server.address for server in servers}
    if arguments.streams:
        from streams import Streams

        streams = [Streams(emit, servers[0].validator, arguments.files, context) for context in contexts]
        places |= {server.scheme: server.address for server in streams}
    pages = Pages(arguments.pages, places) if arguments.pages else {}
    for server in servers:
        server.pages = pages
    emit(event="ready", port=servers[0].server_address[1], tls_port=servers[-1].server_address[1])
    sys.stdin.read()


if __name__ == "__main__":
    main()
