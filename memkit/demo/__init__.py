"""What `memkit demo` remembers and asks: a book, a conversation of two weeks, and a tour through both.

It prints nothing: `memkit.commands.demo` shows what the tour finds.
"""

from memkit.demo.story import BOAT, BOOK, PUBLISHED, chapters, turns
from memkit.demo.tour import Asked, Erased, Held, Packed, Question, Scene, tour

__all__ = [
    "BOAT",
    "BOOK",
    "PUBLISHED",
    "Asked",
    "Erased",
    "Held",
    "Packed",
    "Question",
    "Scene",
    "chapters",
    "tour",
    "turns",
]
