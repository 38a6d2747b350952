"""One conversation as a file, and the program that holds it on another kind of machine."""
