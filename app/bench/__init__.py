"""``bench turn``: conversations in virtual rooms, and how well turns are taken in them.

``sets.py`` says what happens in each of the ten sets, ``run.py`` lets it happen, ``score.py`` judges the logs
against exact labels, ``report.py`` compares with the targets. Knows no command line. Read ``sets.py`` first.
"""
