// SPDX-License-Identifier: MIT
// A STAND-IN for Lido's stETH, not its code: no package ships it, so this has its interface and published arithmetic.
pragma solidity 0.8.27;

interface IQueue {
    function finalize(uint256 lastId, uint256 maxShareRate) external payable;
    function prefinalize(uint256 lastId, uint256 maxShareRate) external view returns (uint256 etherToLock, uint256 sharesToBurn);
}

/// Ether goes in, shares come out, and a report moves what a share is worth. All ether stays here: there are no validators,
/// and the oracle, the burner and the fee's recipients are one governor who calls `report`.
contract StEthStandIn {
    string public constant name = "Stand-in for liquid staked Ether";
    string public constant symbol = "stETH";
    uint8 public constant decimals = 18;
    uint256 private constant PRECISION = 1e20;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event TransferShares(address indexed from, address indexed to, uint256 sharesValue);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    error Unauthorized();

    struct StakeLimit {
        uint256 max; // zero: unlimited
        uint256 perBlock;
        uint256 previous;
        uint256 previousBlock;
    }

    address public immutable governor;
    address public queue;
    bool public isStopped;
    bool public isStakingPaused;
    StakeLimit private limit;
    uint256 private internalEther;
    uint256 private totalShares;
    uint256 private externalShares;
    mapping(address => uint256) private shares;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor() {
        governor = msg.sender;
    }

    modifier governed() {
        if (msg.sender != governor) revert Unauthorized();
        _;
    }

    // What the governor, the oracle and the vaults decide.

    function begin(address made) external payable governed {
        queue = made;
        internalEther = msg.value;
        mintShares(address(0xdead), msg.value); // so that no total is ever zero
    }

    function stop() external governed {
        (isStopped, isStakingPaused) = (true, true);
    }

    function resume() external governed {
        (isStopped, isStakingPaused) = (false, false);
        limit.previousBlock = block.number;
    }

    function pauseStaking() external governed {
        isStakingPaused = true;
    }

    function setStakingLimit(uint256 max, uint256 perBlock) external governed {
        uint256 previous = limit.max == 0 || max < limit.previous ? max : limit.previous;
        limit = StakeLimit(max, perBlock, previous, block.number);
    }

    function removeStakingLimit() external governed {
        limit.max = 0;
    }

    function mintExternalShares(address to, uint256 amount) external governed {
        externalShares += amount;
        mintShares(to, amount);
    }

    /// What a day brought, what is met at which rate, other shares to burn (the governor's), and the fee as a part of 1e20.
    function report(int256 rewards, uint256 lastId, uint256 maxShareRate, uint256 burnt, uint256 fee) external payable governed {
        require(rewards <= 0 || msg.value == uint256(rewards), "REWARDS");
        uint256 etherToLock;
        uint256 sharesToBurn;
        if (lastId != 0) {
            (etherToLock, sharesToBurn) = IQueue(queue).prefinalize(lastId, maxShareRate);
            IQueue(queue).finalize{value: etherToLock}(lastId, maxShareRate);
            shares[queue] -= sharesToBurn;
        }
        shares[governor] -= burnt;
        sharesToBurn += burnt;
        uint256 etherAfter = uint256(int256(internalEther) + rewards) - etherToLock;
        uint256 feeShares;
        if (rewards > 0) {
            uint256 taken = uint256(rewards) * fee;
            feeShares = taken * (internalShares() - sharesToBurn) / (etherAfter * PRECISION - taken);
        }
        totalShares -= sharesToBurn;
        internalEther = etherAfter;
        mintShares(governor, feeShares);
    }

    // What anyone may ask.

    function totalSupply() external view returns (uint256) {
        return getTotalPooledEther();
    }

    function getTotalPooledEther() public view returns (uint256) {
        return internalEther + getExternalEther();
    }

    function getExternalEther() public view returns (uint256) {
        return externalShares * internalEther / internalShares();
    }

    function getTotalShares() external view returns (uint256) {
        return totalShares;
    }

    function getExternalShares() external view returns (uint256) {
        return externalShares;
    }

    function sharesOf(address account) external view returns (uint256) {
        return shares[account];
    }

    function balanceOf(address account) external view returns (uint256) {
        return getPooledEthByShares(shares[account]);
    }

    function getSharesByPooledEth(uint256 amount) public view returns (uint256) {
        require(amount < type(uint128).max, "ETH_TOO_LARGE");
        return amount * internalShares() / internalEther;
    }

    function getPooledEthByShares(uint256 amount) public view returns (uint256) {
        require(amount < type(uint128).max, "SHARES_TOO_LARGE");
        return amount * internalEther / internalShares();
    }

    function getCurrentStakeLimit() public view returns (uint256) {
        if (isStakingPaused) return 0;
        if (limit.max == 0) return type(uint256).max;
        uint256 grown = limit.previous + (block.number - limit.previousBlock) * limit.perBlock;
        return grown < limit.max ? grown : limit.max;
    }

    // What an account does.

    function submit(address) external payable returns (uint256 made) {
        require(msg.value != 0, "ZERO_DEPOSIT");
        require(!isStakingPaused, "STAKING_PAUSED");
        if (limit.max != 0) {
            uint256 current = getCurrentStakeLimit();
            require(msg.value <= current, "STAKE_LIMIT");
            (limit.previous, limit.previousBlock) = (current - msg.value, block.number);
        }
        made = getSharesByPooledEth(msg.value);
        internalEther += msg.value;
        mintShares(msg.sender, made);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        setAllowance(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) {
            require(allowed >= amount, "ALLOWANCE_EXCEEDED");
            setAllowance(from, msg.sender, allowed - amount);
        }
        move(from, to, amount);
        return true;
    }

    // How it does it.

    /// An amount moves as many whole shares as it is worth, rounded down.
    function move(address from, address to, uint256 amount) private {
        uint256 moved = getSharesByPooledEth(amount);
        require(to != address(0) && to != address(this), "TRANSFER_TO");
        require(!isStopped, "CONTRACT_IS_STOPPED");
        require(moved <= shares[from], "BALANCE_EXCEEDED");
        shares[from] -= moved;
        shares[to] += moved;
        emit Transfer(from, to, amount);
        emit TransferShares(from, to, moved);
    }

    function mintShares(address to, uint256 amount) private {
        totalShares += amount;
        shares[to] += amount;
        emit Transfer(address(0), to, amount * internalEther / internalShares());
        emit TransferShares(address(0), to, amount);
    }

    function setAllowance(address owner, address spender, uint256 amount) private {
        allowance[owner][spender] = amount;
        emit Approval(owner, spender, amount);
    }

    function internalShares() private view returns (uint256) {
        return totalShares - externalShares;
    }
}
