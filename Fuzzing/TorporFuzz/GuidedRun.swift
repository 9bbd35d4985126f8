import ArgumentParser
import Foundation
import Synchronization
import TorporFuzzing
import TorporTestSupport

#if COVERAGE_GUIDED
    import CLibFuzzer
#endif

/// Fuzzing guided by coverage: libFuzzer keeps what reaches new code; its mutations and ours take turns.
enum GuidedRun {
    #if COVERAGE_GUIDED
        /// What the callbacks of libFuzzer need; set once, before it starts.
        struct Context {
            let target: FuzzTarget
            let mutator: Mutator
            let seeds: [[UInt8]]
        }

        static let context = Mutex<Context?>(nil)

        /// Never returns unless libFuzzer does: it ends the process itself when it finds something.
        static func run(_ target: FuzzTarget, arguments: [String]) throws {
            let seeds = try Corpus.inputs(of: target)
            self.context.withLock { $0 = Context(target: target, mutator: Mutator(target), seeds: seeds) }
            let all = ["TorporFuzz", "-max_len=\(target.lengthMax)"] + arguments
            var count = CInt(all.count)
            // libFuzzer keeps the arguments, so they are never freed.
            var pointers: [UnsafeMutablePointer<CChar>?] = all.map { strdup($0) } + [nil]
            let status = pointers.withUnsafeMutableBufferPointer { buffer in
                var start = buffer.baseAddress
                return LLVMFuzzerRunDriver(&count, &start) { data, size in
                    GuidedRun.check(UnsafeBufferPointer(start: data, count: size))
                    return 0
                }
            }
            if status != 0 { throw ExitCode(status) }
        }

        private static func check(_ bytes: UnsafeBufferPointer<UInt8>) {
            guard let target = self.context.withLock({ $0?.target }) else {
                preconditionFailure("set before the start")
            }
            do {
                _ = try target.check(Array(bytes))
            } catch {
                fatalError("\(target.name): \(error)")  // libFuzzer writes the input down and ends the process.
            }
        }

        fileprivate static func mutate(_ data: UnsafeMutableBufferPointer<UInt8>, count: Int, seed: UInt64) -> Int {
            var random = SeededGenerator(seed: seed)
            guard random.chance(60), let context = self.context.withLock({ $0 }) else {
                return LLVMFuzzerMutate(data.baseAddress, count, data.count)
            }
            let changed: [UInt8]
            if let generate = context.target.generate, random.chance(10) {
                changed = generate(&random)
            } else {
                let other = context.seeds.isEmpty ? [] : random.pick(context.seeds)
                changed = context.mutator.mutate(Array(data[..<count]), with: other, using: &random)
            }
            return data.update(fromContentsOf: changed.prefix(data.count))
        }
    #else
        static func run(_ target: FuzzTarget, arguments: [String]) throws {
            throw ValidationError("this build has no libFuzzer; scripts/fuzz.sh makes one that has")
        }
    #endif
}

#if COVERAGE_GUIDED
    /// Found by libFuzzer under this name.
    @_cdecl("LLVMFuzzerCustomMutator")
    public func mutateForLibFuzzer(
        _ data: UnsafeMutablePointer<UInt8>, _ count: Int, _ maximum: Int, _ seed: CUnsignedInt
    ) -> Int {
        GuidedRun.mutate(
            UnsafeMutableBufferPointer(start: data, count: maximum), count: count, seed: UInt64(seed))
    }
#endif
