"""What a user runs from a shell: the command line, reports, the catalogue for a reader."""
