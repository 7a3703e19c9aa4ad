"""Everything that is said to Twilio over HTTP, and the check of what Twilio says to us.

gateway places and looks up calls, twiml writes the answers to its requests, signature verifies those
requests, addresses names our own doors. The only floor that knows the twilio library.
"""
