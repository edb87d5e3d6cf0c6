"""The claims of speed and accuracy, measured in one run: `python -m bench`. Not tests: nothing passes or fails."""
