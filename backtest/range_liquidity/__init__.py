"""Liquidity in a Uniswap V3 price range, over a pool's minutes. Fees come by fee growth inside the range, own liquidity
counted in; refuses fees by volume share, decisions that see a minute before it is over, and money that was ever a float."""
