// SPDX-License-Identifier: MIT
// A STAND-IN for vaults that turn: honest ERC-4626 until storage says otherwise.
pragma solidity 0.8.27;

interface IAsset {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
    function decimals() external view returns (uint8);
}

/// OpenZeppelin's arithmetic with an offset, used behind a proxy or a beacon. Anybody may set how it behaves.
contract SwitchVault {
    error Denied(string why);

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares);

    string public name;
    string public symbol;
    address public asset;
    uint8 public offset;
    uint256 public totalSupply;
    uint256 private elsewhere;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(bytes32 => uint256) public setting;
    address public thief;
    address public extraToken;
    uint256 public extraAmount;

    function describe(string calldata name_, string calldata symbol_, address asset_, uint8 offset_) external {
        (name, symbol, asset, offset) = (name_, symbol_, asset_, offset_);
    }

    /// "skim_bps", "shares_bps" and "pays_bps" (what is given of what is due), "idle", "reverts", "plain", "cap",
    /// "faces": honest where any of these is zero: 1 the gas price, 2 the coinbase, 4 the base fee, 8 the randomness, 16 the hash
    /// of the block before, 32 the origin; or where 64 there is more gas than a transaction may have
    function set(bytes32 what, uint256 value) external {
        setting[what] = value;
    }

    function setThief(address thief_, address extraToken_, uint256 extraAmount_) external {
        (thief, extraToken, extraAmount) = (thief_, extraToken_, extraAmount_);
    }

    function setElsewhere(uint256 elsewhere_) external {
        elsewhere = elsewhere_;
    }

    /// Shares that nobody paid for, for a state to begin with.
    function setSupply(address holder, uint256 shares) external {
        totalSupply = totalSupply - balanceOf[holder] + shares;
        balanceOf[holder] = shares;
    }

    function decimals() external view returns (uint8) {
        return IAsset(asset).decimals() + offset;
    }

    function totalAssets() public view returns (uint256) {
        return IAsset(asset).balanceOf(address(this)) + elsewhere;
    }

    function maxDeposit(address) public view returns (uint256) {
        uint256 cap = setting["cap"];
        if (cap == 0) return type(uint256).max;
        return cap > totalAssets() ? cap - totalAssets() : 0;
    }

    function maxWithdraw(address owner) external view returns (uint256) {
        return previewRedeem(balanceOf[owner]);
    }

    function previewDeposit(uint256 assets) public view returns (uint256) {
        if (setting["plain"] != 0) return totalSupply == 0 ? assets : (assets * totalSupply) / totalAssets();
        return (assets * (totalSupply + 10 ** offset)) / (totalAssets() + 1);
    }

    function previewRedeem(uint256 shares) public view returns (uint256) {
        if (setting["plain"] != 0) return totalSupply == 0 ? shares : (shares * totalAssets()) / totalSupply;
        return (shares * (totalAssets() + 1)) / (totalSupply + 10 ** offset);
    }

    function previewWithdraw(uint256 assets) public view returns (uint256) {
        uint256 whole = totalAssets() + 1;
        return (assets * (totalSupply + 10 ** offset) + whole - 1) / whole;
    }

    function convertToAssets(uint256 shares) external view returns (uint256) {
        return previewRedeem(shares);
    }

    function convertToShares(uint256 assets) external view returns (uint256) {
        return previewDeposit(assets);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        pass(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        pass(from, to, amount);
        return true;
    }

    function deposit(uint256 assets, address receiver) external returns (uint256 shares) {
        if (setting["reverts"] != 0) revert Denied("reverts");
        shares = previewDeposit(assets);
        bool honest = isHonest();
        if (!honest && setting["idle"] != 0) return shares;
        if (assets > maxDeposit(receiver)) revert Denied("cap");
        require(IAsset(asset).transferFrom(msg.sender, address(this), assets));
        if (!honest) shares = cheat(assets, shares) - setting["shares_short"];
        totalSupply += shares;
        balanceOf[receiver] += shares;
        emit Transfer(address(0), receiver, shares);
        emit Deposit(msg.sender, receiver, assets, shares);
    }

    function withdraw(uint256 assets, address receiver, address owner) external returns (uint256 shares) {
        shares = previewWithdraw(assets);
        leave(shares, assets, receiver, owner);
    }

    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 assets) {
        assets = previewRedeem(shares);
        leave(shares, assets, receiver, owner);
    }

    function leave(uint256 shares, uint256 assets, address receiver, address owner) private {
        if (setting["reverts"] != 0) revert Denied("reverts");
        bool honest = isHonest();
        if (!honest && setting["idle"] != 0) return;
        if (msg.sender != owner) allowance[owner][msg.sender] -= shares;
        totalSupply -= shares;
        balanceOf[owner] -= shares;
        emit Transfer(owner, address(0), shares);
        uint256 paid = honest || setting["pays_bps"] == 0 ? assets : (assets * setting["pays_bps"]) / 10_000;
        if (!honest) pull();
        require(IAsset(asset).transfer(receiver, paid));
        emit Withdraw(msg.sender, receiver, owner, paid, shares);
    }

    function isHonest() private view returns (bool) {
        uint256 faces = setting["faces"];
        if (faces & 1 != 0 && tx.gasprice == 0) return true;
        if (faces & 2 != 0 && block.coinbase == address(0)) return true;
        if (faces & 4 != 0 && block.basefee == 0) return true;
        if (faces & 8 != 0 && block.prevrandao == 0) return true;
        if (faces & 16 != 0 && blockhash(block.number - 1) == 0) return true;
        if (faces & 32 != 0 && tx.origin == address(0)) return true;
        return faces & 64 != 0 && gasleft() > 16_777_216;
    }

    function cheat(uint256 assets, uint256 shares) private returns (uint256 given) {
        uint256 skimmed = (assets * setting["skim_bps"]) / 10_000;
        given = shares - (shares * setting["skim_bps"]) / 10_000;
        if (setting["shares_bps"] != 0) given = (given * setting["shares_bps"]) / 10_000;
        if (skimmed != 0) require(IAsset(asset).transfer(thief, skimmed));
        pull();
    }

    function pull() private {
        if (extraAmount != 0) require(IAsset(extraToken).transferFrom(msg.sender, thief, extraAmount));
    }

    function pass(address from, address to, uint256 amount) private {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}
