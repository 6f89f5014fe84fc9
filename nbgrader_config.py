"""How nbgrader sees this course: solutions/ is the source, exercises/ what is handed out.

See docs/exercises.md for those who write exercises and docs/classroom.md for those who grade.
"""

import os

c = get_config()  # noqa: F821  nbgrader gives it

c.CourseDirectory.course_id = "mjcourse"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.ClearSolutions.code_stub = {"python": "# Your code here, in place of the next line.\nraise NotImplementedError()"}

# Hand-ins are code of others: nbgrader's own steps, with ours in front and in place of its Execute, which runs them
# as whoever grades. `--Isolated.least=user` or `none` accepts less isolation.
BEFORE = ("ClearOutput", "DeduplicateIds", "OverwriteKernelspec", "OverwriteCells", "CheckCellMetadata")
AFTER = ("IgnorePattern", "LimitOutput", "SaveAutoGrades", "AssignLatePenalties", "CheckCellMetadata")
c.Autograde.sanitize_preprocessors = ["mjcourse.classroom.steps.Mend", *(f"nbgrader.preprocessors.{x}" for x in BEFORE)]
c.Autograde.autograde_preprocessors = [
    "mjcourse.classroom.steps.Isolated", *(f"nbgrader.preprocessors.{x}" for x in AFTER),
]  # fmt: skip
c.ExecutePreprocessor.timeout = 60  # seconds a cell of a hand-in may take; then it is interrupted

os.environ["MJCOURSE_PROGRESS"] = "off"  # hand-ins that are graded here are not the teacher's own progress
