"""Small tools of every flow: time limits, portions, tasks side by side."""
