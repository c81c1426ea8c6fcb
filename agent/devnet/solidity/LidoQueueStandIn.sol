// SPDX-License-Identifier: MIT
// A STAND-IN for Lido's withdrawal queue, not its code: no package ships it, so this has its interface and published arithmetic.
pragma solidity 0.8.27;

interface IShares {
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function getSharesByPooledEth(uint256 amount) external view returns (uint256);
}

/// Places in a line, met in order by what the token's report sends. A place is nobody's token here: it cannot be given away.
contract LidoQueueStandIn {
    uint256 public constant MIN_STETH_WITHDRAWAL_AMOUNT = 100;
    uint256 public constant MAX_STETH_WITHDRAWAL_AMOUNT = 1000 ether;
    uint256 private constant RATE = 1e27;

    struct Place {
        uint128 cumulativeStEth;
        uint128 cumulativeShares;
        address owner;
        uint40 timestamp;
        bool claimed;
    }

    struct Checkpoint {
        uint256 fromId;
        uint256 maxShareRate;
    }

    struct WithdrawalRequestStatus {
        uint256 amountOfStETH;
        uint256 amountOfShares;
        address owner;
        uint256 timestamp;
        bool isFinalized;
        bool isClaimed;
    }

    error Unauthorized();
    error Paused();
    error OutOfBounds(uint256 amount);
    error NotFinalized(uint256 id);
    error InvalidId(uint256 id);
    error InvalidHint(uint256 hint);

    address public immutable governor;
    address public immutable STETH;
    bool public isPaused;
    uint256 public getLastFinalizedRequestId;
    Place[] private line;
    Checkpoint[] private checkpoints;
    mapping(address => uint256[]) private open;

    constructor(address token) {
        governor = msg.sender;
        STETH = token;
        line.push();
        checkpoints.push();
    }

    function setPaused(bool yes) external {
        if (msg.sender != governor) revert Unauthorized();
        isPaused = yes;
    }

    // What the token's report does.

    function finalize(uint256 lastId, uint256 maxShareRate) external payable {
        if (msg.sender != STETH) revert Unauthorized();
        if (lastId > getLastRequestId() || lastId <= getLastFinalizedRequestId) revert InvalidId(lastId);
        checkpoints.push(Checkpoint(getLastFinalizedRequestId + 1, maxShareRate));
        getLastFinalizedRequestId = lastId;
    }

    /// The ether that meets every place up to this one, each at its own rate or at the highest one allowed.
    function prefinalize(uint256 lastId, uint256 maxShareRate) external view returns (uint256 etherToLock, uint256 sharesToBurn) {
        for (uint256 id = getLastFinalizedRequestId + 1; id <= lastId; id++) {
            etherToLock += worth(id, maxShareRate);
            sharesToBurn += line[id].cumulativeShares - line[id - 1].cumulativeShares;
        }
    }

    // What anyone may ask.

    function getLastRequestId() public view returns (uint256) {
        return line.length - 1;
    }

    function getLastCheckpointIndex() public view returns (uint256) {
        return checkpoints.length - 1;
    }

    function getWithdrawalRequests(address owner) external view returns (uint256[] memory) {
        return open[owner];
    }

    function getWithdrawalStatus(uint256[] calldata ids) external view returns (WithdrawalRequestStatus[] memory said) {
        said = new WithdrawalRequestStatus[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) {
            uint256 id = ids[i];
            if (id == 0 || id > getLastRequestId()) revert InvalidId(id);
            (Place memory before, Place memory place) = (line[id - 1], line[id]);
            said[i] = WithdrawalRequestStatus(
                place.cumulativeStEth - before.cumulativeStEth,
                place.cumulativeShares - before.cumulativeShares,
                place.owner,
                place.timestamp,
                id <= getLastFinalizedRequestId,
                place.claimed
            );
        }
    }

    function findCheckpointHints(uint256[] calldata ids, uint256 first, uint256 last)
        external
        view
        returns (uint256[] memory hints)
    {
        hints = new uint256[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) {
            require(i == 0 || ids[i] >= ids[i - 1], "UNSORTED");
            hints[i] = findHint(ids[i], first, last);
            first = hints[i];
        }
    }

    function getClaimableEther(uint256[] calldata ids, uint256[] calldata hints)
        external
        view
        returns (uint256[] memory amounts)
    {
        amounts = new uint256[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) {
            bool waits = ids[i] > getLastFinalizedRequestId || line[ids[i]].claimed;
            amounts[i] = waits ? 0 : claimable(ids[i], hints[i]);
        }
    }

    // What an account does.

    function requestWithdrawals(uint256[] calldata amounts, address owner) external returns (uint256[] memory ids) {
        if (isPaused) revert Paused();
        ids = new uint256[](amounts.length);
        for (uint256 i = 0; i < amounts.length; i++) ids[i] = request(amounts[i], owner == address(0) ? msg.sender : owner);
    }

    function claimWithdrawal(uint256 id) external {
        if (id == 0 || id > getLastFinalizedRequestId) revert NotFinalized(id);
        Place storage place = line[id];
        if (place.claimed || place.owner != msg.sender) revert Unauthorized();
        uint256 amount = claimable(id, findHint(id, 1, getLastCheckpointIndex()));
        place.claimed = true;
        forget(open[msg.sender], id);
        (bool paid,) = msg.sender.call{value: amount}("");
        require(paid, "NOT_PAID");
    }

    // How it does it.

    function request(uint256 amount, address owner) private returns (uint256 id) {
        if (amount < MIN_STETH_WITHDRAWAL_AMOUNT || amount > MAX_STETH_WITHDRAWAL_AMOUNT) revert OutOfBounds(amount);
        IShares(STETH).transferFrom(msg.sender, address(this), amount);
        uint256 shares = IShares(STETH).getSharesByPooledEth(amount);
        id = line.length;
        Place memory before = line[id - 1];
        uint128 sumStEth = before.cumulativeStEth + uint128(amount);
        uint128 sumShares = before.cumulativeShares + uint128(shares);
        line.push(Place(sumStEth, sumShares, owner, uint40(block.timestamp), false));
        open[owner].push(id);
    }

    function claimable(uint256 id, uint256 hint) private view returns (uint256) {
        bool tooEarly = hint == 0 || hint >= checkpoints.length || id < checkpoints[hint].fromId;
        if (tooEarly || (hint + 1 < checkpoints.length && id >= checkpoints[hint + 1].fromId)) revert InvalidHint(hint);
        return worth(id, checkpoints[hint].maxShareRate);
    }

    /// What was asked for, or less where a share has lost since.
    function worth(uint256 id, uint256 maxShareRate) private view returns (uint256) {
        uint256 amount = line[id].cumulativeStEth - line[id - 1].cumulativeStEth;
        uint256 shares = line[id].cumulativeShares - line[id - 1].cumulativeShares;
        return amount * RATE / shares > maxShareRate ? shares * maxShareRate / RATE : amount;
    }

    function findHint(uint256 id, uint256 first, uint256 last) private view returns (uint256) {
        if (id > getLastFinalizedRequestId || first == 0) return 0;
        for (uint256 at = last; at >= first; at--) if (checkpoints[at].fromId <= id) return at;
        return 0;
    }

    function forget(uint256[] storage ids, uint256 id) private {
        for (uint256 i = 0; i < ids.length; i++) {
            if (ids[i] != id) continue;
            ids[i] = ids[ids.length - 1];
            return ids.pop();
        }
    }
}
