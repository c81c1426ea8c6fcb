// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626, IERC20} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// OpenZeppelin's vault as it is, made concrete for tests: an offset, a cap, and assets that lie elsewhere. Anybody may set the last
/// two, and rob it.
contract PlainVault is ERC4626 {
    uint8 private immutable offset;
    uint256 private cap = type(uint256).max;
    uint256 private elsewhere;

    constructor(IERC20 asset_, uint8 offset_) ERC20("Plain vault", "PV") ERC4626(asset_) {
        offset = offset_;
    }

    function setCap(uint256 cap_) external {
        cap = cap_;
    }

    function setElsewhere(uint256 elsewhere_) external {
        elsewhere = elsewhere_;
    }

    function lose(uint256 assets) external {
        require(IERC20(asset()).transfer(msg.sender, assets));
    }

    function totalAssets() public view override returns (uint256) {
        return super.totalAssets() + elsewhere;
    }

    function maxDeposit(address) public view override returns (uint256) {
        if (cap == type(uint256).max) return cap;
        return cap > totalAssets() ? cap - totalAssets() : 0;
    }

    function _decimalsOffset() internal view override returns (uint8) {
        return offset;
    }
}
