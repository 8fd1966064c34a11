"""The short way of logins and packets through asyncssh."""
