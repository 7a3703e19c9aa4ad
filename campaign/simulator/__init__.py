"""Twilio on your own machine. Shares no code with the service it tests."""
