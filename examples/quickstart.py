"""The first five minutes: what each line prints stands behind it.

pip install . && python examples/quickstart.py
"""

from torchless import Classifier, Encoder, Windows
from torchless.errors import InputError

# Loading checks every file that is read. Load once, keep the object: it can be used from several threads.
classifier = Classifier.load("models/sst2-mini")
print(classifier.labels)  # ('NEGATIVE', 'POSITIVE')

# The best label of each text.
for prediction in classifier.predict(["I hate this so much", "What a delight"]):
    print(prediction.label, round(prediction.score, 2))
    # NEGATIVE 0.97
    # POSITIVE 0.98

# Every label of each text, best first; or all scores as an array, one row per text.
print([p.label for p in classifier.rank(["What a delight"])[0]])  # ['POSITIVE', 'NEGATIVE']
print(classifier.scores(["What a delight", "A waste of two hours"]).shape)  # (2, 2)

# A text longer than the model takes is cut, and its prediction says so; windows read all of it.
review = "The first hour drags. " * 100 + "But what a wonderful ending! " * 50
print(classifier.predict([review])[0].truncated)  # True
print(classifier.predict([review], windows=Windows(stride=64))[0].truncated)  # False

# The same weights without the head: one vector per text.
encoder = Encoder.load("models/sst2-mini")
film, near, far = encoder.embed(["A delightful film", "What a delight", "I hate this so much"], normalize=True)
print(film.shape, film @ near > film @ far)  # (384,) True

# What cannot be answered is an error that says what to do.
try:
    classifier.predict("What a delight")
except InputError as error:
    print(error)  # texts: expected a list of str, got a bare str. Pass [text].
