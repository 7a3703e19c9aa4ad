"""Twilio's REST API, TwiML and signatures, and nothing else."""
