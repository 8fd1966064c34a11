"""Commands for programs that speak to an app server themselves."""
