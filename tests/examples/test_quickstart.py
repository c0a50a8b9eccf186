"""examples/quickstart.py prints what its comments say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[2] / "examples" / "quickstart.py"


def test_it_prints_what_its_comments_say(run: Callable[..., Any]) -> None:
    # Behind each print stands what it prints; in a loop the lines stand below it.
    said = re.findall(r"print\(.*\)  # (.+)|^    # (.+)", SCRIPT.read_text(encoding="utf-8"), re.MULTILINE)
    done = run(SCRIPT)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [behind or below for behind, below in said]
