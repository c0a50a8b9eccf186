"""What callers hand in, to tokens: texts, pairs, files of them, and windows over long ones."""
