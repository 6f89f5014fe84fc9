"""The studio: from a prompt to pictures on disk, on the command line and in the notebook."""
