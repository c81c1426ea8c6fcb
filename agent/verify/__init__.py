"""The published catalogues against the real system. It reads and compares; it holds no key and reaches no network."""
