"""`python -m campaign` is the `campaign` command."""

from campaign.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
