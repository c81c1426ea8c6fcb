// SPDX-License-Identifier: MIT
// A STAND-IN for Compound III's Comet, not its code: no package ships it, so this has its interface and published arithmetic.
pragma solidity 0.8.27;

interface IToken {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
    function decimals() external view returns (uint8);
}

interface IFeed {
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

/// Lends one base token against collateral. It has what a lender, a borrower and a pauser use of Comet; it absorbs nobody, sells
/// no collateral, moves no claim between accounts and pays no reward. `retune` and `list` stand for
/// what governance does otherwise.
contract CometStandIn {
    struct Curve {
        uint64 kink;
        uint64 low;
        uint64 high;
        uint64 base;
    }

    struct TotalsBasic {
        uint64 baseSupplyIndex;
        uint64 baseBorrowIndex;
        uint64 trackingSupplyIndex;
        uint64 trackingBorrowIndex;
        uint104 totalSupplyBase;
        uint104 totalBorrowBase;
        uint40 lastAccrualTime;
        uint8 pauseFlags;
    }

    struct UserBasic {
        int104 principal;
        uint64 baseTrackingIndex;
        uint64 baseTrackingAccrued;
        uint16 assetsIn;
        uint8 reserved;
    }

    struct Balance {
        uint128 amount;
        uint128 reserved;
    }

    struct AssetInfo {
        uint8 offset;
        address asset;
        address priceFeed;
        uint64 scale;
        uint64 borrowCollateralFactor;
        uint64 liquidateCollateralFactor;
        uint64 liquidationFactor;
        uint128 supplyCap;
    }

    error BadAsset();
    error BadPrice();
    error BorrowTooSmall();
    error NotCollateralized();
    error Paused();
    error SupplyCapExceeded();
    error Unauthorized();
    error DoesNotFit();
    error TransferFailed();

    uint256 private constant YEAR = 365 days;
    uint256 private constant INDEX = 1e15;
    uint256 private constant ONE = 1e18;

    address public immutable governor;
    address public immutable baseToken;
    address public immutable baseTokenPriceFeed;
    uint256 public immutable baseScale;
    uint256 public baseBorrowMin;

    Curve private supplyCurve;
    Curve private borrowCurve;
    AssetInfo[] private listed;

    TotalsBasic public totalsBasic;
    mapping(address => UserBasic) public userBasic;
    mapping(address => mapping(address => Balance)) public userCollateral;
    mapping(address => Balance) public totalsCollateral;

    constructor(address base, address feed, uint256 borrowMin, uint256[4] memory supplyYear, uint256[4] memory borrowYear) {
        governor = msg.sender;
        baseToken = base;
        baseTokenPriceFeed = feed;
        baseScale = 10 ** IToken(base).decimals();
        baseBorrowMin = borrowMin;
        supplyCurve = perSecond(supplyYear);
        borrowCurve = perSecond(borrowYear);
        totalsBasic.baseSupplyIndex = uint64(INDEX);
        totalsBasic.baseBorrowIndex = uint64(INDEX);
        totalsBasic.lastAccrualTime = uint40(block.timestamp);
    }

    modifier governed() {
        if (msg.sender != governor) revert Unauthorized();
        _;
    }

    // What governance decides.

    function list(address asset, address feed, uint64 borrowFactor, uint64 liquidateFactor, uint128 cap) external governed {
        uint64 scale = uint64(10 ** IToken(asset).decimals());
        listed.push(AssetInfo(uint8(listed.length), asset, feed, scale, borrowFactor, liquidateFactor, uint64(ONE), cap));
    }

    function retune(uint256 borrowMin, uint8 offset, uint128 cap) external governed {
        baseBorrowMin = borrowMin;
        listed[offset].supplyCap = cap;
    }

    function pause(bool supplies, bool transfers, bool withdrawals, bool absorptions, bool purchases) external governed {
        totalsBasic.pauseFlags = flag(supplies, 0) | flag(transfers, 1) | flag(withdrawals, 2) | flag(absorptions, 3)
            | flag(purchases, 4);
    }

    // What anyone may ask.

    function numAssets() external view returns (uint8) {
        return uint8(listed.length);
    }

    function getAssetInfo(uint8 offset) external view returns (AssetInfo memory) {
        if (offset >= listed.length) revert BadAsset();
        return listed[offset];
    }

    function getPrice(address feed) public view returns (uint256) {
        (, int256 price,,,) = IFeed(feed).latestRoundData();
        if (price <= 0) revert BadPrice();
        return uint256(price);
    }

    function supplyKink() external view returns (uint256) { return supplyCurve.kink; }
    function supplyPerSecondInterestRateSlopeLow() external view returns (uint256) { return supplyCurve.low; }
    function supplyPerSecondInterestRateSlopeHigh() external view returns (uint256) { return supplyCurve.high; }
    function supplyPerSecondInterestRateBase() external view returns (uint256) { return supplyCurve.base; }
    function borrowKink() external view returns (uint256) { return borrowCurve.kink; }
    function borrowPerSecondInterestRateSlopeLow() external view returns (uint256) { return borrowCurve.low; }
    function borrowPerSecondInterestRateSlopeHigh() external view returns (uint256) { return borrowCurve.high; }
    function borrowPerSecondInterestRateBase() external view returns (uint256) { return borrowCurve.base; }

    function isSupplyPaused() public view returns (bool) {
        return totalsBasic.pauseFlags & 1 != 0;
    }

    function isWithdrawPaused() public view returns (bool) {
        return totalsBasic.pauseFlags & 4 != 0;
    }

    function getSupplyRate(uint256 usage) public view returns (uint64) {
        return rate(supplyCurve, usage);
    }

    function getBorrowRate(uint256 usage) public view returns (uint64) {
        return rate(borrowCurve, usage);
    }

    function getUtilization() public view returns (uint256) {
        uint256 supplied = present(totalsBasic.totalSupplyBase, totalsBasic.baseSupplyIndex);
        if (supplied == 0) return 0;
        return present(totalsBasic.totalBorrowBase, totalsBasic.baseBorrowIndex) * ONE / supplied;
    }

    function balanceOf(address account) public view returns (uint256) {
        (uint64 supplyIndex,) = indicesNow();
        int104 principal = userBasic[account].principal;
        return principal > 0 ? present(uint104(principal), supplyIndex) : 0;
    }

    function borrowBalanceOf(address account) public view returns (uint256) {
        (, uint64 borrowIndex) = indicesNow();
        int104 principal = userBasic[account].principal;
        return principal < 0 ? present(uint104(-principal), borrowIndex) : 0;
    }

    function isBorrowCollateralized(address account) public view returns (bool) {
        return covers(account, false);
    }

    function isLiquidatable(address account) external view returns (bool) {
        return !covers(account, true);
    }

    // What an account does.

    function accrueAccount(address) external {
        accrue();
    }

    function supply(address asset, uint256 amount) external {
        takeIn(msg.sender, msg.sender, asset, amount);
    }

    function supplyTo(address dst, address asset, uint256 amount) external {
        takeIn(msg.sender, dst, asset, amount);
    }

    function supplyFrom(address from, address dst, address asset, uint256 amount) external {
        takeIn(from, dst, asset, amount);
    }

    function withdraw(address asset, uint256 amount) external {
        giveOut(msg.sender, msg.sender, asset, amount);
    }

    function withdrawTo(address to, address asset, uint256 amount) external {
        giveOut(msg.sender, to, asset, amount);
    }

    function withdrawFrom(address src, address to, address asset, uint256 amount) external {
        giveOut(src, to, asset, amount);
    }

    // How it does it.

    function takeIn(address from, address dst, address asset, uint256 amount) private {
        if (isSupplyPaused()) revert Paused();
        permitted(from);
        if (asset != baseToken) return takeCollateral(from, dst, asset, to128(amount));
        if (amount == type(uint256).max) amount = borrowBalanceOf(dst);
        pull(asset, from, amount);
        accrue();
        int104 before = userBasic[dst].principal;
        int104 later = principalOf(balance(before) + int256(amount));
        if (later >= before) {
            totalsBasic.totalBorrowBase -= uint104(negative(before) - negative(later));
            totalsBasic.totalSupplyBase += uint104(positive(later) - positive(before));
        }
        userBasic[dst].principal = later;
    }

    function giveOut(address src, address to, address asset, uint256 amount) private {
        if (isWithdrawPaused()) revert Paused();
        permitted(src);
        if (asset != baseToken) return giveCollateral(src, to, asset, to128(amount));
        if (amount == type(uint256).max) amount = balanceOf(src);
        accrue();
        if (amount > uint256(type(int256).max)) revert DoesNotFit();
        int104 before = userBasic[src].principal;
        int256 left = balance(before) - int256(amount);
        int104 later = principalOf(left);
        if (later <= before) {
            totalsBasic.totalSupplyBase -= uint104(positive(before) - positive(later));
            totalsBasic.totalBorrowBase += uint104(negative(later) - negative(before));
        }
        userBasic[src].principal = later;
        if (left < 0) {
            if (uint256(-left) < baseBorrowMin) revert BorrowTooSmall();
            if (!isBorrowCollateralized(src)) revert NotCollateralized();
        }
        push(asset, to, amount);
    }

    function takeCollateral(address from, address dst, address asset, uint128 amount) private {
        pull(asset, from, amount);
        AssetInfo memory info = infoOf(asset);
        uint128 total = totalsCollateral[asset].amount + amount;
        if (total > info.supplyCap) revert SupplyCapExceeded();
        totalsCollateral[asset].amount = total;
        setCollateral(dst, info, userCollateral[dst][asset].amount + amount);
    }

    function giveCollateral(address src, address to, address asset, uint128 amount) private {
        uint128 left = userCollateral[src][asset].amount - amount;
        totalsCollateral[asset].amount -= amount;
        setCollateral(src, infoOf(asset), left);
        if (!isBorrowCollateralized(src)) revert NotCollateralized();
        push(asset, to, amount);
    }

    function setCollateral(address account, AssetInfo memory info, uint128 amount) private {
        userCollateral[account][info.asset].amount = amount;
        uint16 bit = uint16(1) << info.offset;
        if (amount == 0) userBasic[account].assetsIn &= ~bit;
        else userBasic[account].assetsIn |= bit;
    }

    function accrue() private {
        (totalsBasic.baseSupplyIndex, totalsBasic.baseBorrowIndex) = indicesNow();
        totalsBasic.lastAccrualTime = uint40(block.timestamp);
    }

    function indicesNow() private view returns (uint64 supplyIndex, uint64 borrowIndex) {
        supplyIndex = totalsBasic.baseSupplyIndex;
        borrowIndex = totalsBasic.baseBorrowIndex;
        uint256 elapsed = block.timestamp - totalsBasic.lastAccrualTime;
        if (elapsed == 0) return (supplyIndex, borrowIndex);
        uint256 usage = getUtilization();
        supplyIndex += to64(supplyIndex * (getSupplyRate(usage) * elapsed) / ONE);
        borrowIndex += to64(borrowIndex * (getBorrowRate(usage) * elapsed) / ONE);
    }

    function covers(address account, bool whenLiquidated) private view returns (bool) {
        UserBasic memory user = userBasic[account];
        if (user.principal >= 0) return true;
        int256 room = balance(user.principal) * int256(getPrice(baseTokenPriceFeed)) / int256(baseScale);
        for (uint256 i = 0; i < listed.length && room < 0; i++) {
            if (user.assetsIn & (uint16(1) << uint16(i)) == 0) continue;
            AssetInfo memory info = listed[i];
            uint256 worth = userCollateral[account][info.asset].amount * getPrice(info.priceFeed) / info.scale;
            uint256 factor = whenLiquidated ? info.liquidateCollateralFactor : info.borrowCollateralFactor;
            room += int256(worth * factor / ONE);
        }
        return room >= 0;
    }

    function infoOf(address asset) private view returns (AssetInfo memory) {
        for (uint256 i = 0; i < listed.length; i++) if (listed[i].asset == asset) return listed[i];
        revert BadAsset();
    }

    /// What a signed principal is worth by the stored indices.
    function balance(int104 principal) private view returns (int256) {
        if (principal >= 0) return int256(present(uint104(principal), totalsBasic.baseSupplyIndex));
        return -int256(present(uint104(-principal), totalsBasic.baseBorrowIndex));
    }

    /// The other way round: a claim is rounded down, a debt up.
    function principalOf(int256 value) private view returns (int104) {
        if (value >= 0) return to104(uint256(value) * INDEX / totalsBasic.baseSupplyIndex);
        uint256 index = totalsBasic.baseBorrowIndex;
        return -to104((uint256(-value) * INDEX + index - 1) / index);
    }

    /// Comet knows managers, too; here everybody acts for oneself.
    function permitted(address owner) private view {
        if (owner != msg.sender) revert Unauthorized();
    }

    function pull(address asset, address from, uint256 amount) private {
        if (!IToken(asset).transferFrom(from, address(this), amount)) revert TransferFailed();
    }

    function push(address asset, address to, uint256 amount) private {
        if (!IToken(asset).transfer(to, amount)) revert TransferFailed();
    }

    function rate(Curve memory curve, uint256 usage) private pure returns (uint64) {
        uint256 low = usage <= curve.kink ? usage : curve.kink;
        return to64(curve.base + curve.low * low / ONE + curve.high * (usage - low) / ONE);
    }

    function present(uint256 principal, uint256 index) private pure returns (uint256) {
        return principal * index / INDEX;
    }

    function positive(int104 value) private pure returns (uint256) {
        return value > 0 ? uint256(int256(value)) : 0;
    }

    function negative(int104 value) private pure returns (uint256) {
        return value < 0 ? uint256(-int256(value)) : 0;
    }

    function perSecond(uint256[4] memory year) private pure returns (Curve memory) {
        return Curve(to64(year[0]), to64(year[1] / YEAR), to64(year[2] / YEAR), to64(year[3] / YEAR));
    }

    function flag(bool yes, uint8 at) private pure returns (uint8) {
        return yes ? uint8(1) << at : 0;
    }

    function to64(uint256 value) private pure returns (uint64) {
        if (value > type(uint64).max) revert DoesNotFit();
        return uint64(value);
    }

    function to104(uint256 value) private pure returns (int104) {
        if (value > uint104(type(int104).max)) revert DoesNotFit();
        return int104(uint104(value));
    }

    function to128(uint256 value) private pure returns (uint128) {
        if (value > type(uint128).max) revert DoesNotFit();
        return uint128(value);
    }
}
