"""`torchless.package.package`, as docs/hub.md names it; the code is in shipping/package.py."""

from .shipping.package import package as package
