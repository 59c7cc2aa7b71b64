"""Names and facts by rules: what the graph is made of when there is no model."""

from memkit.components.hipporag.rules.reading import asked, extract

__all__ = ["asked", "extract"]
