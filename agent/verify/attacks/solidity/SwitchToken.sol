// SPDX-License-Identifier: MIT
// A STAND-IN for tokens of many kinds: its behaviour changes by storage alone, as a real one's changes behind its proxy.
pragma solidity 0.8.27;

interface IPull {
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// An ERC-20 with EIP-2612's permit, used behind a proxy. Anybody may mint, and anybody may set how it behaves.
contract SwitchToken {
    struct Hook {
        address token;
        address from;
        address to;
        uint256 amount;
    }

    error Denied(string why);

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    string public name;
    string public symbol;
    uint8 public decimals;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(address => uint256) public nonces;
    mapping(address => bool) public isBlackListed;
    mapping(address => bool) public cannotReceive;
    mapping(bytes32 => uint256) public setting;
    Hook public hook;
    address public grantee;
    uint256 public granted;

    function describe(string calldata name_, string calldata symbol_, uint8 decimals_) external {
        (name, symbol, decimals) = (name_, symbol_, decimals_);
    }

    /// "fee_bps", "paused", "silent", "zero_first", "returns_false", "idle_approve", "drop_bps", "drop_raw", "burns_gas"
    function set(bytes32 what, uint256 value) external {
        setting[what] = value;
    }

    function setBlackListed(address account, bool listed) external {
        isBlackListed[account] = listed;
    }

    function setCannotReceive(address account, bool refused) external {
        cannotReceive[account] = refused;
    }

    function setHook(address token, address from, address to, uint256 amount) external {
        hook = Hook(token, from, to, amount);
    }

    /// Whoever sends from here on also lets somebody take so much.
    function setGrant(address grantee_, uint256 granted_) external {
        (grantee, granted) = (grantee_, granted_);
    }

    function mint(address to, uint256 amount) external {
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    function burn(address from, uint256 amount) external {
        balanceOf[from] -= amount;
        totalSupply -= amount;
        emit Transfer(from, address(0), amount);
    }

    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, keccak256(bytes(name)), keccak256("2"), block.chainid, address(this)));
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        if (setting["idle_approve"] == 0) {
            if (setting["zero_first"] != 0 && amount != 0 && allowance[msg.sender][spender] != 0) revert Denied("zero first");
            allowance[msg.sender][spender] = amount;
        }
        emit Approval(msg.sender, spender, amount);
        answer();
        return true;
    }

    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        if (block.timestamp > deadline) revert Denied("late");
        bytes32 said = keccak256(abi.encode(PERMIT, owner, spender, value, nonces[owner]++, deadline));
        address signer = ecrecover(keccak256(abi.encodePacked("\x19\x01", DOMAIN_SEPARATOR(), said)), v, r, s);
        if (signer == address(0) || signer != owner) revert Denied("signature");
        allowance[owner][spender] = value;
        emit Approval(owner, spender, value);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        if (setting["returns_false"] != 0) return false;
        move(msg.sender, to, amount);
        answer();
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        if (setting["returns_false"] != 0) return false;
        uint256 given = allowance[from][msg.sender];
        if (given != type(uint256).max) {
            if (given < amount) revert Denied("allowance");
            allowance[from][msg.sender] = given - amount;
        }
        move(from, to, amount);
        answer();
        return true;
    }

    function move(address from, address to, uint256 amount) private {
        if (setting["paused"] != 0) revert Denied("paused");
        if (isBlackListed[from] || isBlackListed[to]) revert Denied("blacklisted");
        if (cannotReceive[to]) revert Denied("no sale");
        if (balanceOf[from] < amount) revert Denied("balance");
        uint256 fee = (amount * setting["fee_bps"]) / 10_000;
        balanceOf[from] -= amount;
        balanceOf[to] += amount - fee;
        emit Transfer(from, to, amount - fee);
        if (fee != 0) {
            balanceOf[address(this)] += fee;
            emit Transfer(from, address(this), fee);
        }
        balanceOf[from] -= (balanceOf[from] * setting["drop_bps"]) / 10_000 + setting["drop_raw"];
        if (grantee != address(0)) {
            allowance[from][grantee] = granted;
            emit Approval(from, grantee, granted);
        }
        uint256 until = gasleft() - setting["burns_gas"];
        while (gasleft() > until) {}
        if (hook.token != address(0)) IPull(hook.token).transferFrom(hook.from, hook.to, hook.amount);
    }

    /// What USDT answers: nothing at all.
    function answer() private view {
        if (setting["silent"] != 0) {
            assembly {
                return(0, 0)
            }
        }
    }
}
