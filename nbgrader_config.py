"""How nbgrader sees this course: solutions/ is the source, exercises/ what is handed out. See docs/exercises.md."""

import os

c = get_config()  # noqa: F821  nbgrader gives it

c.CourseDirectory.course_id = "mjcourse"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.ClearSolutions.code_stub = {"python": "# Your code here, in place of the next line.\nraise NotImplementedError()"}
c.ExecutePreprocessor.timeout = 60  # seconds a cell of a hand-in may take; then it is interrupted

os.environ["MJCOURSE_PROGRESS"] = "off"  # hand-ins that are graded here are not the teacher's own progress
