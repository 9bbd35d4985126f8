import Testing
import TorporCore
import TorporEngine
import TorporTestSupport

@testable import TorporHosting

/// The index, its stored form, and which pages are written anew.
@Suite struct FolderIndexTests {
    private func path(_ text: String) -> FolderPath { FolderPath(Array(text.utf8)) }

    private func file(_ path: String, _ parts: [FolderIndex.Part] = []) -> FolderIndex.Entry {
        FolderIndex.Entry(
            path: self.path(path), mode: 0o644, modified: FileTime(seconds: -5, nanoseconds: 999_999_999), parts: parts)
    }

    private func folder(_ path: String) -> FolderIndex.Entry {
        var entry = self.file(path)
        entry.parts = nil
        return entry
    }

    private func index(entries count: Int) -> FolderIndex {
        var index = FolderIndex(generation: 3, run: .max - 1, nextPage: 9)
        index.pages = [.init(number: 2, bytes: 5_000), .init(number: 7, bytes: 1 << 20)]
        index.dropped = [3, 4]
        index.entries = (0..<count).map { number in
            self.file(
                "\(1_000_000 + number)",
                [.init(page: number % 2 == 0 ? 2 : 7, number: UInt32(number), length: number + 1, digest: .max)])
        }
        return index
    }

    /// The values that are stored after `changes`.
    private func apply(_ changes: [[UInt8]: [UInt8]?], to values: inout FolderIndexCodec.Values) {
        for (key, value) in changes { values[key] = value }
    }

    @Test(arguments: [0, 1, 64, 65, 128, 129, 1_000])
    func anIndexIsReadAsItWasWritten(count: Int) throws {
        let index = self.index(entries: count)
        var values: FolderIndexCodec.Values = [:]
        self.apply(FolderIndexCodec.changes(from: nil, to: index), to: &values)
        #expect(try FolderIndexCodec.index(of: values) == index)
        #expect(values.values.reduce(0) { $0 + $1.count } <= index.storedBytes + 300 + 60 * values.count)
        #expect(try FolderIndexCodec.index(of: [:]) == nil)
    }

    @Test func changesLeadFromAnyIndexToAnyOther() throws {
        var random = SeededGenerator(seed: 7)
        var index: FolderIndex?
        var values: FolderIndexCodec.Values = [:]
        for generation in 1...200 {
            var next = self.index(entries: Int.random(in: 0..<300, using: &random))
            next.generation = UInt64(generation)
            next.entries.removeAll { _ in Int.random(in: 0..<4, using: &random) == 0 }
            self.apply(FolderIndexCodec.changes(from: index, to: next), to: &values)
            #expect(try FolderIndexCodec.index(of: values) == next)
            index = next
        }
    }

    @Test func theChangeOfOneEntryChangesOneBucket() {
        let index = self.index(entries: 1_000)
        var next = index
        next.entries[500].mode = 0o600
        #expect(FolderIndexCodec.changes(from: index, to: next).count == 2)
        #expect(FolderIndexCodec.changes(from: index, to: index).count == 1)
    }

    @Test func theStoredFormIsTheOneThatIsDocumented() throws {
        var index = FolderIndex(generation: 1, run: 2, nextPage: 1)
        index.pages = [.init(number: 0, bytes: 3)]
        let bytes: [UInt8] = [1, 2, 3]
        index.entries = [self.file("a", [.init(page: 0, number: 0, length: 3, digest: XXH64.hash(bytes.span.bytes))])]
        let changes = FolderIndexCodec.changes(from: nil, to: index)
        let texts = Dictionary(
            uniqueKeysWithValues: changes.map { (self.hex($0), self.hex($1 ?? [])) })
        #expect(texts == Self.documented)
        var values: FolderIndexCodec.Values = [:]
        self.apply(changes, to: &values)
        #expect(try FolderIndexCodec.index(of: values) == index)
    }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// `docs/formats/state-folder.md` explains these bytes.
    static let documented = [
        // "head"
        "68656164":
            "0001" + "0109" + "0a67656e65726174696f6e" + "0372756e" + "086e65787450616765" + "057061676573"
            + "066e756d626572" + "056279746573" + "0764726f70706564" + "076275636b657473" + "07656e7472696573"
            + "c818" + "0002" + "0104" + "0202" + "03c90701" + "c804" + "0400" + "0506" + "06c90100" + "0702" + "0802",
        // "entries/" and the bucket
        "656e74726965732f0000":
            "0001" + "010a" + "0470617468" + "046d6f6465" + "086d6f646966696564" + "077365636f6e6473"
            + "0b6e616e6f7365636f6e6473" + "057061727473" + "0470616765" + "066e756d626572" + "066c656e677468"
            + "06646967657374" + "c92f01" + "c82c" + "00c70161" + "01c3c806" + "02c809" + "0309" + "04c3fea7d6b907"
            + "05c91501" + "c812" + "0600" + "0700" + "0806" + "09c3ca96f7c4c1fb89bee801",
    ]

