"""One file per dialect; a request's path alone decides which one it speaks."""

from .cohere import COHERE
from .huggingface import HUGGINGFACE
from .openai import OPENAI
from .openinference import OPEN_INFERENCE
from .tei import TEI
from .torchless import TORCHLESS
from .vllm import VLLM

DIALECTS = (TEI, HUGGINGFACE, VLLM, OPENAI, OPEN_INFERENCE, COHERE, TORCHLESS)
