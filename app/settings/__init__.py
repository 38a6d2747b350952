"""What can be chosen, and where things are on this machine. Read ``model.py`` first."""
