"""What speaks: the scripted agent and chat models behind one protocol."""
