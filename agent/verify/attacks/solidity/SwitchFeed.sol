// SPDX-License-Identifier: MIT
// A STAND-IN for a Chainlink aggregator whose every field the harness may set.
pragma solidity 0.8.27;

contract SwitchFeed {
    int256 public latestAnswer;
    uint256 private age; // how long ago it was updated, whatever the block
    uint256 private startedAt;
    uint256 private fixedUpdatedAt;
    uint80 private roundId = 100;
    uint80 private answeredInRound = 100;
    uint8 public decimals = 8;

    constructor(int256 answer_, uint256 age_, uint256 startedAt_) {
        (latestAnswer, age, startedAt) = (answer_, age_, startedAt_);
    }

    function setAnswer(int256 answer_) external {
        latestAnswer = answer_;
    }

    function setAge(uint256 age_) external {
        (age, fixedUpdatedAt) = (age_, 0);
    }

    function setRound(uint80 roundId_, uint80 answeredInRound_) external {
        (roundId, answeredInRound) = (roundId_, answeredInRound_);
    }

    function setUpdatedAt(uint256 at) external {
        (age, fixedUpdatedAt) = (type(uint256).max, at);
    }

    function setStartedAt(uint256 at) external {
        startedAt = at;
    }

    function setDecimals(uint8 decimals_) external {
        decimals = decimals_;
    }

    function latestTimestamp() public view returns (uint256) {
        return age == type(uint256).max ? fixedUpdatedAt : block.timestamp - age;
    }

    function latestRound() external view returns (uint256) {
        return roundId;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        uint256 at = latestTimestamp();
        return (roundId, latestAnswer, startedAt == 0 ? at : startedAt, at, answeredInRound);
    }
}
