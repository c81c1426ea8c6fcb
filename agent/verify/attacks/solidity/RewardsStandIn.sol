// SPDX-License-Identifier: MIT
// A STAND-IN for Aave's RewardsController: what has accrued is set and not earned.
pragma solidity 0.8.27;

interface IPaid {
    function transfer(address to, uint256 amount) external returns (bool);
}

contract RewardsStandIn {
    address[] private tokens;
    uint256 private since;
    mapping(address => mapping(address => uint256)) private accrued;

    function list(address token) external {
        tokens.push(token);
        since = block.timestamp;
    }

    function accrue(address user, address token, uint256 amount) external {
        accrued[user][token] = amount;
    }

    /// Nothing is given any more: no index ever moves.
    function getRewardsData(address, address) external view returns (uint256, uint256, uint256, uint256) {
        return (0, 0, since, 0);
    }

    function getAssetIndex(address, address) external pure returns (uint256, uint256) {
        return (0, 0);
    }

    function getUserAssetIndex(address, address, address) external pure returns (uint256) {
        return 0;
    }

    function getRewardsList() external view returns (address[] memory) {
        return tokens;
    }

    function getRewardsByAsset(address) external view returns (address[] memory) {
        return tokens;
    }

    function getUserRewards(address[] calldata, address user, address reward) external view returns (uint256) {
        return accrued[user][reward];
    }

    function getAllUserRewards(address[] calldata, address user) external view returns (address[] memory, uint256[] memory) {
        uint256[] memory amounts = new uint256[](tokens.length);
        for (uint256 i = 0; i < tokens.length; i++) amounts[i] = accrued[user][tokens[i]];
        return (tokens, amounts);
    }

    function claimAllRewards(address[] calldata, address to) external returns (address[] memory, uint256[] memory) {
        require(to != address(0));
        uint256[] memory amounts = new uint256[](tokens.length);
        for (uint256 i = 0; i < tokens.length; i++) amounts[i] = pay(tokens[i], type(uint256).max, to);
        return (tokens, amounts);
    }

    function claimRewards(address[] calldata, uint256 amount, address to, address reward) external returns (uint256) {
        require(to != address(0));
        return pay(reward, amount, to);
    }

    function pay(address token, uint256 most, address to) private returns (uint256 paid) {
        paid = accrued[msg.sender][token] < most ? accrued[msg.sender][token] : most;
        accrued[msg.sender][token] -= paid;
        if (paid != 0) require(IPaid(token).transfer(to, paid));
    }
}
