"""The shell of a host, and its app server: find, launch, talk."""
