// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// A stand-in for vaults of Solmate's kind: no virtual shares, nothing given for nothing, products within 256 bits, and limits that
/// lie: they say zero and nobody asks them. Anybody may set what lies elsewhere, and rob it.
contract SavingsVault is ERC20 {
    IERC20 public immutable asset;
    uint256 private elsewhere;

    constructor(IERC20 asset_) ERC20("Savings vault", "SV") {
        asset = asset_;
    }

    function setElsewhere(uint256 elsewhere_) external {
        elsewhere = elsewhere_;
    }

    function lose(uint256 assets) external {
        require(asset.transfer(msg.sender, assets));
    }

    function totalAssets() public view returns (uint256) {
        return asset.balanceOf(address(this)) + elsewhere;
    }

    function maxDeposit(address) external pure returns (uint256) {
        return 0;
    }

    function previewDeposit(uint256 assets) public view returns (uint256) {
        return totalSupply() == 0 ? assets : (assets * totalSupply()) / totalAssets();
    }

    function previewMint(uint256 shares) public view returns (uint256) {
        return totalSupply() == 0 ? shares : quotientUp(shares * totalAssets(), totalSupply());
    }

    function previewWithdraw(uint256 assets) public view returns (uint256) {
        return totalSupply() == 0 ? assets : quotientUp(assets * totalSupply(), totalAssets());
    }

    function previewRedeem(uint256 shares) public view returns (uint256) {
        return totalSupply() == 0 ? shares : (shares * totalAssets()) / totalSupply();
    }

    function deposit(uint256 assets, address receiver) external returns (uint256 shares) {
        shares = previewDeposit(assets);
        require(shares != 0);
        require(asset.transferFrom(msg.sender, address(this), assets));
        _mint(receiver, shares);
    }

    function withdraw(uint256 assets, address receiver, address owner) external returns (uint256 shares) {
        shares = previewWithdraw(assets);
        leave(shares, assets, receiver, owner);
    }

    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 assets) {
        assets = previewRedeem(shares);
        require(assets != 0);
        leave(shares, assets, receiver, owner);
    }

    function leave(uint256 shares, uint256 assets, address receiver, address owner) private {
        require(msg.sender == owner);
        _burn(owner, shares);
        require(asset.transfer(receiver, assets));
    }

    function quotientUp(uint256 product, uint256 divisor) private pure returns (uint256) {
        return product / divisor + (product % divisor == 0 ? 0 : 1);
    }
}
