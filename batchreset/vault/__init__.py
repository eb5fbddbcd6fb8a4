"""Passwords: made, sealed, opened. The only room that sees a plain one."""
