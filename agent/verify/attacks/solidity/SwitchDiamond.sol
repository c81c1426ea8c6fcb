// SPDX-License-Identifier: MIT
// A STAND-IN for a diamond (ERC-2535) with one facet: what stood at its address before, by way of a slot of its own.
pragma solidity 0.8.27;

contract SwitchDiamond {
    struct Facet {
        address facet;
        bytes4[] selectors;
    }

    bytes32 private constant PLACE = keccak256("usufruct.catalogue.facet");

    function facets() external view returns (Facet[] memory found) {
        bytes4[] memory selectors = new bytes4[](3);
        selectors[0] = bytes4(keccak256("deposit(uint256,address)"));
        selectors[1] = bytes4(keccak256("withdraw(uint256,address,address)"));
        selectors[2] = bytes4(keccak256("redeem(uint256,address,address)"));
        found = new Facet[](1);
        found[0] = Facet(facet(), selectors);
    }

    function facet() private view returns (address at) {
        bytes32 place = PLACE;
        assembly {
            at := sload(place)
        }
    }

    fallback() external payable {
        address at = facet();
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), at, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(done) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }
}
