// SPDX-License-Identifier: MIT
// A STAND-IN for Permit2: allowances of allowances, with its own functions' names, and no signatures.
pragma solidity 0.8.27;

interface IPulled {
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

contract PermitTwo {
    struct Pair {
        address token;
        address spender;
    }

    struct Given {
        uint160 amount;
        uint48 expiration;
        uint48 nonce;
    }

    mapping(address => mapping(address => mapping(address => Given))) public allowance;

    function approve(address token, address spender, uint160 amount, uint48 expiration) external {
        Given storage given = allowance[msg.sender][token][spender];
        (given.amount, given.expiration) = (amount, expiration);
    }

    function transferFrom(address from, address to, uint160 amount, address token) external {
        Given storage given = allowance[from][token][msg.sender];
        require(block.timestamp <= given.expiration && amount <= given.amount);
        if (given.amount != type(uint160).max) given.amount -= amount;
        require(IPulled(token).transferFrom(from, to, amount));
    }

    function lockdown(Pair[] calldata approvals) external {
        for (uint256 i = 0; i < approvals.length; i++) {
            allowance[msg.sender][approvals[i].token][approvals[i].spender].amount = 0;
        }
    }
}
