// SPDX-License-Identifier: MIT
// A STAND-IN for Lido's wstETH, not its code: no package ships it, so this has its interface and published arithmetic.
pragma solidity 0.8.27;

interface IGrowing {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function getSharesByPooledEth(uint256 amount) external view returns (uint256);
    function getPooledEthByShares(uint256 amount) external view returns (uint256);
}

/// A token whose balance stands, one unit for a share of the token whose balance grows.
contract WstEthStandIn {
    string public constant name = "Stand-in for wrapped liquid staked Ether";
    string public constant symbol = "wstETH";
    uint8 public constant decimals = 18;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    address public immutable stETH;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor(address growing) {
        stETH = growing;
    }

    function wrap(uint256 amount) external returns (uint256 made) {
        require(amount > 0, "ZERO");
        made = IGrowing(stETH).getSharesByPooledEth(amount);
        totalSupply += made;
        balanceOf[msg.sender] += made;
        emit Transfer(address(0), msg.sender, made);
        IGrowing(stETH).transferFrom(msg.sender, address(this), amount);
    }

    function unwrap(uint256 amount) external returns (uint256 given) {
        require(amount > 0, "ZERO");
        given = IGrowing(stETH).getPooledEthByShares(amount);
        balanceOf[msg.sender] -= amount;
        totalSupply -= amount;
        emit Transfer(msg.sender, address(0), amount);
        IGrowing(stETH).transfer(msg.sender, given);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        return move(from, to, amount);
    }

    function move(address from, address to, uint256 amount) private returns (bool) {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
        return true;
    }
}