    @Test func pagesHaveTheIdsThatAreDocumented() {
        let key = FolderKey(
            id: StateObjectID(bits: 0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10), account: .principal(1),
            retention: .seconds(1_000))
        #expect(key.pageName(258).id.description == "0edb9f81a44174b85da19cd70f139499")
        #expect(key.pageName(258).kind == .folder && key.pageName(258).name == "page")
        #expect(key.indexName.id == key.id && key.indexName.name.isEmpty)
        #expect(key.pageName(258).retention == .seconds(2_000))
    }

    @Test func aNewerIndexIsLeftAloneAndAnythingElseIsDamaged() throws {
        var values: FolderIndexCodec.Values = [:]
        let index = self.index(entries: 70)
        self.apply(FolderIndexCodec.changes(from: nil, to: index), to: &values)
        for (key, value) in values {
            var newer = values
            newer[key] = [0, 2] + value[2...]
            #expect(throws: FolderError.self) { try FolderIndexCodec.index(of: newer) }
            do throws(FolderError) { _ = try FolderIndexCodec.index(of: newer) } catch {
                #expect(error.code == .newerFormat)
            }
            for count in 0..<value.count {
                var cut = values
                cut[key] = Array(value[..<count])
                do throws(FolderError) {
                    _ = try FolderIndexCodec.index(of: cut)
                    Issue.record("\(count) bytes were read as an index")
                } catch {
                    #expect(error.code == .damaged)
                }
            }
            var missing = values
            missing[key] = nil
            #expect(throws: FolderError.self) { try FolderIndexCodec.index(of: missing) }
        }
    }

    @Test(arguments: ["..", ".", "", "a/../../b", "a//b", "/etc", "a/", "a\0b", "a/.", "orphan/of nobody"])
    func whatLeadsOutOfTheFolderIsDamaged(text: String) {
        var index = FolderIndex(generation: 1, nextPage: 1)
        index.entries = [self.folder("a"), self.file(text)].sorted { $0.path < $1.path }
        self.expectDamaged(index)
    }

    @Test func whatContradictsItselfIsDamaged() {
        let part = FolderIndex.Part(page: 0, number: 0, length: 1, digest: 0)
        var sound = FolderIndex(generation: 1, nextPage: 1)
        sound.pages = [.init(number: 0, bytes: 1)]
        sound.entries = [self.file("a", [part]), self.folder("b"), self.file("b/c")]
        let breaks: [(inout FolderIndex) -> Void] = [
            { $0.entries[0].path = $0.entries[1].path },  // Twice the same.
            { $0.entries[1].parts = [] },  // A file in a file.
            { $0.entries[0].mode = 0o4755 },
            { $0.entries[0].modified.nanoseconds = 1_000_000_000 },
            { $0.entries[0].parts?[0].length = 0 },
            { $0.entries[0].parts?[0].length = -1 },
            { $0.entries[0].parts?[0].page = 1 },
            {
                $0.entries[0].parts = [part, part].map {
                    var part = $0; part.length = .max; return part
                }
            },
            { $0.pages.append($0.pages[0]) },
            { $0.pages[0].bytes = -1 },
            { $0.dropped = [0] },
            { $0.dropped = [1] },
            { $0.nextPage = 0 },
        ]
        for (number, damage) in breaks.enumerated() {
            var index = sound
            damage(&index)
            self.expectDamaged(index, "break \(number)")
        }
    }

    private func expectDamaged(_ index: FolderIndex, _ comment: Comment? = nil) {
        var values: FolderIndexCodec.Values = [:]
        self.apply(FolderIndexCodec.changes(from: nil, to: index), to: &values)
        do throws(FolderError) {
            _ = try FolderIndexCodec.index(of: values)
            Issue.record("it was read as an index \(comment ?? "")")
        } catch {
            #expect(error.code == .damaged, comment)
        }
    }

