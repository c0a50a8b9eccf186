"""Taggers: files of tagged text, the entities that tags stand for, and what a variant changes of them."""
