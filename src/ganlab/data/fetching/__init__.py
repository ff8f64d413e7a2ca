"""Downloads and archives of published data sets."""
