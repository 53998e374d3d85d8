"""Documents that a test has written down, built by the official library.

A file of JSON holds them:

    {"pages": {"/answer": [[NODE, …], …]}, "answers": {"/odd": {"status": 503}}}

A page is a list of documents: the first request gets the first, and so on; the last one is for all that follow. A node is
{"verb": "gather", "text": …, "attributes": {…}, "children": [NODE, …]}, with the library's own names of methods and
arguments. {http} and {ws}, {https} and {wss} in texts and attributes become the addresses of this server and of that of
the streams; {call /path} becomes the CallSid of the latest request for that page.
"""

import json
import threading

from twilio.twiml.voice_response import VoiceResponse

# What the library takes as its first argument, where the node has a text.
TEXTS = {
    "say", "play", "redirect", "number", "sip", "conference", "queue", "identity", "enqueue", "dial", "client",
}


class Pages:
    def __init__(self, path, places):
        with open(path, encoding="utf-8") as file:
            written = json.load(file)
        self.pages, self.places = written["pages"], places
        self.asked = dict.fromkeys(self.pages, 0)
        self.lock = threading.Lock()

    def __contains__(self, path):
        return path in self.pages

    def called(self, path, sid):
        """A call has asked for this page."""
        with self.lock:
            self.places[f"call {path}"] = sid

    def document(self, path):
        documents = self.pages[path]
        with self.lock:
            number = min(self.asked[path], len(documents) - 1)
            self.asked[path] += 1
        response = VoiceResponse()
        for node in documents[number]:
            self.build(response, node)
        return str(response)

    def build(self, parent, node):
        text = [self.fill(node["text"])] if node.get("text") is not None else []
        if text and node["verb"] not in TEXTS:
            raise ValueError(f"{node['verb']} takes no text")
        attributes = {name: self.fill(value) for name, value in node.get("attributes", {}).items()}
        made = getattr(parent, node["verb"])(*text, **attributes)
        for child in node.get("children", []):
            self.build(made, child)

    def fill(self, text):
        for name, value in list(self.places.items()):
            text = text.replace("{" + name + "}", value)
        return text
