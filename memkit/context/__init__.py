"""What goes into a prompt: which hits fit, in which order, and how they are quoted."""

from memkit.context.pack import Dropped
from memkit.context.prompt import Context, Messages
from memkit.context.recall import Recall
from memkit.context.tokens import estimate

__all__ = ["Context", "Dropped", "Messages", "Recall", "estimate"]
