"""A memory's graph for people and other programs: as networkx has it, as GraphML, a part of it, a picture.

graph = memory.graph()
neighbourhood(graph, "Lisbon")      # the part that is near a name
picture(graph, around="Lisbon")     # SVG; a notebook shows it
to_networkx(graph)                  # and back: from_networkx
write_graphml(graph, "graph.graphml")
"""

from memkit.graphs.around import neighbourhood
from memkit.graphs.graphml import write_graphml
from memkit.graphs.imported import Imported, from_networkx
from memkit.graphs.networks import to_networkx
from memkit.graphs.picture import Picture, picture

__all__ = ["Imported", "Picture", "from_networkx", "neighbourhood", "picture", "to_networkx", "write_graphml"]
