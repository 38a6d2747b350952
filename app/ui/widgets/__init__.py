"""The parts of the window. Each shows a view model and hands on what the user does."""
