"""One file a published vector file, by its stem: `GROUPS` names its groups and computes what each case's outcome must be.

A runner gets a case without its outcome, and of a trajectory's steps their inputs only. It answers with the keys the outcome has,
or raises ProtocolError where the contract reverts."""
