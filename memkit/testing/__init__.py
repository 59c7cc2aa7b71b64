"""What users test their own parts of a memory with: contract suites for stores and components, and small real fakes."""
