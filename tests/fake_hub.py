"""A Hub on this machine: as much of its HTTP interface as huggingface_hub 0.30 to 2.x asks for, kept in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

TOKENS = {"hf_someone": "someone", "hf_nobody": "nobody"}
BIG = 10_000  # bytes; from there on a file is uploaded as LFS


@dataclass
class Repository:
    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        """Add files on top of what a branch has."""
        files = {**self.commits.get(self.branches.get(branch, ""), {}), **files}
        sha = hashlib.sha1(repr((len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        return sha


class FakeHub(ThreadingHTTPServer):
    """Serves while it is open.

    Attributes:
        repositories: by org/name.
        asked: every request so far, as "METHOD /path".
        headers: of the answers to /resolve/, beside its own.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repositories: dict[str, Repository] = defaultdict(Repository)
        self.asked: list[str] = []
        self.uploads: dict[str, bytes] = {}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def add(self, name: str, folder: Path, branch: str = "main") -> str:
        """Commit all files of a folder."""
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return self.repositories[name].commit(files, branch)

    def downloads(self) -> list[str]:
        """The names of all files that were sent, sorted."""
        return sorted(found[1] for path in self.asked if (found := re.match("GET /.*/resolve/[^/]+/(.*)", path)))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeHub

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, body: Any = b"", **headers: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _refuse(self, status: int, code: str = "", message: str = "") -> None:
        headers = {"X-Error-Code": code} if code else {}
        self._answer(status, {"error": message or code}, **headers, **{"X-Error-Message": message or code})

    def _any(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        self.user = TOKENS.get(token) if scheme == "Bearer" else None
        for method, pattern, answer in _ROUTES:
            if method == self.command.replace("HEAD", "GET") and (found := re.fullmatch(pattern, path)):
                answer(self, body, *(unquote(group) if group else group for group in found.groups()))
                return
        self._refuse(404, message=f"the fake Hub has no {self.command} {path}")

    do_GET = do_HEAD = do_POST = do_PUT = _any  # noqa: N815

    def _repository(self, name: str) -> Repository | None:
        repository = self.server.repositories.get(name)
        mine = self.user == name.partition("/")[0]
        if repository is None or (repository.private and not mine):
            self._refuse(404 if self.user else 401, "RepoNotFound")
        elif repository.gated and not mine:
            self._refuse(403, "GatedRepo")
        else:
            return repository
        return None

    def _commit_of(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        repository = self._repository(name)
        if repository is None:
            return None
        sha = repository.branches.get(revision, revision)
        if sha not in repository.commits:
            self._refuse(404, "RevisionNotFound")
            return None
        return sha, repository.commits[sha]

    def _may_write(self, name: str) -> bool:
        if self.user is None:
            self._refuse(401, message="Invalid username or password.")
        elif self.user != name.partition("/")[0]:
            self._refuse(403, message="You don't have the rights to write there")
        else:
            return True
        return False

    def info(self, _: bytes, name: str, revision: str | None) -> None:
        if found := self._commit_of(name, revision or "main"):
            siblings = [{"rfilename": file} for file in found[1]]
            private = self.server.repositories[name].private
            self._answer(200, {"id": name, "sha": found[0], "siblings": siblings, "private": private, "tags": []})

    def tree(self, _: bytes, name: str, revision: str) -> None:
        if found := self._commit_of(name, revision):
            oids = {file: hashlib.sha1(data).hexdigest() for file, data in found[1].items()}
            self._answer(
                200,
                [{"type": "file", "path": f, "size": len(data), "oid": oids[f]} for f, data in found[1].items()],
            )

    def file(self, _: bytes, name: str, revision: str, file: str) -> None:
        if not (found := self._commit_of(name, revision)):
            return
        sha, files = found
        if file not in files:
            self._refuse(404, "EntryNotFound")
            return
        data = files[file]
        headers = {"X-Repo-Commit": sha, "ETag": f'"{hashlib.sha1(data).hexdigest()}"'}
        if len(data) >= BIG:
            headers |= {"X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Linked-Size": str(len(data))}
        self._answer(200, data, **headers)

    def create(self, body: bytes) -> None:
        fields = json.loads(body)
        name = f"{fields['organization']}/{fields['name']}"
        if self._may_write(name):
            known = name in self.server.repositories
            if not known:
                private = fields.get("private") or fields.get("visibility") == "private"
                self.server.repositories[name] = Repository(private=bool(private))
                self.server.repositories[name].commit({".gitattributes": b""})
            self._answer(409 if known else 200, {"url": f"{self.server.url}/{name}"})

    def branch(self, _: bytes, name: str, branch: str) -> None:
        if self._may_write(name) and (repository := self._repository(name)):
            known = branch in repository.branches
            repository.branches.setdefault(branch, repository.branches["main"])
            self._answer(409 if known else 200, {})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if self._may_write(name) and self._commit_of(name, revision):
            modes = [
                {"path": f["path"], "uploadMode": "lfs" if f["size"] >= BIG else "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            self._answer(200, {"files": modes})

    def batch(self, body: bytes, _: str) -> None:
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.server.url}/lfs/{each['oid']}"}}}
            for each in json.loads(body)["objects"]
        ]
        self._answer(200, {"transfer": "basic", "objects": objects})

    def upload(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.server.uploads[oid] = body
        self._answer(200)

    def commit(self, body: bytes, name: str, branch: str) -> None:
        if not (self._may_write(name) and (repository := self._repository(name))):
            return
        files = {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.uploads[value["oid"]]
        sha = repository.commit(files, branch)
        self._answer(200, {"commitUrl": f"{self.server.url}/{name}/commit/{sha}", "commitOid": sha})

    def validate(self, _: bytes) -> None:
        self._answer(200, {"errors": [], "warnings": []})


_ID, _END = "([^/]+/[^/]+)", "(.+)"
_ROUTES = [
    ("GET", f"/api/models/{_ID}(?:/revision/{_END})?", _Handler.info),
    ("GET", f"/api/models/{_ID}/tree/{_END}", _Handler.tree),
    ("GET", f"/{_ID}/resolve/([^/]+)/{_END}", _Handler.file),
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", f"/api/models/{_ID}/branch/{_END}", _Handler.branch),
    ("POST", f"/api/models/{_ID}/preupload/{_END}", _Handler.preupload),
    ("POST", f"/{_ID}.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", "/lfs/([0-9a-f]+)", _Handler.upload),
    ("POST", f"/api/models/{_ID}/commit/{_END}", _Handler.commit),
    ("POST", "/api/validate-yaml", _Handler.validate),
]
