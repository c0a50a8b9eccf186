"""FastAPI around a transformers pipeline, as tutorials show it. Arguments: checkpoint, port, threads."""

import sys

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline

checkpoint, port, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
classify = pipeline("text-classification", model=checkpoint, device="cpu")
classify.tokenizer.model_input_names = ["input_ids", "attention_mask"]
app = FastAPI()


class Request(BaseModel):
    """The body of a request."""

    inputs: str


@app.get("/health")
def health() -> dict[str, str]:
    """Whether the server is ready."""
    return {"status": "ok"}


@app.post("/predict")
def predict(request: Request) -> list[dict[str, float | str]]:
    """All labels of the text, with their scores."""
    with torch.inference_mode():
        (answer,) = classify([request.inputs], truncation=True, top_k=None)
    return list(answer)


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
