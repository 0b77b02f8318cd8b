"""Word error rate."""

import re


def word_error_rate(said: str, heard: str) -> float:
    """Edits of words that turn `heard` into `said`, per word said. Case and signs do not count."""
    reference, hypothesis = (re.findall(r"[\w']+", text.lower()) for text in (said, heard))
    row = list(range(len(hypothesis) + 1))
    for i, word in enumerate(reference, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(hypothesis, 1):
            previous, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, previous + (word != other)),
            )
    return row[-1] / len(reference)
