"""What a repository brings into a thread: looked at, asked about, and put in force or not."""
