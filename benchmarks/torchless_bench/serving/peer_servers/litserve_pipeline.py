"""LitServe around a transformers pipeline, with LitServe's batching. Arguments: checkpoint, port, threads."""

import sys
from typing import Any

import litserve
import torch
from transformers import pipeline

checkpoint, port, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class Classify(litserve.LitAPI):
    """Text classification with the pipeline."""

    def setup(self, device: str) -> None:
        """Load the pipeline."""
        torch.set_num_threads(threads)
        self.classify = pipeline("text-classification", model=checkpoint, device=device)
        self.classify.tokenizer.model_input_names = ["input_ids", "attention_mask"]

    def decode_request(self, request: dict[str, str]) -> str:
        """The text of a request."""
        return request["inputs"]

    def predict(self, texts: list[str]) -> list[Any]:
        """All labels of every text of a batch."""
        with torch.inference_mode():
            answers = self.classify(texts, truncation=True, top_k=None, batch_size=len(texts))
        return list(answers)

    def encode_response(self, output: Any) -> Any:
        """The labels as they are."""
        return output


if __name__ == "__main__":
    api = Classify(max_batch_size=8, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", timeout=60)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning")
