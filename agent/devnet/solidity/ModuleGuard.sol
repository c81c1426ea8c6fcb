// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface ISafe {
    function execTransactionFromModuleReturnData(address to, uint256 value, bytes memory data, uint8 operation)
        external
        returns (bool success, bytes memory returnData);
}

/// The only module of a Safe. Safe 1.4.1 asks its guard about its owners' transactions and never about a module's, so this stands
/// between the Safe and the Roles modifier: Roles hands over what it has allowed, and whatever would delegate the Safe's own
/// identity, or reach the Safe, the modifier or this contract, ends here, however a role may be set up. It keeps nothing, and
/// nobody can change it.
contract ModuleGuard {
    address public immutable safe;
    address public immutable roles;

    error NotTheRoles(address caller);
    error DelegateCall(address to);
    error OwnMachinery(address to);

    constructor(address safe_, address roles_) {
        safe = safe_;
        roles = roles_;
    }

    function execTransactionFromModule(address to, uint256 value, bytes calldata data, uint8 operation)
        external
        returns (bool success)
    {
        (success,) = _passed(to, value, data, operation);
    }

    function execTransactionFromModuleReturnData(address to, uint256 value, bytes calldata data, uint8 operation)
        external
        returns (bool success, bytes memory returnData)
    {
        return _passed(to, value, data, operation);
    }

    function _passed(address to, uint256 value, bytes calldata data, uint8 operation) private returns (bool, bytes memory) {
        if (msg.sender != roles) revert NotTheRoles(msg.sender);
        if (operation != 0) revert DelegateCall(to);
        if (to == safe || to == roles || to == address(this)) revert OwnMachinery(to);
        return ISafe(safe).execTransactionFromModuleReturnData(to, value, data, operation);
    }
}
