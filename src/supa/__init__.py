"""supa: a virtual BR100 and an open BIRENSUPA stack.

This module is a face only: it imports nothing heavy, so that `import supa` stays fast. The floors are described in
ARCHITECTURE.md.
"""

__version__ = "0.1.0"
