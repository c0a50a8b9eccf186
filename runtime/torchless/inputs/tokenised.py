"""The earlier place of `Tokenised`."""

from .tokens import Tokenised as Tokenised
