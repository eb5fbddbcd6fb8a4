"""Who is signed in, and the token that says so."""
