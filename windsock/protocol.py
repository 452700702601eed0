"""What client and server must spell alike."""

WARNING_HEADER = "X-Windsock-Warning"
