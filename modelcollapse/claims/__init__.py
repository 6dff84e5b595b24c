"""What the library claims, subject by subject: each claim holds a simulation against a theorem, and names the mistakes that it would catch."""
