"""Files become a directory, all or nothing."""
