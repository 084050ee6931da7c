"""Schema migrations. Each is an expand: the version before it keeps working while and after it runs."""
