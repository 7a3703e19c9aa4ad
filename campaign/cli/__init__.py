"""The commands. No business rules here."""