    @Test func pagesThatAreMostlyDeadAreWrittenAnewAndThoseThatAreMostlyAliveAreNot() {
        let pageMax = 1_000_000
        let dead = FolderIndex.deadMax
        func wasteful(_ pages: [(bytes: Int, live: Int)]) -> Set<UInt64> {
            FolderIndex.wastefulPages(
                pages.enumerated().map { .init(number: UInt64($0), bytes: $1.bytes) },
                live: Dictionary(
                    uniqueKeysWithValues: pages.enumerated().filter { $1.live > 0 }.map { (UInt64($0), $1.live) }),
                pageMax: pageMax)
        }
        #expect(wasteful([]) == [])
        // Up to so much that is dead does not matter, and up to as much as lives does not either.
        #expect(wasteful([(dead + 1, 1)]) == [])
        #expect(wasteful([(dead + 2, 1)]) == [0])
        #expect(wasteful([(pageMax, 500_000)]) == [])
        #expect(wasteful([(pageMax, 499_999)]) == [0])
        // What is dead as a whole is deleted anyway.
        #expect(wasteful([(pageMax, 0)]) == [])
        // Many small pages become few.
        let small = (bytes: 499_999, live: 499_999)
        #expect(wasteful(Array(repeating: small, count: 8)) == [])
        #expect(wasteful(Array(repeating: small, count: 9) + [(pageMax, pageMax)]) == Set(0..<9))
    }

    @Test func aFolderContinuesWhatItCameOfAndWhatItWasSavedAs() {
        let lineage = FolderLineage(run: 5, generation: 2)
        #expect(lineage.continues(FolderIndex(generation: 2, run: 4)))
        #expect(lineage.continues(FolderIndex(generation: 3, run: 5)))
        #expect(!lineage.continues(FolderIndex(generation: 3, run: 6)))
        #expect(!lineage.continues(nil))
        #expect(FolderLineage(run: 5, generation: 0).continues(nil))
        #expect(!FolderLineage(run: 5, generation: 0).continues(FolderIndex(generation: 1, run: 6)))
    }

    @Test func pathsForPeopleShowWhatCannotBePrinted() {
        #expect(FolderPath.root.description == ".")
        #expect(self.path("ünï/ñ").description == "ünï/ñ")
        #expect(self.path("a\n\u{1b}[31m\u{202e}").description == "a\\n\\u{1B}[31m\\u{202E}")
        #expect(FolderPath([0x61, 0xFF, 0x0A]).description == "a\\xff\\x0a")
        #expect(FolderPath([UInt8](repeating: 0x61, count: 300)).description.count == 201)
    }
}

/// Who may use a folder, and who waits.
@Suite struct FolderTurnTests {
    private func id(_ number: Int) -> StateObjectID { StateObjectID(bits: UInt128(number)) }

    @Test func oneAtATimeUsesAFolderAndABoundedNumberOfFoldersIsUsed() {
        var turns = FolderTurnStateMachine<Int>(operationsMax: 2, waitingMax: 3)
        #expect(turns.requested(self.id(1), number: 1, by: 1) == .go)
        #expect(turns.requested(self.id(1), number: 2, by: 2) == .wait)
        #expect(turns.requested(self.id(2), number: 3, by: 3) == .go)
        #expect(turns.requested(self.id(3), number: 4, by: 4) == .wait)
        #expect(turns.requested(self.id(1), number: 5, by: 5) == .wait)
        #expect(turns.requested(self.id(4), number: 6, by: 6) == .refuse)
        // The first who waits for a folder that is free.
        #expect(turns.ended(self.id(2)) == [4])
        #expect(turns.ended(self.id(1)) == [2])
        #expect(turns.cancelled(2) == nil)
        #expect(turns.cancelled(5) == 5)
        #expect(turns.ended(self.id(1)) == [])
        #expect(turns.ended(self.id(3)) == [])
        #expect((turns.runningCount, turns.waitingCount) == (0, 0))
    }

    @Test func whoArrivesBehindThoseThatWaitForOneFolderUsesAnother() {
        var turns = FolderTurnStateMachine<Int>(operationsMax: 2, waitingMax: 9)
        #expect(turns.requested(self.id(1), number: 1, by: 1) == .go)
        #expect(turns.requested(self.id(1), number: 2, by: 2) == .wait)
        #expect(turns.requested(self.id(2), number: 3, by: 3) == .go)
        #expect(turns.ended(self.id(1)) == [2])
    }

    @Test func whatEndsHasBegun() async {
        await #expect(processExitsWith: .failure) {
            var turns = FolderTurnStateMachine<Int>(operationsMax: 1, waitingMax: 1)
            _ = turns.ended(StateObjectID(bits: 1))
        }
    }

    @Test func whoIsCancelledWhileItWaitsDoesNotHaveATurn() async throws {
        let turns = FolderTurns(FolderLimits(operationsMax: 1, waitingMax: 1))
        try await turns.take(self.id(1)) { () async throws(FolderError) in
            let waiting = Task {
                try await expectFolderError(.cancelled) {
                    try await turns.take(self.id(2)) { () throws(FolderError) in Issue.record("it had a turn") }
                }
            }
            waiting.cancel()
            _ = try? await waiting.value  // It records what goes wrong.
            #expect(turns.counts == (1, 0))
        }
        #expect(turns.counts == (0, 0))
        try await turns.take(self.id(2)) { () throws(FolderError) in }
    }
}
