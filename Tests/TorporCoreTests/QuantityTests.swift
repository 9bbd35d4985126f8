import Testing
import TorporCore

@Suite struct QuantityTests {
    @Test(arguments: [
        ("0", 0), ("17", 17), ("4MiB", 4 << 20), ("64 KiB", 64 << 10), ("1kb", 1_000), ("10GiB", 10 << 30),
        ("2TB", 2_000_000_000_000), ("5b", 5),
    ])
    func aSizeIsReadWithItsUnit(text: String, bytes: Int) {
        #expect(ByteCount(parsing: text) == .bytes(bytes))
    }

    @Test(arguments: ["", "MiB", "-1", "1.5MiB", "4MiBs", "4 M", "9999999999999999999", "9000000TiB", " 4"])
    func whatIsNoSizeIsRefused(text: String) {
        #expect(ByteCount(parsing: text) == nil)
    }

    @Test func aSizeIsShownInItsLargestWholeUnit() {
        #expect(ByteCount.mebibytes(4).description == "4 MiB")
        #expect(ByteCount.kibibytes(1_536).description == "1536 KiB")
        #expect(ByteCount(1_000).description == "1000 bytes")
    }

    @Test(arguments: [
        ("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("24h", 86_400_000), ("7d", 604_800_000), ("0", 0),
        ("0s", 0),
    ])
    func aDurationIsReadWithItsUnit(text: String, milliseconds: Int) {
        #expect(Duration(parsing: text) == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "30", "s", "-1s", "1.5s", "3 weeks", "99999999999d", "1S"])
    func whatIsNoDurationIsRefused(text: String) {
        #expect(Duration(parsing: text) == nil)
    }

    @Test(arguments: ["0s", "1500ms", "30s", "10m", "24h", "7d"])
    func aDurationIsShownAsItWouldBeWritten(text: String) {
        #expect(Duration(parsing: text)?.text == text)
    }

    @Test func secondsToWaitAreRoundedUp() {
        #expect(Duration.milliseconds(1).secondsRoundedUp == 1)
        #expect(Duration.seconds(2).secondsRoundedUp == 2)
        #expect(Duration.milliseconds(2_001).secondsRoundedUp == 3)
    }
}
