"""Speaks for RudderStack's SDK for Python."""

import rudderstack.analytics
from orders import serve


class Speaker:
    version = rudderstack.analytics.__version__

    def __init__(self, order):
        self.client = rudderstack.analytics.Client(order["write_key"], host=order["host"], gzip=order["gzip"])

    def track(self, ids, name):
        self.client.track(event=name, **ids)

    def page(self, ids, name):
        self.client.page(name=name, **ids)

    def screen(self, ids, name):
        self.client.screen(name=name, **ids)

    def identify(self, ids):
        self.client.identify(traits={"plan": "free"}, **ids)

    def alias(self, previous, user):
        self.client.alias(previous, user)

    def flush(self):
        self.client.flush()


serve(Speaker)
