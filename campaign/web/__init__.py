"""The front doors: HTTP API, Twilio's webhooks, the conversation's WebSocket."""
