"""A FastAPI application with a model server mounted beside a route of its own.

    pip install '.[serve]' fastapi
    uvicorn --app-dir examples fastapi_app:app

    curl localhost:8000/models/predict -H 'Content-Type: application/json' -d '{"inputs": "What a delight"}'
    curl localhost:8000/reviews -H 'Content-Type: application/json' -d '{"author": "Ann", "text": "What a delight"}'

Under /models every path of docs/serving.md answers, with batching, limits and metrics.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from torchless import Classifier
from torchless.errors import InputError
from torchless.serve import create_app
from torchless.serve.settings import Settings

MODEL = os.environ.get("MODEL", "models/sst2-mini")


class Review(BaseModel):
    """What someone wrote."""

    author: str
    text: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load once per process, before the first request; a bundle that is missing or damaged ends the start."""
    app.mount("/models", create_app({"sst2": MODEL}, Settings(max_queue_tokens=16384)))
    app.state.classifier = Classifier.load(MODEL)
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/reviews")
def add_review(review: Review, request: Request) -> dict[str, str | float | bool]:
    """Label a review. A plain `def`: FastAPI runs it in a thread, so the event loop stays free."""
    classifier: Classifier = request.app.state.classifier
    (best,) = classifier.predict([review.text])
    return {"author": review.author, "label": best.label, "score": best.score, "truncated": best.truncated}


@app.exception_handler(InputError)
def refuse(_request: Request, error: Exception) -> JSONResponse:
    """A text that the model cannot read is the client's mistake: 422, as for FastAPI's own checks."""
    return JSONResponse({"detail": str(error)}, status_code=422)
