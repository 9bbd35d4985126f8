/// Makes a failing input smaller, and plainer, for as long as it still fails.
package enum Minimiser {
    /// - Parameter fails: Whether an input still fails in the same way.
    /// - Returns: An input that fails, of which no byte can be taken away, nor replaced by an `a` or a `0`.
    package static func minimise(_ input: [UInt8], fails: ([UInt8]) -> Bool) -> [UInt8] {
        var best = input
        var hasChanged = true
        while hasChanged {
            hasChanged = false
            var size = max(1, best.count / 2)
            while size >= 1 {
                var start = 0
                while start < best.count {
                    let candidate = Array(best[..<start] + best[min(best.count, start + size)...])
                    if fails(candidate) {
                        best = candidate
                        hasChanged = true
                    } else {
                        start += size
                    }
                }
                size /= 2
            }
        }
        for index in best.indices where best[index] != UInt8(ascii: "a") && best[index] != UInt8(ascii: "0") {
            for plain in [UInt8(ascii: "a"), UInt8(ascii: "0")] {
                var candidate = best
                candidate[index] = plain
                if fails(candidate) {
                    best = candidate
                    break
                }
            }
        }
        return best
    }
}
