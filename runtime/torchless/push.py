"""`torchless.push.push`, as docs/hub.md names it; the code is in shipping/push.py."""

from .shipping.push import push as push
