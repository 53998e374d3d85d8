"""The other end of media streams: a WebSocket server that does what the path says and tells what it got.

    /listen              says nothing
    /echo                sends every inbound frame back
    /talk/FILE           sends a file of mu-law at once, then the mark "end"
    /cut/FILE            the same, and half a second later clears it
    /leave/N             closes after N frames

Each message but media is told as {"event": "stream", "message": …}; when the connection ends the sound of each track
is told, too: {"event": "heard", "track": …, "frames": …, "payload": BASE64, "timestamps": […]}.
"""

import base64
import json
import threading
import time
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

FRAME = 160


class Streams:
    def __init__(self, emit, validator, files, context=None):
        self.emit, self.validator, self.files = emit, validator, files
        self.server = serve(self.talk, "127.0.0.1", 0, ssl=context)
        self.scheme = "wss" if context else "ws"
        self.address = f"{self.scheme}://127.0.0.1:{self.server.socket.getsockname()[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def talk(self, connection):
        path = connection.request.path
        signature = connection.request.headers.get("X-Twilio-Signature") or ""
        self.emit(event="stream", path=path, at=time.time(), message={"event": "handshake"},
                  valid=self.validator.validate(self.address + path, {}, signature))
        line = Line(connection, path, self.files)
        try:
            for text in connection:
                message = json.loads(text)
                if message["event"] != "media":
                    self.emit(event="stream", path=path, at=time.time(), message=message)
                line.take(message)
        except ConnectionClosed:
            pass
        for track, frames in line.frames.items():
            sound = b"".join(payload for _, payload in frames)
            self.emit(event="heard", path=path, track=track, frames=len(frames), sid=line.sid,
                      payload=base64.b64encode(sound).decode(), timestamps=[stamp for stamp, _ in frames])
        self.emit(event="stream", path=path, at=time.time(), message={"event": "gone"})


class Line:
    def __init__(self, connection, path, files):
        self.connection = connection
        self.way, _, self.argument = path.strip("/").partition("/")
        self.files, self.sid, self.frames = files, None, {}

    def take(self, message):
        if message["event"] == "start":
            self.sid = message["start"]["streamSid"]
            if self.way in ("talk", "cut"):
                self.speak()
        elif message["event"] == "media":
            media = message["media"]
            payload = base64.b64decode(media["payload"])
            frames = self.frames.setdefault(media["track"], [])
            frames.append((int(media["timestamp"]), payload))
            if self.way == "echo" and media["track"] == "inbound":
                self.send("media", media={"payload": media["payload"]})
            if self.way == "leave" and len(frames) >= int(self.argument):
                self.connection.close()

    def speak(self):
        sound = Path(self.files, self.argument).read_bytes()
        for begin in range(0, len(sound), FRAME):
            self.send("media", media={"payload": base64.b64encode(sound[begin:begin + FRAME]).decode()})
        self.send("mark", mark={"name": "end"})
        if self.way == "cut":
            threading.Timer(0.5, self.send, ("clear",)).start()

    def send(self, event, **fields):
        try:
            self.connection.send(json.dumps({"event": event, "streamSid": self.sid} | fields))
        except ConnectionClosed:
            pass  # What came before the close is still to be read.
