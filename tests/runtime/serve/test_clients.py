"""The packages that people have, against a running server: only the URL changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import tritonclient.http
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from tritonclient.utils import InferenceServerException

from torchless import Classifier, Encoder

from .conftest import Server

TEXTS = ["I've been waiting for a HuggingFace course my whole life.", "I hate this so much", "", "naïve café ☕ 你好"]


@pytest.fixture(scope="module")
def classifier(mini: Path) -> Classifier:
    return Classifier.load(mini)


@pytest.fixture(scope="module")
def encoder(mini: Path) -> Encoder:
    return Encoder.load(mini)


# huggingface_hub


def ranking(classifier: Classifier, text: str) -> list[tuple[str, float]]:
    return [(best.label, best.score) for best in classifier.rank([text])[0]]


@pytest.mark.parametrize("text", TEXTS)
def test_inference_client_gets_the_library_s_answer(server: Server, classifier: Classifier, text: str) -> None:
    answer = InferenceClient(server.address).text_classification(text)
    assert [(element.label, element.score) for element in answer] == ranking(classifier, text)


def test_inference_client_asks_for_a_model_by_name(server: Server, tiny: Path) -> None:
    answer = InferenceClient(f"{server.address}/models/tiny").text_classification("good")
    assert [(element.label, element.score) for element in answer] == ranking(Classifier.load(tiny), "good")


def test_inference_client_asks_for_the_best_label_alone(server: Server) -> None:
    (best,) = InferenceClient(server.address).text_classification("I hate this so much", top_k=1)
    assert best.label == "NEGATIVE"


def test_inference_client_chooses_the_activation(server: Server, classifier: Classifier) -> None:
    client = InferenceClient(server.address)
    logits = sorted(classifier.logits(["good"])[0].tolist(), reverse=True)
    raw = client.text_classification("good", function_to_apply="none")
    assert [element.score for element in raw] == logits
    sigmoid = client.text_classification("good", function_to_apply="sigmoid")
    assert [element.score for element in sigmoid] == pytest.approx(1 / (1 + np.exp(-np.array(logits))), abs=1e-6)


def test_inference_client_embeds_at_the_path_of_embeddings(server: Server, encoder: Encoder) -> None:
    answer = InferenceClient(f"{server.address}/embed").feature_extraction("good")
    np.testing.assert_array_equal(answer, encoder.embed(["good"]))


def test_inference_client_embeds_with_a_bundle_without_a_head(start: Callable[..., Server], headless: Path) -> None:
    client = InferenceClient(start(headless).address)
    encoder = Encoder.load(headless)
    np.testing.assert_allclose(client.feature_extraction("good"), encoder.embed(["good"]), atol=1e-6)
    raw = client.feature_extraction("good", normalize=False)
    np.testing.assert_allclose(raw, encoder.embed(["good"], normalize=False), atol=1e-6)


def test_what_belongs_to_embeddings_is_refused_by_a_model_that_labels(server: Server) -> None:
    status, _, answer = server.request("POST", "/", {"inputs": "good", "normalize": True})
    assert (status, b"normalize does not go with this model" in answer) == (422, True)


def test_inference_client_is_told_of_a_model_that_is_not_there(server: Server) -> None:
    with pytest.raises(HfHubHTTPError, match="404"):
        InferenceClient(f"{server.address}/models/nope").text_classification("good")


# openai


@pytest.fixture
def openai_client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_openai_gets_the_library_s_vectors(
    openai_client: openai.OpenAI, encoder: Encoder, options: dict[str, Any]
) -> None:
    answer = openai_client.embeddings.create(model="sst2-mini", input=TEXTS, **options)
    vectors = [each.embedding for each in answer.data]
    if options.get("encoding_format") == "base64":
        import base64

        vectors = [np.frombuffer(base64.b64decode(vector), "<f4") for vector in vectors]  # type: ignore[misc, arg-type]
    np.testing.assert_array_equal(np.array(vectors, np.float32), encoder.embed(TEXTS))
    assert [each.index for each in answer.data] == [0, 1, 2, 3]
    assert answer.model == "sst2-mini"
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > len(TEXTS) * 2


def test_openai_embeds_a_lone_text(openai_client: openai.OpenAI, encoder: Encoder) -> None:
    answer = openai_client.embeddings.create(model="sst2-mini", input="good")
    np.testing.assert_array_equal(np.array(answer.data[0].embedding, np.float32), encoder.embed(["good"])[0])


def test_openai_takes_its_model_by_name(openai_client: openai.OpenAI) -> None:
    answer = openai_client.embeddings.create(model="tiny", input="good", dimensions=32)
    assert len(answer.data[0].embedding) == 32
    assert [model.id for model in openai_client.models.list()] == ["sst2-mini", "tiny"]
    assert openai_client.models.retrieve("tiny").id == "tiny"
    with pytest.raises(openai.NotFoundError, match="no model 'gpt'"):
        openai_client.models.retrieve("gpt")


def test_openai_raises_its_own_errors(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no model 'gpt'"):
        openai_client.embeddings.create(model="gpt", input="good")
    with pytest.raises(openai.UnprocessableEntityError, match="384 dimensions, not 7"):
        openai_client.embeddings.create(model="sst2-mini", input="good", dimensions=7)


# tritonclient


@pytest.fixture
def triton(server: Server) -> Iterator[tritonclient.http.InferenceServerClient]:
    client = tritonclient.http.InferenceServerClient(server.address.removeprefix("http://"))
    yield client
    client.close()


def text_input(texts: list[str], shape: list[int] | None = None, *, binary: bool = True) -> Any:
    tensor = tritonclient.http.InferInput("text", shape or [len(texts)], "BYTES")
    array = np.array([text.encode() for text in texts], np.object_).reshape(shape or [len(texts)])
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def test_triton_finds_the_server_and_its_models(triton: tritonclient.http.InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("sst2-mini")
    assert triton.get_server_metadata()["name"] == "torchless"
    metadata = triton.get_model_metadata("tiny", "1")
    assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert metadata["outputs"][1] == {"name": "scores", "datatype": "FP32", "shape": [-1, 3]}


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_triton_gets_the_library_s_answers(
    triton: tritonclient.http.InferenceServerClient,
    classifier: Classifier,
    encoder: Encoder,
    binary_in: bool,
    binary_out: bool,
) -> None:
    names = ("label", "scores", "logits", "embedding")
    outputs = [tritonclient.http.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    inputs = [text_input(TEXTS, binary=binary_in)]
    answer = triton.infer("sst2-mini", inputs, outputs=outputs, request_id="7")
    labels = [np.asarray(label) for label in answer.as_numpy("label")]
    assert [str(label.item().decode() if binary_out else label.item()) for label in labels] == [
        best.label for best in classifier.predict(TEXTS)
    ]
    np.testing.assert_array_equal(answer.as_numpy("scores"), classifier.scores(TEXTS))
    np.testing.assert_array_equal(answer.as_numpy("logits"), classifier.logits(TEXTS))
    np.testing.assert_array_equal(answer.as_numpy("embedding"), encoder.embed(TEXTS))
    assert answer.get_response()["id"] == "7"


def test_triton_asks_for_nothing_in_particular(
    triton: tritonclient.http.InferenceServerClient, classifier: Classifier
) -> None:
    answer = triton.infer("sst2-mini", [text_input(["good", "bad"], [2, 1])])
    assert answer.as_numpy("label").tolist() == [b"POSITIVE", b"NEGATIVE"]
    np.testing.assert_array_equal(answer.as_numpy("scores"), classifier.scores(["good", "bad"]))


def test_triton_asks_for_the_best_classes(triton: tritonclient.http.InferenceServerClient) -> None:
    best = tritonclient.http.InferRequestedOutput("scores", class_count=1)
    answer = triton.infer("sst2-mini", [text_input(["good"])], outputs=[best])
    value, index, label = answer.as_numpy("scores")[0, 0].decode().split(":")
    assert (index, label) == ("1", "POSITIVE")
    assert float(value) > 0.9


def test_triton_is_told_what_is_wrong(triton: tritonclient.http.InferenceServerClient) -> None:
    wrong = tritonclient.http.InferInput("text", [1], "FP32")
    wrong.set_data_from_numpy(np.zeros(1, np.float32))
    with pytest.raises(InferenceServerException, match="expected BYTES"):
        triton.infer("sst2-mini", [wrong])
    with pytest.raises(InferenceServerException, match="no model 'nope'"):
        triton.infer("nope", [text_input(["good"])])
