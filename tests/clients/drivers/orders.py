"""Takes orders from the story, one a line of JSON, and has a speaker carry them out: see README.md."""

import json
import random
import sys
import time


def serve(speaker_class):
    # The SDKs wait for a random time between attempts; the same one in every run.
    random.seed(1)
    speaker = None
    for line in sys.stdin:
        order = json.loads(line)
        at = time.time()
        match order.pop("do"):
            case "start":
                speaker = speaker_class(order)
                answer = {"version": speaker.version}
            case "alias":
                speaker.alias(order["previous"], order["user"])
                answer = {"at": at}
            case "flush":
                speaker.flush()
                answer = {"at": at}
            case call:
                ids = {f"{name}_id": order[name] for name in ("user", "anonymous") if name in order}
                rest = [order["name"]] if "name" in order else []
                getattr(speaker, call)(ids, *rest)
                answer = {"at": at}
        print(json.dumps(answer), flush=True)
