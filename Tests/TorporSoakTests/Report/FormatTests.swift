import Testing

@testable import TorporSoak

@Suite struct FormatTests {
    @Test(arguments: [
        (0.0, "0 B"), (3.5, "3.5 B"), (-2.25, "-2.3 B"), (1_023.4, "1,023 B"), (1_024, "1.0 KiB"),
        (-36_864, "-36.0 KiB"),
        (150_000, "146 KiB"), (3_000_000, "2.9 MiB"), (5e12, "4.5 TiB"), (-0.01, "0.0 B"),
    ])
    func bytesAreShortAndExactEnough(bytes: Double, text: String) {
        #expect(Format.bytes(bytes) == text)
    }

    @Test func numbersAreGrouped() {
        #expect(Format.grouped(0) == "0")
        #expect(Format.grouped(-1_234_567) == "-1,234,567")
        #expect(Format.number(1_234.567, digits: 2) == "1,234.57")
        #expect(Format.number(0.05, digits: 2) == "0.05")
    }

    @Test func timesTakeTheUnitThatSuitsThem() {
        #expect(Format.seconds(0.0042) == "4.2 ms")
        #expect(Format.seconds(0.25) == "250 ms")
        #expect(Format.seconds(2.34) == "2.3 s")
        #expect(Format.seconds(75) == "1 min 15 s")
        #expect(Format.date(1_795_280_700) == "2026-11-21 17:05 UTC")
    }

    @Test func marksOfAnAxisAreRoundAndWithinIt() {
        #expect(Plot.ticks(0...100, count: 5, steps: [1, 2, 5], base: 10) == [0, 20, 40, 60, 80, 100])
        let marks = Plot.ticks(60e6...90e6, count: 5, steps: [1, 2, 4, 8], base: 2)
        #expect(marks.allSatisfy { $0.truncatingRemainder(dividingBy: 1_048_576) == 0 && (60e6...90e6).contains($0) })
        #expect((3...8).contains(marks.count))
        #expect(Plot.ticks(5...5, count: 5, steps: [1], base: 10).isEmpty)
    }
}
