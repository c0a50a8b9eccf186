"""Label texts on AWS Lambda, behind a function URL or API Gateway: {"texts": [...]} to {"predictions": [...]}."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict
from typing import Any

from torchless import Classifier
from torchless.errors import InputError

MAX_TEXTS = 256  # bounds the time of one invocation

# Loaded while Lambda starts the environment, once for all its invocations.
classifier = Classifier.load(os.environ.get("MODEL", "models/sst2-mini"))


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answer one request. What the client did wrong is a 400; any other exception is left to Lambda, which logs it."""
    try:
        body = event.get("body") or ""  # a GET has none
        if event.get("isBase64Encoded"):
            body = base64.b64decode(body)
        texts = json.loads(body)["texts"]
        if len(texts) > MAX_TEXTS:
            raise InputError(f"texts: expected at most {MAX_TEXTS}, got {len(texts)}.")
        predictions = classifier.predict(texts)
    except (ValueError, KeyError, TypeError) as error:  # InputError is a ValueError
        return answer(400, {"error": f"expected a JSON object with a list of str under 'texts' ({error})"})
    return answer(200, {"predictions": [asdict(prediction) for prediction in predictions]})


def answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    """The response that function URLs and API Gateway turn into HTTP."""
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
