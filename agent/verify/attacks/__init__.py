"""Catalogues of attacks, bound to the real wallet: read strictly, run without their answers, scored by them."""
