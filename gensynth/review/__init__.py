"""A person looks: `gensynth review RUN` shows synthetic rows beside real ones and keeps what is said in review.csv.

With `blind=true` real and synthetic rows are mixed and the question is which is which; answers go to review_blind.csv.
"""

from __future__ import annotations


def review(given: list[str]) -> None:
    """Serve the page until a signal comes: `review RUN port=0 open=true blind=false n=200`."""
    from gensynth.review.session import serve

    serve(given)
