"""The shell that runs over a tape. It can construct no signer and opens no connection."""
