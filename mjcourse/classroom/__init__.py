"""For whoever grades: hand-ins run in a closed room, are mended first, and reported. See docs/classroom.md.

`room` shuts code in, `inside` runs a notebook in there, `mend` puts back what was edited or deleted, `steps` hands all
three to nbgrader, `report` says what happened to whom. No learner needs any of it.
"""
