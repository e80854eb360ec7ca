"""Files that say what is to be done: the plan of active learning, and phases in their order."""
