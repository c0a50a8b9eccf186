"""A real Ray cluster on this machine, of several processes; scripts of their own, so that nothing of Ray stays here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not find_spec("ray"), reason="ray is not installed")
ROWS = 200

PREAMBLE = """
import json, os, signal, sys
from pathlib import Path
import torchless.bulk.chunks
torchless.bulk.chunks.MOST_ROWS = 10
from torchless.bulk.answering import Here
from torchless.bulk.classify import Classify
from torchless.bulk.cluster import Cluster, ray
from torchless.bulk.job import Job
from torchless.bulk.questions import Model
from torchless.bulk.run import run
folder, tiny = Path(sys.argv[1]), sys.argv[2]
ray("a test").init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)

def job(name):
    return Job(str(folder / "in.csv"), str(folder / name), Classify(Model(tiny)))
"""


def ran(tiny: Path, tmp_path: Path, script: str) -> str:
    lines = [
        f"{row},{'' if row % 7 else 'a'} text number {row}" + (",bad" if row % 50 == 9 else "") for row in range(ROWS)
    ]
    (tmp_path / "in.csv").write_text("\n".join(["id,text", *lines]) + "\n")
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + script, str(tmp_path), str(tiny)],
        capture_output=True,
        text=True,
        timeout=300,
        env={name: value for name, value in os.environ.items() if name != "RAY_USAGE_STATS_ENABLED"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_processes_answer_as_one(tiny: Path, tmp_path: Path) -> None:
    """One of them is killed after the first chunk: nothing is lost, and nothing is there twice."""
    script = """
killed = []
class Killing:
    def __init__(self, actors): self.actors = actors
    def answers(self, chunks):
        for number, answers in enumerate(self.actors.answers(chunks)):
            if number == 0:
                killed.append(self.actors.processes[0])
                os.kill(killed[0], signal.SIGKILL)
            yield answers

cluster = Cluster("local", 2)
cluster._connected = True
done = run(job("ray.csv"), lambda question: Killing(cluster.answering(question)), "Ray")
run(job("here.csv"), Here)
print(json.dumps([done.totals.rows, done.totals.problems, len(killed), os.environ["RAY_USAGE_STATS_ENABLED"]]))
"""
    lines = ran(tiny, tmp_path, script).splitlines()  # Ray's own lines are among them
    found = json.loads(next(line for line in lines if line.startswith("[")))
    assert found == [ROWS, 4, 1, "0"]
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
    assert (tmp_path / "ray.csv.errors.jsonl").read_bytes() == (tmp_path / "here.csv.errors.jsonl").read_bytes()


@pytest.mark.skipif(not find_spec("pandas") or not find_spec("pyarrow"), reason="ray[data] is not installed")
def test_a_data_set_is_answered_row_for_row(tiny: Path, tmp_path: Path) -> None:
    script = """
import ray.data, pyarrow
from torchless import Classifier, Encoder
from torchless.ray import classify, embed
texts = [None if row % 9 == 4 else f"text number {row}" for row in range(200)]
table = pyarrow.table({"id": range(200), "text": texts})
data = ray.data.from_arrow([table.slice(start, 20) for start in range(0, 200, 20)])

def rows(data):
    return [row for block in ray.get(data.to_arrow_refs()) for row in block.to_pylist()]

found = rows(classify(data, tiny, error_column="why", batch_size=20, concurrency=1))
best = iter(Classifier.load(tiny).predict([text for text in texts if text is not None]))
assert [row["id"] for row in found] == list(range(200))
for row in found:
    if row["text"] is None:
        assert (row["label"], row["why"]) == (None, "null")
    else:
        wanted = next(best)
        assert row["label"] == wanted.label and abs(row["score"] - wanted.score) < 1e-6
vectors = rows(embed(data, tiny, batch_size=20, concurrency=1, prefix="my_"))
wanted = Encoder.load(tiny).embed([texts[0]])[0]
assert abs(wanted - vectors[0]["my_embedding"]).max() < 1e-6 and vectors[4]["my_embedding"] is None
print("equal")
"""
    assert ran(tiny, tmp_path, script).splitlines().count("equal") == 1


def test_a_column_of_second_texts_is_refused_where_the_model_takes_single_texts(mini: Path) -> None:
    """Or no row would have an answer, and nothing would say so."""
    script = f"""
from torchless.errors import InputError
from torchless.ray import classify, embed
for call in (classify, embed):
    try:
        call(None, {str(mini)!r}, pair_column="b")
    except InputError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.count("sst2-mini takes single texts. Leave it out.") == 2


@pytest.mark.skipif(not find_spec("grpc") or not find_spec("starlette"), reason="ray[serve] is not installed")
def test_the_server_is_a_deployment(tiny: Path, tmp_path: Path) -> None:
    script = """
import urllib.request
from ray import serve
from torchless.ray import deployment
serve.run(deployment(tiny, num_cpus=0.5))
url, head = "http://127.0.0.1:8000/predict", {"Content-Type": "application/json"}
request = urllib.request.Request(url, b'{"inputs": "good"}', head)
print("labels:", len(json.load(urllib.request.urlopen(request))))
serve.shutdown()
"""
    assert ran(tiny, tmp_path, script).count("labels: 3") == 1


def test_nobody_at_the_address_is_one_line(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\ngood\n")
    for address, complaint in (
        ("127.0.0.1:1", "no Ray cluster answers there"),
        ("nonsense", "expected local, auto or HOST:PORT"),
    ):
        command = [sys.executable, "-m", "torchless", "predict", str(tiny), "--input", str(tmp_path / "in.csv")]
        command += ["--output", str(tmp_path / "out.csv"), "--ray", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert complaint in done.stderr
        assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
