"""The course's networks; each file is one idea and imports torch and the course's own blocks only."""
