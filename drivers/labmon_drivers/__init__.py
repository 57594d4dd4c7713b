"""The drivers that labmon ships: a module each, named in the configuration as `driver: NAME`."""
