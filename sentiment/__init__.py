"""The library the stages call: one concept a module, imported where it is used."""
