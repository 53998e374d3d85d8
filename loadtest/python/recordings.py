"""Lists recordings with the official library, from another server than the provider's.

    recordings.py URL ACCOUNT_SID TOKEN [CALL_SID]

Each recording is a line: identifier, call, status, seconds, channels and source. They are asked for in pages of two, so
that more than two need the next page.
"""

import sys

from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

PROVIDER = "https://api.twilio.com"


class Elsewhere(TwilioHttpClient):
    """Asks another server for all that is asked of the provider."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def request(self, method, url, *args, **kwargs):
        assert url.startswith(PROVIDER), url
        return super().request(method, self.base + url.removeprefix(PROVIDER), *args, **kwargs)


def main():
    base, account, token, *calls = sys.argv[1:]
    client = Client(account, token, http_client=Elsewhere(base))
    wanted = {"call_sid": calls[0]} if calls else {}
    for recording in client.recordings.list(page_size=2, **wanted):
        print(
            recording.sid,
            recording.call_sid,
            recording.status,
            recording.duration,
            recording.channels,
            recording.source,
        )


main()
